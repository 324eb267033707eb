"""The tasks of `bench/race.py`, and what a racer is for it: a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class RacerError(Exception):
    """A racer that failed."""


@dataclass(frozen=True)
class Task:
    """One text, and the settings of each racer."""

    preset: str
    our_tokenizer: str
    their_tokenizer: str
    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    batch_size: int
    steps: int | None
    """Of nanoGPT's recipe; None: as many as fit."""
    targets: Sequence[float]
    """Nats per character for `shakespeare`, bits per byte for `stories`."""
    names: Sequence[str]
    """The racers."""


TASKS = {
    "shakespeare": Task(
        "shakespeare-char",
        "chars",
        "chars",
        *(4, 4, 128, 64, 12, 2000),
        targets=(2.2, 2.0, 1.886, 1.8, 1.7),
        names=("ours", "nanogpt", "transformers"),
    ),
    "stories": Task(
        "modern-12m",
        "bpe:4096",
        "gpt2",
        *(4, 4, 128, 256, 12, None),
        targets=(2.0, 1.7, 1.45, 1.2, 1.0, 0.9),
        names=(
            *("ours", "gpt2", "nanogpt", "transformers"),
            *("nanochat", "nanochat-small", "autoresearch"),
        ),
    ),
}


class Entry(NamedTuple):
    """A command that races.

    Attributes:
        command: program and arguments.
        where: its folder.
        environment: variables to set.
    """

    command: list[str]
    where: Path
    environment: Mapping[str, str] = {}
