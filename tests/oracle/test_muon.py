"""Our Muon moves matrices as `torch.optim.Muon` does, and orthogonalizes as its polynomial says."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from slm.training import optim
from slm.training.optim import NEWTON_SCHULZ_COEFFICIENTS, Muon, orthogonalize

SHAPES = [(16, 16), (48, 16), (16, 48), (16, 16), (5, 33), (48, 16), (1, 8), (8, 1)]
BFLOAT16_STEP = 2.0**-8
"""Largest relative rounding error of a bfloat16 number is half of this."""


def by_singular_values(matrix: Tensor, steps: int = 4) -> Tensor:
    """U p(p(...p(S))) V^T in float64, S scaled by the root of the Gram matrix's Frobenius norm."""
    a, b, c = NEWTON_SCHULZ_COEFFICIENTS
    u, s, vh = torch.linalg.svd(matrix.double(), full_matrices=False)
    s = s / (s**4).sum() ** 0.25
    for _ in range(steps):
        s = a * s + b * s**3 + c * s**5
    return u @ torch.diag(s) @ vh


@pytest.mark.parametrize("shape", sorted(set(SHAPES)), ids=str)
@pytest.mark.parametrize("steps", [2, 4])
def test_orthogonalize_is_the_polynomial_of_the_singular_values(
    shape: tuple[int, int], steps: int
) -> None:
    torch.manual_seed(0)
    matrices = torch.randn(3, *shape) * torch.tensor([1e-4, 1.0, 1e4])[:, None, None]
    found = orthogonalize(matrices, steps)
    assert found.shape == matrices.shape
    for matrix, orthogonal in zip(matrices, found, strict=True):
        expected = by_singular_values(matrix, steps)
        torch.testing.assert_close(orthogonal.double(), expected, atol=2e-4, rtol=1e-3)


def test_singular_values_come_close_to_one() -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalize(torch.randn(4, 24, 64)))
    assert values.min() > 0.6
    assert values.max() < 1.25


def test_a_gradient_of_zero_stays_zero() -> None:
    assert (orthogonalize(torch.zeros(2, 4, 6)) == 0).all()


def test_the_tighter_bound_saves_an_iteration() -> None:
    """Our four iterations come as close to orthogonal as the five of PyTorch's Muon."""
    torch.manual_seed(0)
    matrices = torch.randn(2, 128, 128)
    u, _, vh = torch.linalg.svd(matrices)

    def away(found: Tensor) -> float:
        return float((found.float() - u @ vh).norm() / (u @ vh).norm())

    theirs = torch.stack([_as_torch_does(matrix, 5) for matrix in matrices])
    assert away(orthogonalize(matrices, 4)) < 1.05 * away(theirs)
    assert away(orthogonalize(matrices, 2)) > 1.2 * away(theirs)


def _as_torch_does(matrix: Tensor, steps: int) -> Tensor:
    """PyTorch's orthogonalization, by a step of its Muon from zero at a learning rate of one."""
    weight = nn.Parameter(torch.zeros_like(matrix))
    weight.grad = matrix.clone()
    torch.optim.Muon([weight], lr=1.0, weight_decay=0.0, ns_steps=steps).step()
    return -weight.detach() / math.sqrt(max(1.0, matrix.size(0) / matrix.size(1)))


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("steps", [4, 5])
def test_the_rest_of_a_step_is_that_of_torch(
    monkeypatch: pytest.MonkeyPatch, weight_decay: float, steps: int
) -> None:
    """With the Frobenius norm as the bound and within the rounding of bfloat16: PyTorch multiplies
    matrices one by one."""
    monkeypatch.setattr(
        optim,
        "orthogonalize",
        lambda x, steps: torch.stack([_as_torch_does(matrix.float(), steps) for matrix in x]),
    )
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(shape)) for shape in SHAPES]
    theirs = [nn.Parameter(p.detach().clone()) for p in ours]
    lr, momentum = 0.05, 0.9
    settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
    our_muon = Muon(ours, **settings, steps=steps)
    their_muon = torch.optim.Muon(theirs, **settings, ns_steps=steps)
    n_steps = 5
    for _ in range(n_steps):
        for p, q in zip(ours, theirs, strict=True):
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        our_muon.step()
        their_muon.step()
    for p, q in zip(ours, theirs, strict=True):
        # An element of the update is about 1.2 / sqrt(longer side) before its scaling.
        scale = lr * math.sqrt(max(1.0, p.size(0) / p.size(1)))
        tolerance = n_steps * scale * 4 * BFLOAT16_STEP
        assert (p - q).abs().max() < tolerance
        assert (p - q).abs().max() < 0.1 * scale  # a fraction of one step, let alone five
        torch.testing.assert_close(
            our_muon.state[p]["momentum_buffer"], their_muon.state[q]["momentum_buffer"]
        )


def test_float32_steps_follow_the_formula() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(12, 4))
    expected = weight.detach().double()
    buffer = torch.zeros(12, 4, dtype=torch.float64)
    muon = Muon([weight], lr=0.1, momentum=0.8, weight_decay=0.5, dtype=torch.float32)
    for _ in range(3):
        gradient = torch.randn(12, 4)
        weight.grad = gradient
        muon.step()
        buffer = 0.8 * buffer + 0.2 * gradient
        ahead = 0.2 * gradient + 0.8 * buffer
        expected = (1 - 0.1 * 0.5) * expected - 0.1 * math.sqrt(3) * by_singular_values(ahead)
    torch.testing.assert_close(weight.double(), expected, atol=1e-4, rtol=1e-4)


def test_parameters_without_gradient_are_left_alone() -> None:
    torch.manual_seed(0)
    moved, resting = (nn.Parameter(torch.randn(4, 6)) for _ in range(2))
    before = resting.detach().clone()
    muon = Muon([moved, resting], lr=0.1, weight_decay=0.5)
    moved.grad = torch.randn(4, 6)
    muon.step()
    assert torch.equal(resting, before)
    assert resting not in muon.state


def test_only_matrices() -> None:
    with pytest.raises(ValueError, match=r"\(3,\)"):
        Muon([nn.Parameter(torch.zeros(3))], lr=0.1)
