"""How long the windows are that a model sees while it trains."""

from __future__ import annotations

from torch import Tensor

from slm.config import DEFAULT_BLOCK_SIZE, TrainingConfig
from slm.errors import ConfigError


def context_at(progress: float, config: TrainingConfig, block_size: int) -> int:
    """Context length of a step, in tokens: short at first, where the settings say so.

    A short context costs less attention, and at first there is much to learn from few words. See
    Li et al. 2022, https://arxiv.org/abs/2108.06084.

    Args:
        progress: share of the run done before the step, 0 to 1.
        config: `short_context` and `short_context_fraction`.
        block_size: of the model and of the windows.
    """
    if config.short_context is None or progress >= config.short_context_fraction:
        return block_size
    return min(config.short_context, block_size)


def cut(batch: tuple[Tensor, Tensor], context: int) -> tuple[Tensor, Tensor]:
    """Each row cut into parts of the length `context`: [B, T] -> [B T / context, context]."""
    x, y = batch
    return x.reshape(-1, context), y.reshape(-1, context)


def check_contexts(config: TrainingConfig, block_size: int, model_block_size: int) -> None:
    """Refuse context lengths that do not fit the windows.

    Args:
        config: `short_context`, and `block_size`, which has no effect of its own: a default that
            nobody chose may differ.
        block_size: of the windows that the data loader gives.
        model_block_size: the model's context length.

    Raises:
        ConfigError: the message names both lengths.
    """
    if config.block_size not in (DEFAULT_BLOCK_SIZE, block_size, model_block_size):
        raise ConfigError(
            f"block_size is {config.block_size} in the training settings, {block_size} in the data "
            f"loader and {model_block_size} in the model",
            hint=f"set block_size={block_size} in the training settings",
        )
    short = config.short_context
    if short is not None and short < block_size and block_size % short:
        half = block_size // 2
        raise ConfigError(
            f"block_size {block_size} is not a multiple of train.short_context {short}",
            hint=f"try short_context={half if block_size % 2 == 0 else 'none'}",
        )
