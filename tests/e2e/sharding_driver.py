"""What holds of shares, asserted in every one of several processes; started by torchrun.

The matrices' rows cannot be dealt out evenly, and of the smallest one the last process has none.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import pytest
import torch
import torch.distributed
from torch import Tensor

from slm.config import GPTConfig, TrainingConfig
from slm.errors import DeviceError
from slm.model import GPT
from slm.parallel.collectives import in_step, is_sharded
from slm.parallel.fsdp import gathered, load_whole, local, on_whole_matrices, place_model, share_of
from slm.parallel.processes import Process, process_group
from slm.runs.guarded_step import GuardedStep
from slm.training.optim import orthogonalize

SHAPE: dict[str, Any] = {
    "vocab_size": 50,
    "block_size": 4,  # of learned positions: two rows, two rows, none
    "n_layer": 2,
    "n_head": 4,
    "n_embd": 32,
    "mlp_dim": 40,
}


def made(process: Process, *, sharding: Any, seed: int = 0, dtype: str = "float32") -> GPT:
    torch.manual_seed(seed)
    model = GPT(GPTConfig(**SHAPE))
    return place_model(model, "cpu", sharding=sharding, dtype=dtype, process=process)


def rows(rank: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(rank)
    x, y = (torch.randint(0, 50, (3, 4), generator=generator) for _ in range(2))
    return x, y


def check_shares(process: Process) -> None:
    """The main process's weights count, and come back whole."""
    whole = made(process, sharding="off")
    sharded = made(process, sharding="fsdp", seed=process.rank)
    state = sharded.state_dict()
    assert list(state) == list(whole.state_dict())
    for name, tensor in state.items():
        assert is_sharded(tensor) == (tensor.dim() > 1), name
        assert local(tensor).shape[0] <= -(-tensor.shape[0] // process.world_size) or (
            tensor.dim() == 1
        ), name
    assert local(state["position_embedding.weight"]).shape[0] == (2, 2, 0)[process.rank]
    found = gathered(state, process)
    if process.is_main:
        assert all(torch.equal(found[name], w) for name, w in whole.state_dict().items())
    else:
        assert all(tensor.dim() == 1 for tensor in found.values())
    other = made(process, sharding="off", seed=9).state_dict()
    load_whole(sharded, other)
    found = gathered(sharded.state_dict(), process)
    if process.is_main:
        assert all(torch.equal(found[name], w) for name, w in other.items())


def check_matrices(process: Process) -> None:
    """Whole matrices are found, and rows given back, for every number of them."""
    like = made(process, sharding="fsdp").blocks[0].mlp.up_proj.weight  # type: ignore[union-attr]
    for n_matrices in (1, 3, 4):
        torch.manual_seed(n_matrices)
        matrices = torch.randn(n_matrices, 40, 32)
        shares = torch.stack([local(share_of(m, like)) for m in matrices])  # type: ignore[arg-type]
        for dtype in (torch.float32, torch.bfloat16):
            found = on_whole_matrices(
                lambda m: orthogonalize(m).cumsum(dim=1),
                shares.to(dtype),
                like,  # type: ignore[arg-type]
            )
            expected = orthogonalize(matrices.to(dtype)).cumsum(dim=1)
            mine = torch.stack([local(share_of(m, like)) for m in expected])  # type: ignore[arg-type]
            torch.testing.assert_close(
                found, mine, rtol=0, atol=2e-2 if dtype.itemsize == 2 else 1e-5
            )


def check_steps(process: Process) -> None:
    """Steps come to the same as without shares, with either optimizer and in either format."""
    for optimizer, dtype in (("adamw", "float32"), ("muon", "float32"), ("muon", "bfloat16")):
        config = TrainingConfig(optimizer=optimizer, learning_rate=0.01, grad_clip=0.5)
        outcomes, weights = [], []
        for sharding in ("off", "fsdp"):
            model = made(process, sharding=sharding, dtype=dtype)
            stepper = GuardedStep(model, config, device="cpu", dtype=dtype, process=process)
            batches = [rows(process.rank), rows(process.rank + 10)]
            outcomes.append([stepper.step(batches, 2, 1.0) for _ in range(3)])
            weights.append(gathered(model.state_dict(), process))
        tolerance = 1e-5 if dtype == "float32" else 2e-2
        for whole, sharded in zip(*outcomes, strict=True):
            assert whole.updated
            assert sharded.updated
            assert abs(whole.loss - sharded.loss) < tolerance, (optimizer, dtype)
            assert abs(whole.grad_norm / sharded.grad_norm - 1) < 10 * tolerance
        for name, tensor in weights[1].items():
            torch.testing.assert_close(tensor, weights[0][name], rtol=0, atol=10 * tolerance)


def check_formats(process: Process) -> None:
    """Blocks compute with matrices in the format of the products, and with vectors in float32."""
    model = made(process, sharding="fsdp", dtype="bfloat16")
    block = model.blocks[1]
    seen: dict[str, torch.dtype] = {}

    def look(*_: Any) -> None:
        seen.update((name, parameter.dtype) for name, parameter in block.named_parameters())

    block.mlp.register_forward_pre_hook(look)  # type: ignore[union-attr, operator]
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        model(*rows(0))
    assert seen["mlp.up_proj.weight"] == torch.bfloat16
    assert seen["attention_norm.weight"] == torch.float32
    assert all(tensor.dtype == torch.float32 for tensor in model.state_dict().values())
    with pytest.raises(DeviceError, match="float16"):
        made(process, sharding="fsdp", dtype="float16")


def check_batches(process: Process) -> None:
    """All processes get as many batches as the one that has most of them."""
    own = [rows(0)] * process.rank
    found = list(in_step(own, process, "cpu"))
    assert len(found) == process.world_size - 1
    assert all((y == -100).all() for _, y in found[process.rank :])


if __name__ == "__main__":
    warnings.simplefilter("error")
    this = Process.from_environment()
    torch.set_num_threads(1)
    with process_group(this, "cpu"):
        for check in (check_shares, check_matrices, check_steps, check_formats, check_batches):
            check(this)
    print("all held", flush=True)
    # As `slm` does: while Python shuts down, a thread of the group may abort the process.
    os._exit(0)
