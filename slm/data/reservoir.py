"""A uniform random sample of a stream whose length is not known."""

from __future__ import annotations

import random
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Reservoir(Generic[Item]):
    """Keeps `size` items of a stream, each item with the same probability.

    Vitter 1985, https://doi.org/10.1145/3147.3165, algorithm R.

    Args:
        size: number of items to keep.
        seed: equal seeds keep the same items of equal streams.

    Attributes:
        items: the sample so far, not in the order of the stream; all items until there are more.
        n_seen: number of items so far.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.items: list[Item] = []
        self.n_seen = 0
        self._size = size
        self._rng = random.Random(seed)

    def add(self, item: Item) -> None:
        """Take the next item of the stream."""
        if len(self.items) < self._size:
            self.items.append(item)
        elif (slot := self._rng.randrange(self.n_seen + 1)) < self._size:
            self.items[slot] = item
        self.n_seen += 1
