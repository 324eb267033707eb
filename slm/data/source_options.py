"""How a source of text is read, as `slm.data.sources.open_source` was asked to."""

from __future__ import annotations

from dataclasses import dataclass

from slm.log import Log


def least(*numbers: int | None) -> int | None:
    """The least of the numbers that are known; None: none is."""
    return min((number for number in numbers if number is not None), default=None)


@dataclass(frozen=True)
class SourceOptions:
    """The arguments of `open_source`, which every kind of source takes."""

    limit: int | None
    """Number of stories for training; None: all."""
    validation_fraction: float
    """Share that is held out where there is no validation split."""
    seed: int
    """Determines what is held out, and the text of the built-in corpus."""
    allow_zero_bytes: bool
    """Whether text may contain zero bytes, to find and remove them."""
    log: Log
