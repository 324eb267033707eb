"""Checks of data and context lengths before training starts."""

from __future__ import annotations

from slm.config import GPTConfig, TrainingConfig
from slm.config.model import DEFAULT_BLOCK_SIZE
from slm.data.loader import DataLoader
from slm.data.shards import DataDirectory
from slm.errors import ConfigError, DataError
from slm.parallel.processes import Process
from slm.quantities import counted
from slm.storage.files import CHUNK_BYTES


def check_data(loader: DataLoader, shape: GPTConfig, process: Process) -> None:
    """Read a batch of each split and reject data that the model cannot train on.

    Args:
        loader: the run's data.
        shape: of the model.
        process: this process; the loader must provide its share of the data.

    Raises:
        DataError: ids above the vocabulary, blocks longer than the context, wrong metadata,
            too little text, or damaged files.
        TokenizerError: the tokenizer's file is missing or damaged.
        ConfigError: the loader belongs to another process.
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
            f"the model has {shape.vocab_size:,}",
            hint=f"set vocab_size={loader.vocab_size}",
        )
    if loader.block_size > shape.block_size:
        raise DataError(
            f"the data loader's blocks of {counted(loader.block_size, 'token')} "
            f"exceed the model's context of {shape.block_size}"
        )
    _ = loader.tokenizer  # raises if it is not the one in the metadata
    loader.batch_at(0)
    next(loader.validation_batches(1), None)  # a process may have no share of a small split
    for split in ("train", "validation"):
        _check_split(loader.directory, split)


def _check_split(directory: DataDirectory, name: str) -> None:
    """Reject a split without text, and one with impossible counts."""
    split = directory.split(name)
    if not (0 < split.stories <= split.tokens and split.bytes > 0):
        raise DataError(
            f"the {name} split of {directory.path} has {counted(split.stories, 'story')} of "
            f"{counted(split.bytes, 'byte')} in {counted(split.tokens, 'token')}: "
            "it has no text",
            hint="prepare more text",
        )
    tokens = directory.tokens(name)
    # Ordinary text passes within the first few ids.
    for start in range(0, len(tokens), CHUNK_BYTES):
        if (tokens[start : start + CHUNK_BYTES] != tokens[0]).any():
            return
    raise DataError(
        f"the {name} split of {directory.path} is {counted(len(tokens), 'time')} "
        f"the id {int(tokens[0])}",
        hint="prepare other text",
    )


def check_context_length(config: TrainingConfig, block_size: int, model_block_size: int) -> None:
    """Reject context lengths that do not fit the windows.

    Args:
        config: `seq_len_warmup`, and `block_size`, which has no effect here: its default may differ
            from the lengths below.
        block_size: block size of the data loader.
        model_block_size: the model's context length.

    Raises:
        ConfigError: the message names the lengths.
    """
    if config.block_size not in (DEFAULT_BLOCK_SIZE, block_size, model_block_size):
        raise ConfigError(
            f"block_size is {config.block_size} in the training settings, {block_size} in the data "
            f"loader and {model_block_size} in the model",
            hint=f"set block_size={block_size} in the training settings",
        )
    if not config.cuts_evenly(block_size):
        half = block_size // 2
        raise ConfigError(
            f"block_size {block_size} is not a multiple of "
            f"train.seq_len_warmup {config.seq_len_warmup}",
            hint=f"try seq_len_warmup={half if block_size % 2 == 0 else 'none'}",
        )
