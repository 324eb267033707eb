"""The mask of dropout: its share, its independence, and its use in compiled code."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from slm.hardware.devices import can_compile
from slm.model.attention import attend
from slm.model.dropout import Dropout, drop, keep_mask

needs_compiler = pytest.mark.skipif(not can_compile("cpu"), reason="no compiler here")


def masks(count: int, size: int, p: float) -> torch.Tensor:
    """[count, size]: one mask of each call, as deviations from its mean with variance one."""
    drawn = torch.stack([keep_mask(torch.Size((size,)), p) for _ in range(count)]).float()
    return (drawn - (1 - p)) / math.sqrt(p * (1 - p))


@pytest.mark.parametrize("p", [0.01, 0.1, 0.5, 0.9])
def test_as_many_elements_are_dropped_as_asked_for(p: float) -> None:
    torch.manual_seed(0)
    kept = keep_mask(torch.Size((50, 40, 500)), p).float()
    n = kept.numel()
    assert abs(kept.mean().item() - (1 - p)) < 5 * math.sqrt(p * (1 - p) / n)
    for dim in (0, 1, 2):
        per_slice = kept.mean(dim=[d for d in range(3) if d != dim])
        spread = math.sqrt(p * (1 - p) / (n / kept.size(dim)))
        assert (per_slice - (1 - p)).abs().max() < 6 * spread


def test_masks_of_different_calls_and_of_different_places_are_independent() -> None:
    torch.manual_seed(0)
    count, size = 1000, 2048
    drawn = masks(count, size, p=0.5)
    between_places = (drawn.T @ drawn / math.sqrt(count)).fill_diagonal_(0)
    between_calls = (drawn @ drawn.T / math.sqrt(size)).fill_diagonal_(0)
    assert between_places.abs().max() < 6
    assert between_calls.abs().max() < 6
    # A call's mask is not another one's, moved.
    spectra = torch.fft.rfft(drawn)
    moved = torch.fft.irfft(spectra[1:] * spectra[:1].conj(), n=size) / math.sqrt(size)
    assert moved.abs().max() < 6.5


def test_the_mask_follows_the_seed() -> None:
    torch.manual_seed(3)
    first, second = keep_mask(torch.Size((100,)), 0.5), keep_mask(torch.Size((100,)), 0.5)
    torch.manual_seed(3)
    again = keep_mask(torch.Size((100,)), 0.5)
    assert first.equal(again)
    assert not first.equal(second)


def test_eager_steps_use_the_function_of_pytorch() -> None:
    x = torch.randn(1000)
    torch.manual_seed(5)
    ours = drop(x, 0.3)
    torch.manual_seed(5)
    assert ours.equal(F.dropout(x, 0.3))


def test_nothing_is_dropped_outside_training_or_with_probability_zero() -> None:
    x = torch.randn(1000)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


@needs_compiler
@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")  # the compiler imports it
def test_compiled_code_scales_what_it_keeps_and_its_gradient() -> None:
    x = torch.randn(64, 512, requires_grad=True)
    torch.manual_seed(1)
    y = torch.compile(drop)(x, 0.25)
    y.sum().backward()
    kept = y != 0
    assert abs(kept.float().mean().item() - 0.75) < 0.02
    torch.testing.assert_close(y[kept], x[kept] / 0.75)
    assert x.grad is not None
    torch.testing.assert_close(x.grad, kept / 0.75)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_does_not_leave_dropout_to_the_fused_kernel(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    """On a CPU it computes the formula with a random number for each weight, also if compiled."""
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda *_, **__: pytest.fail("called"))
    n_tokens, p = 64, 0.25
    equal_scores = torch.zeros(2, 3, n_tokens, n_tokens, dtype=dtype)
    gives_the_weights = torch.eye(n_tokens, dtype=dtype).expand_as(equal_scores)
    weights = attend(
        equal_scores, equal_scores, gives_the_weights, attn_mask=None, dropout=p, kernel="auto"
    ).float()
    kept = weights != 0
    whole = torch.ones(n_tokens, n_tokens).tril() / torch.arange(1, n_tokens + 1)[:, None]
    torch.testing.assert_close(weights, kept * whole / (1 - p), rtol=0.01, atol=0.0)
    assert abs(kept[:, :, whole > 0].float().mean().item() - (1 - p)) < 0.02
