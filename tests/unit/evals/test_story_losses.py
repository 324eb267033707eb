"""The loss of each story, and intervals that tell noise from a difference."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from slm.errors import CheckpointError, DataError
from slm.evals import evaluate_texts
from slm.evals.story_losses import (
    StoryLosses,
    bits_per_byte,
    difference,
    loss_per_token,
    story_losses,
)
from slm.model import GPT
from slm.tokenizer.byte_level import BytesTokenizer

TEXTS = ["One day a fox.", "", "A very long story that does not fit. " * 3, "Ein Bär \U0001f43b."]


@pytest.fixture(scope="module")
def model(tiny_model: Callable[..., GPT]) -> GPT:
    return tiny_model("modern", spread=4.0, vocab_size=257)


def test_the_sum_is_that_of_an_evaluation(model: GPT) -> None:
    tokenizer = BytesTokenizer()
    told: list[float] = []
    losses = story_losses(
        model, tokenizer, TEXTS, batch_tokens=40, on_progress=lambda share, n: told.append(share)
    )
    whole = evaluate_texts(model, tokenizer, TEXTS)
    assert bits_per_byte(losses, seed=0).value == pytest.approx(whole.bits_per_byte, rel=1e-6)
    assert loss_per_token(losses, seed=0).value == pytest.approx(whole.loss, rel=1e-6)
    assert losses.tokens.sum() == whole.tokens
    assert losses.bytes.tolist() == [len(text.encode()) for text in TEXTS]
    assert told[-1] == 1.0


def test_each_story_has_its_own_loss(model: GPT) -> None:
    tokenizer = BytesTokenizer()
    together = story_losses(model, tokenizer, TEXTS)
    alone = [story_losses(model, tokenizer, [text]).nats[0] for text in TEXTS if text]
    assert [together.nats[n] for n in (0, 2, 3)] == pytest.approx(alone, rel=1e-5)
    assert together.nats[1] > 0  # the end-of-text token of the empty one


def test_no_text_and_no_number(model: GPT, tiny_model: Callable[..., GPT]) -> None:
    with pytest.raises(DataError, match="no text"):
        story_losses(model, BytesTokenizer(), ["", ""])
    broken = tiny_model("modern", vocab_size=257)
    broken.token_embedding.weight.data[:] = math.nan
    with pytest.raises(CheckpointError, match="non-finite"):
        story_losses(broken, BytesTokenizer(), TEXTS)


def losses(nats: np.ndarray) -> StoryLosses:
    return StoryLosses(
        nats * math.log(2) * 100, np.full(len(nats), 30.0), np.full(len(nats), 100.0)
    )


def test_pairing_shows_what_the_single_intervals_hide() -> None:
    chance = np.random.default_rng(0)
    hardness = chance.normal(1.0, 0.3, size=300)
    a = losses(hardness)
    b = losses(hardness - 0.01 + chance.normal(0.0, 0.02, size=300))
    first, second = bits_per_byte(a, seed=0), bits_per_byte(b, seed=0)
    assert first.low < second.value < first.high
    found = difference(a, b, seed=0)
    assert found.is_beyond_noise
    assert found.low < -0.01 < found.high < 0.0
    assert found.value == pytest.approx(second.value - first.value)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    chance = np.random.default_rng(1)
    wrong = 0
    for seed in range(200):
        hardness = chance.normal(1.0, 0.3, size=80)
        a, b = (losses(hardness + chance.normal(0.0, 0.05, size=80)) for _ in range(2))
        wrong += difference(a, b, seed=seed).is_beyond_noise
    assert 2 <= wrong <= 22  # 5% of 200 are 10, and the bootstrap is a little too sure
