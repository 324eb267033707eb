"""What a cache stores, and how rows leave it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from slm.config import GPTConfig
from slm.model import GPT, KVCache

MakeModel = Callable[..., GPT]


def ids(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 97, shape, generator=torch.Generator().manual_seed(seed))


def test_shapes_and_bookkeeping(tiny_config: Callable[..., GPTConfig]) -> None:
    cache = KVCache(tiny_config("modern"), 3, dtype=torch.bfloat16)
    assert cache.keys.shape == cache.values.shape == (2, 3, 2, 16, 8)  # layers, rows, key heads...
    assert cache.keys.dtype == torch.bfloat16
    assert (cache.batch_size, cache.capacity, cache.length) == (3, 16, 0)
    new = torch.ones(3, 2, 4, 8)
    keys, values = cache.append(1, new, 2 * new)
    assert keys.shape == values.shape == (3, 2, 4, 8)
    assert (keys == 1).all()
    assert (values == 2).all()
    assert (cache.keys[0] == 0).all()  # the other layer
    assert cache.length == 0  # until every layer has stored its own
    cache.advance(4)
    keys, _ = cache.append(1, 3 * new[:, :, :1], new[:, :, :1])
    assert keys[0, 0, :, 0].tolist() == [1, 1, 1, 1, 3]


def test_positions_and_what_is_visible(tiny_config: Callable[..., GPTConfig]) -> None:
    cache = KVCache(tiny_config("gpt2"), 2, pad=torch.tensor([0, 2]))
    assert cache.positions(4).tolist() == [[0, 1, 2, 3], [0, 0, 0, 1]]
    seen = cache.attn_mask(4)
    assert seen is not None
    assert seen.shape == (2, 1, 4, 4)
    assert seen[0, 0].int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    assert seen[1, 0].int().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]
    cache.advance(4)
    assert cache.positions(1).tolist() == [[4], [2]]
    seen = cache.attn_mask(1)
    assert seen is not None
    assert seen[:, 0, 0].int().tolist() == [[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]]
    unpadded = KVCache(tiny_config("gpt2"), 2)
    unpadded.advance(3)
    assert unpadded.positions(2).tolist() == [3, 4]
    assert unpadded.attn_mask(2) is None


@pytest.mark.parametrize("family", ["gpt2", "modern"])
@pytest.mark.parametrize("padded", [False, True])
@torch.no_grad()
def test_kept_rows_go_on_as_if_alone(tiny_model: MakeModel, family: str, padded: bool) -> None:
    model = tiny_model(family, spread=8.0).eval()
    idx = ids(4, 9)
    pad = torch.tensor([0, 3, 1, 2]) if padded else torch.zeros(4, dtype=torch.long)
    cache = KVCache(model.config, 4, pad=pad if padded else None)
    model(idx[:, :6], cache=cache)
    rows = torch.tensor([3, 1])
    cache.keep_sequences(rows)
    assert cache.batch_size == 2
    assert cache.length == 6
    logits, _ = model(idx[rows, 6:], cache=cache)
    for i, row in enumerate(rows.tolist()):
        whole, _ = model(idx[row : row + 1, int(pad[row]) :])
        torch.testing.assert_close(logits[i], whole[0, -3:], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_cache_that_grows_keeps_what_it_holds(tiny_model: MakeModel) -> None:
    model = tiny_model("modern", spread=8.0).eval()
    cache = KVCache(model.config, 2, capacity=5)
    model(ids(2, 9)[:, :5], cache=cache)
    assert cache.room == 0
    cache.grow(9)
    assert (cache.length, cache.room) == (5, 4)
    logits, _ = model(ids(2, 9)[:, 5:], cache=cache)
    expected, _ = model(ids(2, 9))
    torch.testing.assert_close(logits, expected[:, 5:], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_bfloat16_cache_is_nearly_the_same(tiny_model: MakeModel) -> None:
    model = tiny_model("gpt2").eval()
    cache = KVCache(model.config, 1, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        parts = [model(ids(1, 8)[:, t : t + 1], cache=cache)[0] for t in range(8)]
    whole, _ = model(ids(1, 8))
    torch.testing.assert_close(torch.cat(parts, 1).float(), whole, atol=0.02, rtol=0.05)
