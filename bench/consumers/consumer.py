"""What another program says about a model in one of its files."""

from __future__ import annotations

import importlib.metadata
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]
Windows = Sequence[Sequence[int]]


class Consumer(Protocol):
    """A program with a model."""

    name: str
    """And its version."""
    scores_are_normalized: bool
    """Whether `scores` gives log-probabilities, not logits."""
    text_prefix: str
    """What it puts in front of every text by itself."""

    n_reserved: int
    """Positions of its context that a prompt cannot fill."""

    def ids(self, texts: Sequence[str]) -> Sequence[list[int] | None]:
        """Of each text, without the token that begins it; None: it cannot encode the text."""

    def scores(self, windows: Windows) -> Iterator[Array]:
        """Logits or log-probabilities [T, vocab_size] of the ids after each of a window's ids."""

    def continuation(self, prompt: str, n_tokens: int) -> str:
        """A prompt with the most likely `n_tokens` after it, or less where the text ends."""


def package(name: str) -> str:
    """A Python package and its version."""
    return f"{name} {importlib.metadata.version(name)}"


def checkout(name: str, folder: Path) -> str:
    """A program and the commit of its checkout."""
    command = ["git", "-C", str(folder), "log", "-1", "--format=%h (%cs)"]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return f"{name} {found.stdout.strip()}"


def until(ids: Sequence[int], end: int) -> list[int]:
    """The ids before the first one that ends a text."""
    return list(ids[: ids.index(end)] if end in ids else ids)
