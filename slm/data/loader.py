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
        batch_size: sequences per batch.
        block_size: tokens per sequence, the context length.
        device: of the tensors; auto: the fastest available device.
        data_dir: the prepared directory.
        seed: determines the order of the training windows.
        rank, world_size: rank of this process, and number of processes that share the data.
        shift_windows: each epoch after the first divides the text at other positions.
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
        shift_windows: bool = False,
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
        self.shift_windows = shift_windows
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
        """The metadata of the directory."""
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

    def batch_at(self, step: int, split: str = "train") -> Batch:
        """The batch of a step: inputs and, shifted by one, targets.

        A pure function of (seed, step, rank, world_size); steps count micro-batches from 0.

        Returns:
            x, y: int64 [batch_size, block_size] on the device.

        Raises:
            DataError: the split is shorter than one block, or its file is damaged.
        """
        starts = self._starts_of(step, split, self.rank)
        return self._gather(self.directory.tokens(split), starts)

    def stories_at(
        self, step: int, n_batches: int = 1, split: str = "train", *, rank: int | None = None
    ) -> list[int]:
        """Indices of the stories in the batches of `step`, `step + 1`, ..., from 0.

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
        tokens = self.directory.tokens(split)
        spans: set[tuple[int, int]] = set()  # first and last position
        for number in range(step, step + n_batches):
            for one in ranks:
                for start in self._starts_of(number, split, one).tolist():
                    last = start + self.block_size  # of the last target
                    spans.add((start, min(last, len(tokens) - 1)))
                    if last >= len(tokens):
                        spans.add((0, last - len(tokens)))
        eot_id = self.meta.tokenizer.eot_id
        stories: set[int] = set()
        story = position = 0
        for start, last in sorted(spans):
            story += _count_of(eot_id, tokens[position:start])
            position = start
            stories.update(range(story, story + _count_of(eot_id, tokens[start:last]) + 1))
        return sorted(stories)

    def get_batch(self, split: str = "train") -> Batch:
        """The next batch of a split, as in nanoGPT: successive steps from 0."""
        batch = self.batch_at(self._next_step.get(split, 0), split)
        self._next_step[split] = self._next_step.get(split, 0) + 1
        return batch

    def validation_batches(
        self, max_tokens: int | None = None, split: str = "validation"
    ) -> Iterator[Batch]:
        """Yield the same windows at every call, in order; the last batch may be smaller.

        Each process gets its share, and together they cover every window once. A
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
                f"the {split} split of {self.data_dir} has {counted(tokens, 'token')}, expected "
                f"at least {self.block_size + 1:,} for one block of {self.block_size:,}",
                hint="prepare more text, or choose a smaller block_size",
            )
        return count_windows(tokens, self.block_size)

    def _starts_of(self, step: int, split: str, rank: int) -> Indices:
        """The positions at which the sequences of a batch begin: [batch_size]."""
        n_windows, seed = self._count_windows(split), self.seed
        windows = windows_of_step(
            step,
            self.batch_size,
            n_windows=n_windows,
            seed=seed,
            rank=rank,
            world_size=self.world_size,
        )
        starts = windows * self.block_size
        if not self.shift_windows:
            return starts
        n_tokens = len(self.directory.tokens(split))
        first = (step * self.world_size + rank) * self.batch_size
        return shifted(starts, first, n_windows=n_windows, n_tokens=n_tokens, seed=seed)

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
        if device.type != "cuda":
            # MPS would copy while this memory is used again: pytorch/pytorch#189690.
            return x.to(device), y.to(device)
        x, y = x.pin_memory(), y.pin_memory()
        return x.to(device, non_blocking=True), y.to(device, non_blocking=True)


def epoch_offset(n_tokens: int, seed: int, epoch: int) -> int:
    """The position at which the windows of an epoch begin; 0 in the first epoch."""
    return int(np.random.PCG64([seed, epoch, 1]).random_raw() % n_tokens) if epoch else 0


def shifted(starts: Indices, first: int, *, n_windows: int, n_tokens: int, seed: int) -> Indices:
    """Positions of windows, moved by the offsets of their epochs; the end continues at 0.

    Args:
        starts: of training sequences `first`, `first + 1`, ...: [count].
        first: number of the first sequence.
        n_windows, n_tokens: of the split.
        seed: determines the offsets.
    """
    epochs = (first + np.arange(len(starts))) // n_windows
    offsets = [epoch_offset(n_tokens, seed, epoch) for epoch in epochs.tolist()]
    return (starts + np.array(offsets, np.int64)) % n_tokens


def _count_of(token_id: int, tokens: TokenArray) -> int:
    """Count an id in bounded memory."""
    total = 0
    for start in range(0, len(tokens), 1 << 20):
        total += int(np.count_nonzero(tokens[start : start + (1 << 20)] == token_id))
    return total
