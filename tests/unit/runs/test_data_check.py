"""Context lengths that fit the windows, and those that do not."""

from __future__ import annotations

import pytest

from slm.config import TrainingConfig
from slm.errors import ConfigError
from slm.runs.data_check import check_context_length


def test_a_short_context_must_divide_the_windows() -> None:
    check_context_length(TrainingConfig(seq_len_warmup=64), 256, 256)
    check_context_length(TrainingConfig(seq_len_warmup=300), 256, 256)
    check_context_length(TrainingConfig(), 7, 7)
    with pytest.raises(ConfigError, match="block_size 256 is not a multiple of .* 100") as caught:
        check_context_length(TrainingConfig(seq_len_warmup=100), 256, 256)
    assert caught.value.hint == "try seq_len_warmup=128"


def test_a_block_size_that_was_chosen_must_have_an_effect() -> None:
    check_context_length(TrainingConfig(block_size=64), 64, 64)
    check_context_length(TrainingConfig(block_size=64), 64, 128)
    check_context_length(TrainingConfig(block_size=128), 64, 128)
    check_context_length(TrainingConfig(), 64, 64)  # nobody chose it
    with pytest.raises(ConfigError, match="128 in the training settings, 64 in the data") as caught:
        check_context_length(TrainingConfig(block_size=128), 64, 64)
    assert caught.value.hint == "set block_size=64 in the training settings"
