"""The learning rate and the context length over a run, as pure functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from slm.config import TrainingConfig

if TYPE_CHECKING:
    from torch import Tensor


def lr_scale(step: int, progress: float, config: TrainingConfig) -> float:
    """The learning rate of a step as a share of its peak, in [0, 1].

    Warm-up counts steps. What follows depends on the run's progress only, so that it can follow
    steps or a clock: `cosine` falls along half a cosine (Loshchilov & Hutter 2017,
    https://arxiv.org/abs/1608.03983); `wsd`, warm-up-stable-decay, is constant and then falls
    linearly over the last `decay_fraction` (Hu et al. 2024, https://arxiv.org/abs/2404.06395).

    Args:
        step: optimizer steps done before this one.
        progress: share of the run done before this step, 0 to 1.
        config: warm-up, kind of schedule, and the floor.
    """
    warm = min(1.0, (step + 1) / (config.warmup_steps + 1))
    progress = min(max(progress, 0.0), 1.0)
    if config.schedule == "cosine":
        decay = 0.5 * (1.0 + math.cos(math.pi * progress))
    elif config.decay_fraction == 0.0:
        decay = 1.0
    else:
        decay = min(1.0, (1.0 - progress) / config.decay_fraction)
    floor = config.min_lr_fraction
    return min(warm, floor + (1.0 - floor) * decay)


def lr_at(step: int, config: TrainingConfig) -> float:
    """AdamW's learning rate at a step of a run that counts steps."""
    return config.learning_rate * lr_scale(step, step / config.max_steps, config)


def context_length_at(progress: float, config: TrainingConfig, block_size: int) -> int:
    """Context length of a step in tokens: short at first, where the settings say so.

    A short context makes attention cheaper while there is still much to learn from few tokens. See
    Li et al. 2022, https://arxiv.org/abs/2108.06084.

    Args:
        progress: share of the run done before the step, 0 to 1.
        config: `seq_len_warmup` and `seq_len_warmup_fraction`.
        block_size: of the model and of the windows.
    """
    if config.seq_len_warmup is None or progress >= config.seq_len_warmup_fraction:
        return block_size
    return min(config.seq_len_warmup, block_size)


def split_windows(batch: tuple[Tensor, Tensor], length: int) -> tuple[Tensor, Tensor]:
    """Each sequence split into parts of the given length: [B, T] -> [B T / length, length]."""
    x, y = batch
    return x.reshape(-1, length), y.reshape(-1, length)
