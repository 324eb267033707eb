"""`slm export ... slm`: a checkpoint to share, without optimizer state and local paths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

from slm.checkpoint.int8 import quantized_state
from slm.checkpoint.store import save_checkpoint
from slm.config.run_paths import without_folders
from slm.interop.source import ExportDtype, ExportSource, stored
from slm.log import Log
from slm.model_card import ModelCard


def check(source: ExportSource) -> None:
    """Nothing to refuse: our own format holds every model of ours."""


def write(source: ExportSource, out: Path, *, dtype: str, card: ModelCard, log: Log) -> None:
    """Write the checkpoint; it is complete or absent.

    Args:
        source: the model.
        out: the directory; one that exists is replaced.
        dtype: of the weights; with int8, all but the matrices are in float32.
        card: what a user of the model should know.
        log: called with notes.

    Raises:
        CheckpointError: the weights are non-finite.
        WriteError, NoSpaceError: nothing is left behind.
    """
    weights = source.weights()
    if dtype == "int8":
        state = quantized_state(weights)
    else:
        state = {name: stored(values, cast(ExportDtype, dtype)) for name, values in weights.items()}
    save_checkpoint(
        out,
        model_state=state,
        config=without_folders(source.settings),
        tokenizer=source.tokenizer,
        state=replace(source.state, conditions={}),
        card=card,
    )
