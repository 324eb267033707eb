"""One optimizer step: accumulation, clipping, and what happens where a number is not finite."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from slm.config import TrainingConfig
from slm.model import GPT
from slm.parallel.processes import Process
from slm.runs.guarded_step import GuardedStep, NonFinite

MakeModel = Callable[..., GPT]
Batch = tuple[Tensor, Tensor]
both_optimizers = pytest.mark.parametrize("optimizer", ["adamw", "muon"])


def make_stepper(model: GPT, *, dtype: str = "float32", **settings: Any) -> GuardedStep:
    config = TrainingConfig(**{"learning_rate": 0.01, "weight_decay": 0.1, **settings})
    return GuardedStep(model, config, device="cpu", dtype=dtype, process=Process())


def batch(rows: int = 4, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.randint(0, 97, (rows, 8), generator=generator) for _ in range(2))
    return x, y


def everything(stepper: GuardedStep) -> dict[str, Tensor]:
    """Copies of all weights and all optimizer state."""
    found = {f"weight {name}": p.detach().clone() for name, p in stepper.parameters.items()}
    for kind, optimizer in stepper.optimizers.items():
        for name, parameter in stepper.parameters.items():
            for key, value in optimizer.state.get(parameter, {}).items():
                found[f"{kind} {name} {key}"] = torch.as_tensor(value).clone()
    return found


def assert_same(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        assert torch.equal(tensor, right[name]), name


def poison(stepper: GuardedStep, value: float, name: str = "blocks.1.mlp.up_proj.weight") -> Any:
    """Make one element of one gradient not finite, from now on; returns the hook's handle."""

    def spoil(gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        gradient.view(-1)[3] = value
        return gradient

    return stepper.parameters[name].register_hook(spoil)


@both_optimizers
def test_a_step_changes_every_weight_and_lowers_the_loss(
    tiny_model: MakeModel, optimizer: str
) -> None:
    stepper = make_stepper(tiny_model("modern"), optimizer=optimizer)
    before = everything(stepper)
    outcomes = [stepper.step([batch()], 1, 1.0) for _ in range(5)]
    assert all(outcome.updated for outcome in outcomes)
    assert outcomes[-1].loss < outcomes[0].loss
    after = everything(stepper)
    assert all(not torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert all(p.grad is None for p in stepper.model.parameters())


@both_optimizers
def test_accumulating_is_one_large_batch(tiny_model: MakeModel, optimizer: str) -> None:
    """In float64, which GPT-2's shape computes throughout; Muon orthogonalizes in float32."""
    results = []
    for n_batches in (1, 4):
        model = tiny_model("gpt2").double()
        stepper = make_stepper(model, optimizer=optimizer)
        for seed in range(3):
            x, y = batch(rows=8, seed=seed)
            parts = list(zip(x.chunk(n_batches), y.chunk(n_batches), strict=True))
            outcome = stepper.step(parts, n_batches, 1.0)
        results.append((outcome, everything(stepper)))
    (whole, whole_state), (parts_outcome, parts_state) = results
    assert parts_outcome.loss == pytest.approx(whole.loss, rel=1e-6)
    assert parts_outcome.grad_norm == pytest.approx(whole.grad_norm, rel=1e-9)
    tolerance = 1e-9 if optimizer == "adamw" else 1e-5
    for name, tensor in whole_state.items():
        torch.testing.assert_close(
            parts_state[name], tensor, atol=tolerance, rtol=tolerance, msg=name
        )


def test_the_loss_and_the_norm_are_those_of_the_batch(tiny_model: MakeModel) -> None:
    model = tiny_model("gpt2")
    x, y = batch()
    _, loss = model(x, y)
    loss.backward()
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in model.parameters()))
    outcome = make_stepper(model).step([(x, y)], 1, 1.0)
    assert outcome.loss == pytest.approx(loss.item())
    assert outcome.grad_norm == pytest.approx(norm, rel=1e-5)


@pytest.mark.parametrize("limit", [0.0, 1e-3, 1e6])
def test_clipping(tiny_model: MakeModel, limit: float, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("gpt2")
    stepper = make_stepper(model, grad_clip=limit)
    norms = []
    plain_step = torch.optim.AdamW.step

    def watched_step(self: torch.optim.AdamW, *args: Any) -> None:
        norms.append(math.sqrt(sum(float(p.grad.square().sum()) for p in model.parameters())))
        plain_step(self, *args)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched_step)
    outcome = stepper.step([batch()], 1, 1.0)
    assert outcome.grad_norm > 0.01  # before clipping
    expected = outcome.grad_norm if limit in (0.0, 1e6) else limit
    assert norms == [pytest.approx(expected, rel=1e-3)]


def test_the_scale_multiplies_the_learning_rate(tiny_model: MakeModel) -> None:
    moved = []
    for scale in (0.5, 0.25):
        stepper = make_stepper(tiny_model("gpt2"), weight_decay=0.0)
        before = stepper.model.token_embedding.weight.detach().clone()
        stepper.step([batch()], 1, scale)
        moved.append((stepper.model.token_embedding.weight - before).detach())
    torch.testing.assert_close(moved[0], 2 * moved[1], atol=1e-6, rtol=1e-3)


@both_optimizers
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("grad_clip", [0.0, 1.0])
def test_a_gradient_that_is_not_finite_changes_nothing(
    tiny_model: MakeModel, optimizer: str, value: float, grad_clip: float
) -> None:
    stepper = make_stepper(tiny_model("modern"), optimizer=optimizer, grad_clip=grad_clip)
    stepper.step([batch()], 1, 1.0)  # so that there is optimizer state
    before = everything(stepper)
    handle = poison(stepper, value)
    outcome = stepper.step([batch(seed=1)], 1, 1.0)
    assert not outcome.updated
    assert math.isfinite(outcome.loss)
    assert not math.isfinite(outcome.grad_norm)
    assert outcome.fault == NonFinite("gradient", "blocks.1.mlp.up_proj.weight")
    assert_same(everything(stepper), before)
    handle.remove()
    # And nothing of it is left for the next step.
    fresh = make_stepper(tiny_model("modern"), optimizer=optimizer, grad_clip=grad_clip)
    fresh.step([batch()], 1, 1.0)
    assert stepper.step([batch(seed=2)], 1, 1.0) == fresh.step([batch(seed=2)], 1, 1.0)
    assert_same(everything(stepper), everything(fresh))


@both_optimizers
def test_a_loss_that_is_not_finite_changes_nothing(tiny_model: MakeModel, optimizer: str) -> None:
    stepper = make_stepper(tiny_model("modern"), optimizer=optimizer)
    stepper.step([batch()], 1, 1.0)
    with torch.no_grad():
        stepper.model.blocks[0].mlp.up_proj.weight[0, 0] = math.inf
    before = everything(stepper)
    outcome = stepper.step([batch(), batch(seed=1)], 2, 1.0)
    assert not outcome.updated
    assert not math.isfinite(outcome.loss)
    assert outcome.fault == NonFinite("weight", "blocks.0.mlp.up_proj.weight")  # whence the loss
    assert_same(everything(stepper), before)


@pytest.mark.parametrize("bad", [0, 2])
def test_the_micro_batch_of_a_loss_that_is_not_finite_is_named(
    tiny_model: MakeModel, bad: int
) -> None:
    stepper = make_stepper(tiny_model("modern"))
    calls = iter(range(3))
    stepper.model.register_forward_hook(
        lambda model, inputs, found: (None, found[1] * (math.nan if next(calls) == bad else 1.0))
    )
    outcome = stepper.step([batch(seed=seed) for seed in range(3)], 3, 1.0)
    assert outcome.fault == NonFinite("loss", micro_batch=bad)


@pytest.mark.parametrize("loss_only", [True, False])
def test_a_norm_that_overflows_though_no_gradient_does(
    tiny_model: MakeModel, loss_only: bool
) -> None:
    stepper = make_stepper(tiny_model("modern"))
    name = "blocks.1.mlp.up_proj.weight"
    stepper.parameters[name].register_hook(lambda gradient: gradient * 0 + 1e30)
    outcome = stepper.step([batch()], 1, 1.0)
    assert not outcome.updated
    assert outcome.fault == NonFinite("gradient", None)


@both_optimizers
@pytest.mark.parametrize("n_before", [0, 2])
def test_an_update_that_makes_a_weight_not_finite_is_undone_where_steps_are_skipped(
    tiny_model: MakeModel, optimizer: str, n_before: int
) -> None:
    name = "blocks.1.mlp.up_proj.weight"
    for on_nonfinite in ("skip", "stop"):
        stepper, fresh = (
            make_stepper(tiny_model("modern"), optimizer=optimizer, on_nonfinite=on_nonfinite)
            for _ in range(2)
        )
        for one in (stepper, fresh):
            for seed in range(n_before):
                one.step([batch(seed=seed)], 1, 1.0)

        def spoil(*_: Any, bad: GuardedStep = stepper) -> None:
            with torch.no_grad():
                bad.parameters[name].view(-1)[5] = math.inf

        handle = list(stepper.optimizers.values())[-1].register_step_post_hook(spoil)
        outcome = stepper.step([batch(seed=7)], 1, 1.0)
        handle.remove()
        assert outcome.fault == NonFinite("update", name)
        assert not outcome.updated
        if on_nonfinite == "skip":
            assert_same(everything(stepper), everything(fresh))
            # And the next step is the one that would have been.
            assert stepper.step([batch()], 1, 1.0) == fresh.step([batch()], 1, 1.0)
            assert_same(everything(stepper), everything(fresh))
        else:
            assert not stepper.parameters[name].isfinite().all()


def test_an_interrupted_step_leaves_no_gradient_for_the_next(tiny_model: MakeModel) -> None:
    stepper, fresh = (make_stepper(tiny_model("modern")) for _ in range(2))

    def broken_off() -> Any:
        yield batch(seed=5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stepper.step(broken_off(), 2, 1.0)
    assert stepper.step([batch()], 1, 1.0) == fresh.step([batch()], 1, 1.0)
    assert_same(everything(stepper), everything(fresh))


def test_bfloat16_learns_as_float32_does(tiny_model: MakeModel) -> None:
    losses = {}
    for dtype in ("float32", "bfloat16"):
        stepper = make_stepper(tiny_model("modern"), dtype=dtype, optimizer="muon")
        losses[dtype] = [stepper.step([batch()], 1, 1.0).loss for _ in range(6)]
        assert all(p.dtype == torch.float32 for p in stepper.model.parameters())
    assert losses["bfloat16"] == pytest.approx(losses["float32"], abs=0.05)
    assert losses["bfloat16"][-1] < losses["bfloat16"][0] - 0.3


# -- float16, whose scaler also works on a CPU -----------------------------------------------------


@both_optimizers
def test_float16_learns_with_a_scaler(tiny_model: MakeModel, optimizer: str) -> None:
    stepper = make_stepper(tiny_model("gpt2"), dtype="float16", optimizer=optimizer)
    exact = make_stepper(tiny_model("gpt2"), optimizer=optimizer)
    assert stepper.execution.scaler.is_enabled()
    assert not exact.execution.scaler.is_enabled()
    for _ in range(3):
        outcome, expected = (s.step([batch()], 1, 1.0) for s in (stepper, exact))
        assert outcome.updated
        assert outcome.loss == pytest.approx(expected.loss, abs=0.02)
        assert outcome.grad_norm == pytest.approx(expected.grad_norm, rel=0.05)


@both_optimizers
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["blocks.1.mlp.up_proj.weight", "final_norm.weight"])
def test_an_overflow_in_float16_only_lowers_the_scale(
    tiny_model: MakeModel, optimizer: str, value: float, name: str
) -> None:
    """Of all optimizers, also those whose own gradients are finite."""
    stepper = make_stepper(tiny_model("gpt2"), dtype="float16", optimizer=optimizer)
    stepper.step([batch()], 1, 1.0)
    before, scale = everything(stepper), stepper.execution.scaler.get_scale()
    handle = poison(stepper, value, name)
    for n in (1, 2):
        outcome = stepper.step([batch(seed=1)], 1, 1.0)
        assert outcome.overflowed  # that is how float16 works, and no reason to stop
        assert not outcome.updated
        assert outcome.fault == NonFinite("gradient", name)
        assert_same(everything(stepper), before)
        assert stepper.execution.scaler.get_scale() == scale * 0.5**n
    handle.remove()
    assert stepper.step([batch(seed=1)], 1, 1.0).grad_norm < 100
    after = everything(stepper)
    assert not torch.equal(after[f"weight {name}"], before[f"weight {name}"])


def test_a_loss_that_is_not_finite_is_no_overflow(tiny_model: MakeModel) -> None:
    stepper = make_stepper(tiny_model("gpt2"), dtype="float16")
    with torch.no_grad():
        stepper.model.blocks[0].mlp.up_proj.weight[0, 0] = math.inf
    before = everything(stepper)
    for _ in range(3):
        outcome = stepper.step([batch()], 1, 1.0)
        assert not outcome.updated
        assert not outcome.overflowed
    assert_same(everything(stepper), before)
