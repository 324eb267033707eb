from __future__ import annotations

import math
import shutil

import pytest
import torch

from slm.generate import GenerationOptions
from slm.generate.native_sampling import native_draw
from slm.generate.sampling import draw, filter_logits

pytestmark = pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")

OPTIONS = [
    GenerationOptions(),
    GenerationOptions(top_k=1),
    GenerationOptions(top_k=7, temperature=1.7),
    GenerationOptions(top_k=40, top_p=0.6),
    GenerationOptions(top_k=40, min_p=0.1, temperature=0.5),
    GenerationOptions(top_k=5000, top_p=0.9, min_p=0.01),
]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_same_ids_as_pytorchs(options: GenerationOptions) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3000, 700, generator=generator) * 3
    uniforms = (1 - torch.rand(3000, generator=generator, dtype=torch.float64)).tolist()
    same = native_draw(logits[:, :650], options, uniforms) == draw(
        logits[:, :650], options, uniforms
    )
    # A number within rounding of a border may fall on either side, if ever one does.
    assert same.sum() >= 2998


def test_how_often_an_id_comes_is_its_probability() -> None:
    logits = torch.randn(1, 50, generator=torch.Generator().manual_seed(3)) * 2
    options = GenerationOptions(top_k=20, top_p=0.95)
    count = 50_000
    uniforms = (torch.arange(1, count + 1, dtype=torch.float64) / count).tolist()
    ids = native_draw(logits.expand(count, -1).contiguous(), options, uniforms)
    shares = torch.bincount(ids, minlength=50) / count
    expected = filter_logits(logits, options).softmax(dim=-1)[0]
    torch.testing.assert_close(shares, expected, atol=2 / count, rtol=0)


def test_equal_logits_keep_exactly_k() -> None:
    logits = torch.zeros(200, 30)
    uniforms = [(i + 1) / 200 for i in range(200)]
    ids = native_draw(logits, GenerationOptions(top_k=5), uniforms)
    assert sorted(set(ids.tolist())) == [0, 1, 2, 3, 4]


def test_an_id_of_probability_zero_is_never_drawn() -> None:
    logits = torch.full((3, 40), -math.inf)
    logits[:, 17] = 0.0
    ids = native_draw(logits, GenerationOptions(top_k=10), [1e-300, 0.5, 1.0])
    assert ids.tolist() == [17, 17, 17]


def test_the_ends_of_the_numbers() -> None:
    logits = torch.randn(2, 100, generator=torch.Generator().manual_seed(0))
    ids = native_draw(logits, GenerationOptions(top_k=10), [5e-324, 1.0])
    assert ids[0] == logits[0].argmax()
    assert ids[1] == logits[1].topk(10).indices[-1]
