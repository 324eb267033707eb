from __future__ import annotations

import shutil
from typing import Any

import pytest
import torch

from slm.generation.native_slots import NativeSlots
from slm.native.engine import NativeModel, arrays_of


@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_tensors_hold_what_the_native_model_says(make_model: Any) -> None:
    model = make_model("modern")
    native = NativeModel(model.config, arrays_of(model), 2)
    slots = NativeSlots(NativeModel(model.config, arrays_of(model), 2))
    assert (slots.n_slots, slots.block_size, slots.vocab_size) == (2, 16, 264)
    for _ in range(2):
        assert torch.equal(slots.admit(1, [3, 4]), torch.from_numpy(native.admit(1, [3, 4])))
        advanced = slots.advance([1], [5])
        assert advanced.shape == (1, 264)
        assert advanced.dtype == torch.float32
        assert torch.equal(advanced, torch.from_numpy(native.advance([1], [5])))
        slots.release(1)
        native.release(1)
