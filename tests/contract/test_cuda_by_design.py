"""What the trainer's parts choose on a CUDA machine, and that they fit together, without one.

Tensors are fake: they have a device, a shape and a format, but no numbers. So this shows which
paths are taken, and nothing of speed or of numerics.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from slm.config import TrainingConfig
from slm.model import GPT
from slm.runtime import Process, autocast, resolve_device, resolve_dtype
from slm.train.compiling import worth_compiling
from slm.train.optim import set_learning_rates
from slm.train.step import Stepper

MakeModel = Callable[..., GPT]


@pytest.mark.parametrize("family", ["gpt2", "modern"])
def test_bfloat16_fused_adamw_and_compiled_blocks(
    tiny_model: MakeModel, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr("slm.train.compiling.can_compile", lambda device: device == "cuda")
    with monkeypatch.context() as there:  # fake tensors need to know that there is none
        there.setattr(torch.cuda, "is_available", lambda: True)
        device = resolve_device("auto")
        dtype = resolve_dtype("auto", device)
    assert (device, dtype) == ("cuda", "bfloat16")
    config = TrainingConfig(optimizer="muon", max_minutes=2.0)
    assert worth_compiling(config, tiny_model(family), device, 4096)
    with FakeTensorMode():
        model = tiny_model(family).to(device)
        stepper = Stepper(model, config, device=device, dtype=dtype, process=Process())
        assert not stepper.scaler.is_enabled()
        assert stepper.optimizers["adamw"].param_groups[0]["fused"]
        assert stepper.optimizers["muon"].dtype == torch.bfloat16  # type: ignore[attr-defined]
        ids = torch.zeros(2, 8, dtype=torch.int64, device=device)
        seen = []
        model.blocks[0].mlp.up_proj.register_forward_hook(  # type: ignore[union-attr, operator]
            lambda module, inputs, output: seen.append((output.device.type, output.dtype))
        )
        for _ in range(2):
            with autocast(device, dtype):
                _, loss = model(ids, ids)
            assert loss is not None
            loss.backward()
        set_learning_rates(stepper.optimizers, 1.0)
        for optimizer in stepper.optimizers.values():
            optimizer.step()
    assert seen == [("cuda", torch.bfloat16)] * 2
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert (parameter.grad.device.type, parameter.grad.dtype) == ("cuda", torch.float32)
    state = stepper.optimizers["adamw"].state[model.token_embedding.weight]
    assert state["step"].device.type == "cuda"
