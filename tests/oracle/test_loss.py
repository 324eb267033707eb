"""The chunked loss is `F.cross_entropy`, in value and in both gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from slm.model import loss as loss_module
from slm.model.loss import IGNORE_INDEX, chunked_cross_entropy

N, C, V = 23, 12, 31


@pytest.fixture(params=[1, V - 1, V, 4 * V, 7 * V + 3, N * V, 1 << 21])
def chunk_elements(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """From one row at a time (even where a row is larger than a chunk) to all rows at once."""
    monkeypatch.setattr(loss_module, "CHUNK_ELEMENTS", request.param)
    chunk: int = request.param
    return chunk


def problem(dtype: torch.dtype = torch.float32, ignored: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    hidden = (3 * torch.randn(N, C, generator=generator)).to(dtype).requires_grad_()
    weight = torch.randn(V, C, generator=generator).to(dtype).requires_grad_()
    targets = torch.randint(0, V, (N,), generator=generator)
    targets[torch.randperm(N, generator=generator)[:ignored]] = IGNORE_INDEX
    return hidden, weight, targets


def gradients(value: Tensor, *inputs: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(value, inputs))


@pytest.mark.parametrize("ignored", [0, 5, N - 1])
@pytest.mark.usefixtures("chunk_elements")
def test_value_and_gradients(ignored: int) -> None:
    hidden, weight, targets = problem(ignored=ignored)
    expected = F.cross_entropy(hidden @ weight.T, targets, ignore_index=IGNORE_INDEX)
    found = chunked_cross_entropy(hidden, weight, targets)
    assert found.shape == ()
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)
    theirs = gradients(expected * 1.7, hidden, weight)
    for ours, their in zip(gradients(found * 1.7, hidden, weight), theirs, strict=True):
        torch.testing.assert_close(ours, their, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("ignored", [0, 5, N])
@pytest.mark.usefixtures("chunk_elements")
def test_soft_targets(ignored: int) -> None:
    hidden, weight, targets = problem(torch.float64, ignored=ignored)
    probabilities = torch.softmax(torch.randn(N, V, dtype=torch.float64), dim=-1)
    counted = targets != IGNORE_INDEX
    each = F.cross_entropy(hidden @ weight.T, probabilities, reduction="none")
    expected = (each * counted).sum() / counted.sum().clamp(min=1)
    found = chunked_cross_entropy(hidden, weight, targets, lambda chunk: probabilities[chunk])
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)
    with torch.no_grad():
        alone = chunked_cross_entropy(hidden, weight, targets, lambda chunk: probabilities[chunk])
    torch.testing.assert_close(alone, expected.detach(), atol=1e-12, rtol=1e-12)
    theirs = gradients(expected, hidden, weight)
    for ours, their in zip(gradients(found, hidden, weight), theirs, strict=True):
        torch.testing.assert_close(ours, their, atol=1e-12, rtol=1e-10)


@pytest.mark.usefixtures("chunk_elements")
def test_in_float64_it_is_exact() -> None:
    hidden, weight, targets = problem(torch.float64)
    expected = F.cross_entropy(hidden @ weight.T, targets, ignore_index=IGNORE_INDEX)
    found = chunked_cross_entropy(hidden, weight, targets)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)
    theirs = gradients(expected, hidden, weight)
    for ours, their in zip(gradients(found, hidden, weight), theirs, strict=True):
        torch.testing.assert_close(ours, their, atol=1e-12, rtol=1e-10)


@pytest.mark.usefixtures("chunk_elements")
def test_under_bfloat16_autocast_it_is_the_same_loosely() -> None:
    hidden, weight, targets = problem()
    expected = F.cross_entropy(hidden @ weight.T, targets, ignore_index=IGNORE_INDEX)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = chunked_cross_entropy(hidden, weight, targets)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0.01)
    theirs = gradients(expected, hidden, weight)
    for ours, their in zip(gradients(found, hidden, weight), theirs, strict=True):
        assert ours.dtype == torch.float32
        assert (ours - their).norm() < 0.02 * their.norm()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_in_half_precision(dtype: torch.dtype) -> None:
    hidden, weight, targets = problem(dtype)
    found = chunked_cross_entropy(hidden, weight, targets)
    assert found.dtype == torch.float32
    exact = F.cross_entropy(hidden.float() @ weight.float().T, targets, ignore_index=IGNORE_INDEX)
    torch.testing.assert_close(found, exact, atol=0.05, rtol=0.01)
    assert [g.dtype for g in gradients(found, hidden, weight)] == [dtype, dtype]


@pytest.mark.usefixtures("chunk_elements")
def test_all_ignored_is_nothing() -> None:
    hidden, weight, targets = problem(ignored=N)
    found = chunked_cross_entropy(hidden, weight, targets)
    assert found.item() == 0.0
    for gradient in gradients(found, hidden, weight):
        assert (gradient == 0).all()


def test_only_one_side_may_need_a_gradient() -> None:
    hidden, weight, targets = problem()
    whole = gradients(chunked_cross_entropy(hidden, weight, targets), hidden, weight)
    (for_hidden,) = gradients(chunked_cross_entropy(hidden, weight.detach(), targets), hidden)
    (for_weight,) = gradients(chunked_cross_entropy(hidden.detach(), weight, targets), weight)
    assert torch.equal(for_hidden, whole[0])
    assert torch.equal(for_weight, whole[1])
    assert not chunked_cross_entropy(hidden.detach(), weight.detach(), targets).requires_grad


@pytest.mark.parametrize("target", [V, -1])
def test_a_target_outside_the_vocabulary_is_refused(target: int) -> None:
    hidden, weight, targets = problem()
    targets[3] = target
    with pytest.raises((RuntimeError, IndexError), match="out of bounds"):
        chunked_cross_entropy(hidden, weight, targets)


def test_the_logits_are_never_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_module, "CHUNK_ELEMENTS", 4 * V)
    largest = 0
    plain_mm = torch.mm

    def watched_mm(*args: Any, **kwargs: Any) -> Tensor:
        nonlocal largest
        product: Tensor = plain_mm(*args, **kwargs)
        if product.size(-1) == V:
            largest = max(largest, product.numel())
        return product

    monkeypatch.setattr(torch, "mm", watched_mm)
    hidden, weight, targets = problem()
    chunked_cross_entropy(hidden, weight, targets).backward()
    assert largest == 4 * V


@pytest.mark.usefixtures("chunk_elements")
def test_a_retained_graph_can_be_gone_through_again() -> None:
    hidden, weight, targets = problem()
    found = chunked_cross_entropy(hidden, weight, targets)
    first = torch.autograd.grad(found, (hidden, weight), retain_graph=True)
    kept = [gradient.clone() for gradient in first]
    doubled = torch.autograd.grad(2.0 * found, (hidden, weight), retain_graph=True)
    last = torch.autograd.grad(found, (hidden, weight))
    for one, two, same, before in zip(first, doubled, last, kept, strict=True):
        assert torch.equal(one, before)  # what was given out is not changed by later passes
        assert torch.equal(same, one)
        torch.testing.assert_close(two, 2.0 * one)
    with pytest.raises(RuntimeError, match="second time"):
        found.backward()


def test_gradients_add_up_over_a_retained_graph() -> None:
    hidden, weight, targets = problem()
    found = chunked_cross_entropy(hidden, weight, targets)
    found.backward(retain_graph=True)
    assert weight.grad is not None
    once = weight.grad.clone()
    found.backward()
    torch.testing.assert_close(weight.grad, 2.0 * once)


def test_without_retaining_no_second_gradient_is_made() -> None:
    """The gradients that the forward pass made are the ones that come out: no memory besides."""
    hidden, weight, targets = problem()
    found = chunked_cross_entropy(hidden, weight, targets)
    saved = {tensor.data_ptr() for tensor in found.grad_fn.saved_tensors if tensor is not None}  # type: ignore[union-attr]
    assert {gradient.data_ptr() for gradient in gradients(found, hidden, weight)} <= saved
