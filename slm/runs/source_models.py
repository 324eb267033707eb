"""Models that a run starts or learns from: opened by name, recognized by their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slm.checkpoint import open_checkpoint
from slm.config.source_model import SourceModel
from slm.errors import CheckpointError
from slm.interop.named_model import local_checkpoint
from slm.log import Log, silent

if TYPE_CHECKING:
    from slm.checkpoint import Checkpoint


def opened(source: str, note: Log) -> Checkpoint:
    """The checkpoint of a model that settings name.

    Args:
        source: a run, a checkpoint, `hf:owner/name` or `builtin`.
        note: called with what takes long, and with a sentence about a damaged checkpoint.

    Raises:
        UsageError: there is no such model.
        HubError, ConfigError, CheckpointError, TokenizerError: the model cannot be loaded.
    """
    return open_checkpoint(local_checkpoint(source, log=note), log=note)


def facts_of(checkpoint: Checkpoint) -> SourceModel:
    """What the settings of a run record about a model.

    Raises:
        CheckpointError: it has no tokenizer, or a damaged one.
    """
    tokenizer = checkpoint.tokenizer
    return SourceModel(
        weights_sha256=checkpoint.weights_sha256,
        step=checkpoint.state.step,
        tokenizer=tokenizer.name,
        tokenizer_sha256=tokenizer.fingerprint,
    )


def opened_again(source: str, facts: SourceModel, role: str) -> Checkpoint:
    """The checkpoint of a model that settings name, with the recorded weights.

    Args:
        source: as for `opened`.
        facts: what was recorded.
        role: what the run does with the weights, after "that", for the message.

    Raises:
        CheckpointError: the model is damaged, or no longer has the recorded weights.
        UsageError, HubError: there is no such model.
    """
    checkpoint = opened(source, silent)
    if checkpoint.weights_sha256 != facts.weights_sha256:
        raise CheckpointError(
            f"{checkpoint.path} no longer has the weights that this run {role}",
            hint="start a new run in another folder",
        )
    return checkpoint
