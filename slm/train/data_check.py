"""Whether data fit a model, asked before anything is spent on training."""

from __future__ import annotations

from slm.config import GPTConfig
from slm.data.loader import DataLoader
from slm.errors import ConfigError, DataError
from slm.runtime import Process


def check_data(loader: DataLoader, shape: GPTConfig, process: Process) -> None:
    """Read a batch of each split, and refuse what cannot be trained on.

    Args:
        loader: the run's data.
        shape: the model's.
        process: this process, whose share of the data the loader must give.

    Raises:
        DataError: ids above the vocabulary, blocks longer than the context, too little text, or
            damaged files.
        ConfigError: the loader is another process's.
    """
    if (loader.rank, loader.world_size) != (process.rank, process.world_size):
        raise ConfigError(
            f"the data loader is for process {loader.rank} of {loader.world_size}, "
            f"this is process {process.rank} of {process.world_size}",
            hint="give the data loader the rank and world_size of the process",
        )
    if loader.vocab_size > shape.vocab_size:
        raise DataError(
            f"{loader.data_dir} has ids up to {loader.vocab_size - 1:,}, "
            f"the model knows {shape.vocab_size:,}",
            hint=f"set vocab_size={loader.vocab_size}",
        )
    if loader.block_size > shape.block_size:
        raise DataError(
            f"the data loader's blocks of {loader.block_size} tokens "
            f"exceed the model's context of {shape.block_size}"
        )
    loader.batch_at(0)
    next(loader.validation_batches(1), None)  # a process may have no share of so few
