"""Models that a run starts or learns from: opened by name, recognized by their weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from slm.checkpoint import open_checkpoint
from slm.config import RunConfig
from slm.config.model_record import ModelRecord
from slm.config.origins import OriginKind
from slm.errors import CheckpointError, UsageError, shown
from slm.interop.named_model import local_checkpoint
from slm.log import Log, silent
from slm.tokenizer import Tokenizer, build_tokenizer, needs_corpus

if TYPE_CHECKING:
    from slm.checkpoint import Checkpoint


def open_model(source: str, note: Log) -> Checkpoint:
    """The checkpoint of a model that settings name.

    Args:
        source: a run, a checkpoint, `hf:owner/name` or `builtin`.
        note: called with what takes long, and with a sentence about a damaged checkpoint.

    Raises:
        UsageError: there is no such model.
        HubError, ConfigError, CheckpointError, TokenizerError: the model cannot be loaded.
    """
    return open_checkpoint(local_checkpoint(source, log=note), log=note)


def record_of(checkpoint: Checkpoint) -> ModelRecord:
    """What the settings of a run record about a model.

    Raises:
        CheckpointError: it has no tokenizer, or a damaged one.
    """
    tokenizer = checkpoint.tokenizer
    return ModelRecord(
        weights_sha256=checkpoint.weights_sha256,
        step=checkpoint.state.step,
        tokenizer=tokenizer.name,
        tokenizer_sha256=tokenizer.fingerprint,
    )


def open_recorded_model(source: str, record: ModelRecord, role: str) -> Checkpoint:
    """The checkpoint of a model that settings name, with the recorded weights.

    Args:
        source: as for `open_model`.
        record: what was recorded.
        role: what the run does with the weights, after "that this run", for the message.

    Raises:
        CheckpointError: the model is damaged, or no longer has the recorded weights.
        UsageError, HubError: there is no such model.
    """
    checkpoint = open_model(source, silent)
    if checkpoint.weights_sha256 != record.weights_sha256:
        raise CheckpointError(
            f"{checkpoint.path} no longer has the weights that this run {role}",
            hint="restore the model with these weights, or start a new run in another folder",
        )
    return checkpoint


def names_its_tokenizer(
    settings: RunConfig, checkpoint: Checkpoint, source: str, words: Mapping[str, str]
) -> bool:
    """Whether the user named the tokenizer of a model that the run starts or learns from.

    Args:
        settings: of a new run.
        checkpoint, source: the model, and its name in the settings.
        words: settings of the command line, and how each is given there.

    Raises:
        UsageError: the user named another one.
    """
    spec, origin = settings.data.tokenizer, settings.origin_of("data.tokenizer")
    if origin.is_open:
        return False
    tokenizer = checkpoint.tokenizer
    if origin.kind is OriginKind.FILE and spec in (
        tokenizer.name,
        checkpoint.config.data.tokenizer,
    ):
        return False  # such as the settings of the run that trained the model
    if _is_same(spec, tokenizer):
        return True
    word = word_for(settings, "data.tokenizer", words)
    raise UsageError(
        f"{word} is not possible: the run uses the tokenizer of the model in {source}, "
        f"{tokenizer.name} ({tokenizer.fingerprint[:8]})",
        hint="leave out the tokenizer: the text is tokenized with the model's tokenizer",
    )


def _is_same(spec: str, tokenizer: Tokenizer) -> bool:
    """Whether a specification means this tokenizer; one that is trained on the new text is not."""
    if needs_corpus(spec):
        return False
    return build_tokenizer(spec, lambda: ()).fingerprint == tokenizer.fingerprint


def word_for(settings: RunConfig, name: str, words: Mapping[str, str]) -> str:
    """A setting as the user gave it."""
    value = shown(settings.value_of(name))
    word = words.get(name)
    if word is None:
        return f"{name} = {value} ({settings.origin_of(name)})"
    return word if "=" in word else f"{word} {value}"
