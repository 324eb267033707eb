from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from slm.model import GPT
from slm.model.attention import document_mask
from slm.training.evaluate import validation_loss

SHAPE: dict[str, Any] = {
    **{"vocab_size": 257, "block_size": 16, "dropout": 0.1, "tie_embeddings": False, "spread": 10.0}
}


def random_batch(seed: int, rows: int, n_ignored: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randint(0, 257, (rows, 8), generator=generator)
    targets = torch.randint(0, 257, (rows, 8), generator=generator)
    targets.view(-1)[:n_ignored] = -100
    return inputs, targets


@pytest.mark.parametrize("family", ["gpt2", "modern"])
def test_the_mean_is_over_tokens_and_not_over_batches(tiny_model: Any, family: str) -> None:
    model: GPT = tiny_model(family, **SHAPE)
    batches = [random_batch(0, 4, 0), random_batch(1, 1, 5), random_batch(2, 1, 8)]
    loss, n_tokens = validation_loss(model, batches)
    assert n_tokens == 32 + 3
    model.eval()
    nats = 0.0
    with torch.no_grad():
        for inputs, targets in batches:
            logits, _ = model(inputs)
            nats += float(
                torch.nn.functional.cross_entropy(
                    logits.flatten(0, 1), targets.flatten(), reduction="sum", ignore_index=-100
                )
            )
    assert loss == pytest.approx(nats / 35, rel=1e-5)


def test_no_tokens_have_no_loss(tiny_model: Any) -> None:
    loss, n_tokens = validation_loss(tiny_model("gpt2", **SHAPE), [])
    assert math.isnan(loss)
    assert n_tokens == 0


def test_training_goes_on_as_before(tiny_model: Any) -> None:
    model = tiny_model("modern", **SHAPE).train()
    batch = random_batch(0, 2, 0)
    validation_loss(model, [batch])
    assert model.training
    _, loss = model(*batch)
    loss.backward()
    assert model.token_embedding.weight.grad is not None


def test_autocast_is_open_once_around_everything(tiny_model: Any) -> None:
    opened = []

    @contextlib.contextmanager
    def autocast() -> Iterator[None]:
        opened.append("in")
        yield
        opened.append("out")

    validation_loss(
        tiny_model("gpt2", **SHAPE), [random_batch(seed, 1, 0) for seed in (1, 2)], autocast()
    )
    assert opened == ["in", "out"]


def test_stories_by_themselves(tiny_model: Any) -> None:
    model = tiny_model("modern", **SHAPE).eval()
    inputs, targets = random_batch(3, 2, 0)
    inputs[:, 2] = 5
    loss, n_tokens = validation_loss(model, [(inputs, targets)], eot_id=5)
    with torch.no_grad():
        _, expected = model(inputs, targets, attn_mask=document_mask(inputs, 5))
    assert loss == pytest.approx(expected.item())
    assert n_tokens == targets.numel()
    assert loss != pytest.approx(validation_loss(model, [(inputs, targets)])[0])
