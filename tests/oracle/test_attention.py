"""Plain attention, PyTorch's fused kernel and decoding with a key/value cache compute the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from slm.model import GPT, KVCache
from slm.model.attention import Kernel, attend, attention_weights, causal_mask, document_mask

KERNELS: tuple[Kernel, ...] = ("sdpa", "plain")
EXACT = {"atol": 2e-5, "rtol": 2e-5}


def by_hand(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """One query after the other: softmax over the keys up to its place, in float64."""
    rows = []
    n_queries, n_keys = q.size(2), k.size(2)
    for t in range(n_queries):
        seen = n_keys - n_queries + t + 1
        scores = (k[:, :, :seen] * q[:, :, t : t + 1]).sum(-1).double() / math.sqrt(q.size(-1))
        weights = (scores - scores.amax(-1, keepdim=True)).exp()
        weights = weights / weights.sum(-1, keepdim=True)
        rows.append((weights[..., None] * v[:, :, :seen].double()).sum(-2))
    return torch.stack(rows, dim=2).float()


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("n_queries", "n_keys"), [(1, 1), (7, 7), (1, 9), (3, 9), (8, 9)])
def test_attend_is_the_formula(kernel: Kernel, n_queries: int, n_keys: int) -> None:
    torch.manual_seed(0)
    q = 2 * torch.randn(2, 3, n_queries, 4)
    k, v = 2 * torch.randn(2, 3, n_keys, 4), torch.randn(2, 3, n_keys, 4)
    mixed = attend(q, k, v, attn_mask=None, dropout=0.0, kernel=kernel)
    torch.testing.assert_close(mixed, by_hand(q, k, v), **EXACT)


def test_weights_sum_to_one_and_never_look_ahead() -> None:
    torch.manual_seed(0)
    weights = attention_weights(
        torch.randn(2, 3, 4, 8),
        torch.randn(2, 3, 6, 8),
        causal_mask(4, 6, device=torch.device("cpu")),
    )
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 4))
    ahead = torch.arange(6)[None, :] > torch.arange(2, 6)[:, None]
    assert (weights[:, :, ahead] == 0).all()
    assert (weights[:, :, ~ahead] > 0).all()


@pytest.mark.parametrize("kernel", KERNELS)
def test_dropout_drops_weights_and_keeps_their_mean(kernel: Kernel) -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(1, 1, 4, 8), torch.randn(1, 1, 4, 8), torch.ones(1, 1, 4, 1)
    samples = torch.stack(
        [attend(q, k, v, attn_mask=None, dropout=0.5, kernel=kernel) for _ in range(2000)]
    )
    assert samples.std() > 0.1
    assert abs(samples.mean() - 1.0) < 0.05


@pytest.mark.parametrize("family", ["gpt2", "modern"])
def test_both_kernels_give_the_same_logits_and_gradients(
    tiny_model: Callable[..., GPT], family: str
) -> None:
    model = tiny_model(family, spread=8.0)
    idx = torch.randint(0, 97, (2, 16), generator=torch.Generator().manual_seed(0))
    results = []
    for kernel in KERNELS:
        model.use_kernel(kernel)
        assert {block.attention.kernel for block in model.blocks} == {kernel}
        model.zero_grad()
        logits, _ = model(idx)
        _, loss = model(idx[:, :-1], idx[:, 1:])
        loss.backward()
        results.append((logits.detach(), {n: p.grad for n, p in model.named_parameters()}))
    (sdpa, sdpa_grads), (plain, plain_grads) = results
    torch.testing.assert_close(sdpa, plain, atol=1e-4, rtol=1e-4)
    for name, gradient in sdpa_grads.items():
        torch.testing.assert_close(gradient, plain_grads[name], atol=1e-4, rtol=1e-3, msg=name)


def cached_logits(model: GPT, rows: Sequence[Tensor], chunks: Sequence[int]) -> list[Tensor]:
    """Logits of every row's real tokens, read through a cache by chunks of these sizes."""
    longest = max(len(row) for row in rows)
    pad = torch.tensor([longest - len(row) for row in rows])
    # The ids in padding slots are arbitrary: nothing may depend on them.
    idx = torch.stack([torch.cat((torch.full((longest - len(r),), 13), r)) for r in rows])
    cache = KVCache(model.config, len(rows), capacity=longest, pad=pad if bool(pad.any()) else None)
    parts, start = [], 0
    assert sum(chunks) == longest
    for size in chunks:
        logits, loss = model(idx[:, start : start + size], cache=cache)
        assert loss is None
        parts.append(logits)
        start += size
        assert cache.length == start
    together = torch.cat(parts, dim=1)
    return [together[i, n:] for i, n in enumerate(pad.tolist())]


@pytest.mark.parametrize("family", ["gpt2", "modern"])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    "lengths", [[16], [16, 16, 16], [16, 9, 1], [3, 16, 12]], ids=lambda lengths: f"rows{lengths}"
)
@pytest.mark.parametrize("chunks", [[16], [1] * 16, [5, 1, 7, 1, 2], [15, 1]], ids=str)
@torch.no_grad()
def test_a_cache_changes_nothing(
    tiny_model: Callable[..., GPT],
    family: str,
    kernel: Kernel,
    lengths: list[int],
    chunks: list[int],
) -> None:
    model = tiny_model(family, spread=8.0).eval()
    model.use_kernel(kernel)
    generator = torch.Generator().manual_seed(3)
    rows = [torch.randint(0, 97, (length,), generator=generator) for length in lengths]
    for row, cached in zip(rows, cached_logits(model, rows, chunks), strict=True):
        whole, _ = model(row[None])
        torch.testing.assert_close(cached, whole[0], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_last_only_gives_the_last_place(tiny_model: Callable[..., GPT]) -> None:
    model = tiny_model("modern", spread=8.0).eval()
    idx = torch.randint(0, 97, (2, 11))
    whole, _ = model(idx)
    last, _ = model(idx, last_only=True)
    assert last.shape == (2, 1, 97)
    torch.testing.assert_close(last[:, 0], whole[:, -1], **EXACT)


def test_a_story_mask_by_hand() -> None:
    idx = torch.tensor([[5, 0, 6, 7], [0, 1, 0, 2]])  # 0 ends a story, and the next begins with it
    expected = torch.tensor(
        [
            [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]],
            [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]],
        ]
    )
    assert torch.equal(document_mask(idx, 0), expected[:, None].bool())


@pytest.mark.parametrize("kernel", KERNELS)
@torch.no_grad()
def test_stories_in_a_window_are_as_each_alone(
    tiny_model: Callable[..., GPT], kernel: Kernel
) -> None:
    """Rotary positions are relative, so that a story may begin anywhere."""
    model = tiny_model("modern", spread=8.0).eval()
    model.use_kernel(kernel)
    idx = torch.randint(1, 97, (1, 16), generator=torch.Generator().manual_seed(5))
    idx[0, [4, 11]] = 0
    together, _ = model(idx, attn_mask=document_mask(idx, 0))
    alone = [model(part)[0] for part in (idx[:, :4], idx[:, 4:11], idx[:, 11:])]
    torch.testing.assert_close(together, torch.cat(alone, dim=1), atol=1e-4, rtol=1e-4)
    unseparated, _ = model(idx)
    assert not torch.allclose(together, unseparated, atol=1e-2)
