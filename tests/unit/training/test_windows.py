"""The context of a step, and windows cut to it."""

from __future__ import annotations

import pytest
import torch

from slm.config import TrainingConfig
from slm.errors import ConfigError
from slm.training.windows import check_contexts, context_at, cut


def test_the_context_is_short_at_first() -> None:
    config = TrainingConfig(short_context=64, short_context_fraction=0.5)
    assert [context_at(p, config, 256) for p in (0.0, 0.49, 0.5, 1.0)] == [64, 64, 256, 256]
    assert context_at(0.0, config, 32) == 32


def test_without_a_short_context_it_is_the_whole_window() -> None:
    assert context_at(0.0, TrainingConfig(), 256) == 256


def test_cutting_keeps_every_token_and_its_target() -> None:
    stream = torch.arange(25)
    x, y = stream[:24].view(2, 12), stream[1:].view(2, 12)
    short_x, short_y = cut((x, y), 4)
    assert short_x.shape == (6, 4)
    assert torch.equal(short_x.flatten(), stream[:24])
    assert torch.equal(short_y, short_x + 1)
    whole_x, whole_y = cut((x, y), 12)
    assert torch.equal(whole_x, x)
    assert torch.equal(whole_y, y)


def test_a_short_context_must_divide_the_windows() -> None:
    check_contexts(TrainingConfig(short_context=64), 256)
    check_contexts(TrainingConfig(short_context=300), 256)
    check_contexts(TrainingConfig(), 7)
    with pytest.raises(ConfigError, match="block_size 256 is not a multiple of .* 100") as caught:
        check_contexts(TrainingConfig(short_context=100), 256)
    assert caught.value.hint == "try short_context=128"
