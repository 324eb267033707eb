"""Norms and rotary positions against their formulas, worked out in float64."""

from __future__ import annotations

import math

import pytest
import torch

from slm.config import GPTConfig
from slm.model.layers import GeluMLP, LayerNorm, RMSNorm, SwiGLU, rotary_tables, rotate

SHAPES = [(6,), (3, 6), (2, 5, 3, 6)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_layer_norm(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    norm = LayerNorm(6, eps=0.01, bias=bias)
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.copy_(torch.randn(6))
    x = 3 * torch.randn(shape) + 1
    wide = x.double()
    mean = wide.mean(-1, keepdim=True)
    variance = ((wide - mean) ** 2).mean(-1, keepdim=True)
    expected = (wide - mean) / (variance + 0.01).sqrt() * norm.weight
    if bias:
        assert norm.bias is not None
        expected = expected + norm.bias
    else:
        assert norm.bias is None
    torch.testing.assert_close(norm(x), expected.float())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rms_norm(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    norm = RMSNorm(6, eps=0.01)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(6))
    x = 3 * torch.randn(shape) + 1
    mean_square = (x.double() ** 2).mean(-1, keepdim=True)
    expected = x / (mean_square + 0.01).sqrt() * norm.weight
    torch.testing.assert_close(norm(x), expected.float())


def test_rms_norm_squares_in_float32() -> None:
    large = torch.full((2, 4), 300.0, dtype=torch.float16)  # its square is no float16
    normed = RMSNorm(4, eps=1e-6).half()(large)
    torch.testing.assert_close(normed, torch.ones(2, 4, dtype=torch.float16))


def test_mlps() -> None:
    torch.manual_seed(0)
    config = GPTConfig(n_embd=6, n_head=1, mlp_dim=10, dropout=0.0)
    x = torch.randn(3, 6).double()
    gelu = GeluMLP(config).double()
    hidden = x @ gelu.up_proj.weight.T + gelu.up_proj.bias
    cube = math.sqrt(2 / math.pi) * (hidden + 0.044715 * hidden**3)
    expected = (0.5 * hidden * (1 + cube.tanh())) @ gelu.down_proj.weight.T + gelu.down_proj.bias
    torch.testing.assert_close(gelu(x), expected)
    swiglu = SwiGLU(config.changed(bias=False)).double()
    gate, up = x @ swiglu.gate_proj.weight.T, x @ swiglu.up_proj.weight.T
    expected = (gate / (1 + (-gate).exp()) * up) @ swiglu.down_proj.weight.T
    torch.testing.assert_close(swiglu(x), expected)


def test_rotation_turns_each_pair_by_its_angle() -> None:
    torch.manual_seed(0)
    cos, sin = rotary_tables(5, 6, 100.0)
    assert cos.shape == sin.shape == (5, 3)
    x = torch.randn(2, 3, 5, 6)
    turned = rotate(x, cos, sin)
    for position in range(5):
        for i in range(3):  # features i and i + 3 are the real and imaginary part of a number
            angle = position * 100.0 ** (-2 * i / 6)
            number = torch.complex(x[:, :, position, i].double(), x[:, :, position, i + 3].double())
            expected = number * complex(math.cos(angle), math.sin(angle))
            torch.testing.assert_close(turned[:, :, position, i], expected.real.float())
            torch.testing.assert_close(turned[:, :, position, i + 3], expected.imag.float())


def test_products_depend_on_distance_only_and_lengths_stay() -> None:
    torch.manual_seed(0)
    cos, sin = rotary_tables(64, 8, 10000.0)
    query, key = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def product(i: int, j: int) -> torch.Tensor:
        turned_query = rotate(query, cos[i : i + 1], sin[i : i + 1])
        return (turned_query * rotate(key, cos[j : j + 1], sin[j : j + 1])).sum()

    torch.testing.assert_close(product(9, 2), product(60, 53), atol=1e-5, rtol=1e-5)
    assert abs(product(9, 2) - product(9, 3)) > 1e-3
    turned = rotate(query, cos[40:41], sin[40:41])
    torch.testing.assert_close(turned.norm(), query.norm())
    assert rotate(query.half(), cos[1:2], sin[1:2]).dtype == torch.float16
