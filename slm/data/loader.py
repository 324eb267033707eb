"""The batches of a prepared data directory as tensors; `slm.data.batches` defines them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slm.data.batches import (
    Indices,
    TokenArray,
    count_windows,
    inputs_and_targets,
    spread_windows,
    windows_of_step,
)
from slm.data.shards import DataDirectory, DataMeta
from slm.errors import DataError
from slm.hardware.devices import resolve_device
from slm.quantities import counted
from slm.tokenizer.base import Tokenizer

if TYPE_CHECKING:
    import torch

    Batch = tuple[torch.Tensor, torch.Tensor]


class DataLoader:
    """Batches from a prepared data directory. Constructing it touches no file.

    Args:
        batch_size: sequences of a batch.
        block_size: tokens of a sequence, the context length.
        device: of the tensors; auto: the fastest kind that is available.
        data_dir: the prepared directory.
        seed: determines the order of the training windows.
        rank, world_size: number of this process, and number of processes that share the data.
    """

    def __init__(
        self,
        batch_size: int,
        block_size: int,
        device: str | torch.device = "cpu",
        *,
        data_dir: str | Path = "./data",
        seed: int = 1337,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_size < 1 or block_size < 1:
            raise DataError(
                f"batch_size {batch_size} and block_size {block_size} must be at least 1"
            )
        if not 0 <= rank < world_size:
            raise DataError(f"rank {rank} is not below world_size {world_size}")
        self.batch_size = batch_size
        self.block_size = block_size
        self.device = device
        self.data_dir = Path(data_dir)
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self._directory: DataDirectory | None = None
        self._next_step = {"train": 0, "validation": 0}

    @property
    def directory(self) -> DataDirectory:
        """The prepared directory, opened when first needed.

        Raises:
            DataError: it is missing or damaged.
        """
        if self._directory is None:
            self._directory = DataDirectory.open(self.data_dir)
        return self._directory

    @property
    def meta(self) -> DataMeta:
        """The description of the directory."""
        return self.directory.meta

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that made the ids."""
        return self.directory.tokenizer

    @property
    def vocab_size(self) -> int:
        """Number of ids of the tokenizer."""
        return self.meta.tokenizer.vocab_size

    @property
    def n_windows(self) -> int:
        """Training windows; each epoch visits each of them once."""
        return self._count_windows("train")

    @property
    def tokens_per_epoch(self) -> int:
        """Training tokens that one epoch predicts."""
        return self.n_windows * self.block_size

    def batch_at(self, step: int, split: str = "train") -> Batch:
        """The batch of a step: inputs and, shifted by one, targets.

        A pure function of (seed, step, rank, world_size); steps count micro-batches from 0.

        Returns:
            x, y: int64 [batch_size, block_size] on the device.

        Raises:
            DataError: the split is shorter than one block, or its file is damaged.
        """
        windows = self._windows_of(step, split, self.rank)
        return self._gather(self.directory.tokens(split), windows * self.block_size)

    def stories_at(
        self, step: int, n_batches: int = 1, split: str = "train", *, rank: int | None = None
    ) -> list[int]:
        """Numbers of the stories that the batches of `step`, `step + 1`, ... touch, from 0.

        Story 0 ends with the split's first end-of-text token, and so on. The ids are read up to the
        last window: this is for reports, not for every step.

        Args:
            step: the first micro-batch.
            n_batches: how many in a row.
            split: which split.
            rank: whose batches; None: those of all processes.

        Raises:
            DataError: the split is shorter than one block, or its file is damaged.
        """
        ranks = range(self.world_size) if rank is None else (rank,)
        windows: set[int] = set()
        for number in range(step, step + n_batches):
            for one in ranks:
                windows.update(self._windows_of(number, split, one).tolist())
        tokens = self.directory.tokens(split)
        eot_id = self.meta.tokenizer.eot_id
        stories: set[int] = set()
        story = end = 0
        for window in sorted(windows):
            start = window * self.block_size
            story += _count_of(eot_id, tokens[end:start])
            end = start + self.block_size  # the last target; its story is included
            ended = _count_of(eot_id, tokens[start:end])
            stories.update(range(story, story + ended + 1))
            story += ended
        return sorted(stories)

    def get_batch(self, split: str = "train") -> Batch:
        """The next batch of a split, as in nanoGPT: successive steps from 0."""
        batch = self.batch_at(self._next_step.get(split, 0), split)
        self._next_step[split] = self._next_step.get(split, 0) + 1
        return batch

    def validation_batches(
        self, max_tokens: int | None = None, split: str = "validation"
    ) -> Iterator[Batch]:
        """The same windows at every call, in order; the last batch may be smaller.

        With several processes each gets its share, and together they cover every window once. A
        split shorter than one block gives one shorter window.

        Args:
            max_tokens: approximate number of tokens to predict, over all processes; the windows are
                then spread evenly over the split. None: all complete windows.
            split: which split.

        Returns:
            x, y: int64 [up to batch_size, block_size] on the device.

        Raises:
            DataError: the split has fewer than 2 tokens, or its file is damaged.
        """
        tokens = self.directory.tokens(split)
        if len(tokens) < 2:
            raise DataError(
                f"the {split} split of {self.data_dir} has {counted(len(tokens), 'token')}, "
                "expected at least 2",
                hint="prepare more text",
            )
        length = min(self.block_size, len(tokens) - 1)
        available = count_windows(len(tokens), length)
        limit = available if max_tokens is None else max_tokens // length
        mine = spread_windows(available, limit)[self.rank :: self.world_size]
        for start in range(0, len(mine), self.batch_size):
            starts = mine[start : start + self.batch_size] * length
            yield self._gather(tokens, starts, length)

    def _count_windows(self, split: str) -> int:
        tokens = self.directory.split(split).tokens
        if tokens < self.block_size + 1:
            raise DataError(
                f"the {split} split of {self.data_dir} has {counted(tokens, 'token')}, expected at "
                f"least {self.block_size + 1:,} for one block of {self.block_size:,}",
                hint="prepare more text, or choose a smaller block_size",
            )
        return count_windows(tokens, self.block_size)

    def _windows_of(self, step: int, split: str, rank: int) -> Indices:
        return windows_of_step(
            step,
            self.batch_size,
            n_windows=self._count_windows(split),
            seed=self.seed,
            rank=rank,
            world_size=self.world_size,
        )

    def _gather(self, tokens: TokenArray, starts: Indices, length: int | None = None) -> Batch:
        """Inputs and targets of `length` positions from each start, on the device."""
        import torch

        arrays = inputs_and_targets(tokens, starts, length or self.block_size)
        # Contiguous copies, since both arrays are views of one.
        x, y = (torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)
        name = resolve_device("auto") if self.device == "auto" else self.device
        device = torch.device(name)
        if device.type == "cpu":
            return x, y
        if device.type == "cuda":
            x, y = x.pin_memory(), y.pin_memory()
        return x.to(device, non_blocking=True), y.to(device, non_blocking=True)


def _count_of(token_id: int, tokens: TokenArray) -> int:
    """How often an id occurs, in bounded memory."""
    total = 0
    for start in range(0, len(tokens), 1 << 20):
        total += int(np.count_nonzero(tokens[start : start + (1 << 20)] == token_id))
    return total
