"""How long the windows are that a model sees while it trains."""

from __future__ import annotations

from torch import Tensor

from slm.config import TrainingConfig
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


def check_contexts(config: TrainingConfig, block_size: int) -> None:
    """Refuse a short context that does not divide the windows.

    Raises:
        ConfigError: the message names both lengths.
    """
    short = config.short_context
    if short is not None and short < block_size and block_size % short:
        half = block_size // 2
        raise ConfigError(
            f"block_size {block_size} is not a multiple of train.short_context {short}",
            hint=f"try short_context={half if block_size % 2 == 0 else 'none'}",
        )
