from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from slm.data.documents import parts_of
from slm.errors import CheckpointError, DataError, TokenizerError
from slm.evals import evaluate_ids, evaluate_parts, evaluate_split, evaluate_texts
from slm.model import GPT
from slm.tokenizer.byte_level import BytesTokenizer

EOT = 256
SHORT = ["One day.", "", "Łódź 😀", "x", "A cat sat.", "Night"]
LONG = "Once upon a time there was a very long story about a mouse, told without a pause. " * 3


def nats_of_story(model: GPT, story: bytes, bos_id: int = EOT) -> float:
    """A story that fits into the context, scored alone and in plain sight."""
    ids = torch.tensor([[bos_id, *story, EOT]])
    with torch.no_grad():
        logits, _ = model.eval()(ids[:, :-1])
    log_odds = logits[0].double().log_softmax(-1)
    return -float(log_odds[torch.arange(ids.size(1) - 1), ids[0, 1:]].sum())


def test_short_stories_have_the_loss_that_each_has_alone(model: GPT) -> None:
    result = evaluate_texts(model, BytesTokenizer(), SHORT, batch_tokens=40)
    nats = sum(nats_of_story(model, story.encode()) for story in SHORT)
    n_bytes = sum(len(story.encode()) for story in SHORT)
    assert result.stories == len(SHORT)
    assert result.bytes == n_bytes
    assert result.tokens == n_bytes + len(SHORT)
    assert result.loss == pytest.approx(nats / result.tokens, rel=1e-5)
    assert result.perplexity == pytest.approx(math.exp(result.loss))
    assert result.bits_per_byte == pytest.approx(nats / math.log(2) / n_bytes, rel=1e-5)


def test_stories_begin_with_the_token_that_the_tokenizer_says(model: GPT) -> None:
    """An imported tokenizer may have another one than the end-of-text token."""

    class Other(BytesTokenizer):
        @property
        def bos_id(self) -> int:
            return 7

    result = evaluate_texts(model, Other(), SHORT)
    nats = sum(nats_of_story(model, story.encode(), bos_id=7) for story in SHORT)
    assert result.loss == pytest.approx(nats / result.tokens, rel=1e-5)


def test_a_long_story_is_scored_by_windows_that_move_by_half_a_context(model: GPT) -> None:
    result = evaluate_texts(model, BytesTokenizer(), [LONG])
    ids = [EOT, *LONG.encode(), EOT]
    model.eval()
    nats = 0.0
    for place in range(1, len(ids)):
        # With block_size 16, predictions 1-16 see all, 17-24 from 8 on, 25-32 from 16 on...
        end = 16 if place <= 16 else min(16 + 8 * math.ceil((place - 16) / 8), len(ids) - 1)
        seen = torch.tensor([ids[max(0, end - 16) : place]])
        with torch.no_grad():
            logits, _ = model(seen, last_only=True)
        nats -= float(logits[0, -1].double().log_softmax(-1)[ids[place]])
    assert result.tokens == len(ids) - 1
    assert result.loss == pytest.approx(nats / result.tokens, rel=1e-5)


@pytest.mark.parametrize("batch_tokens", [1, 64, 4096])
def test_the_batch_size_does_not_matter(make_model: Any, batch_tokens: int) -> None:
    model = make_model("modern")
    texts = [*SHORT, LONG]
    one = evaluate_texts(model, BytesTokenizer(), texts)
    other = evaluate_texts(model, BytesTokenizer(), texts, batch_tokens=batch_tokens)
    assert other.loss == pytest.approx(one.loss, rel=1e-6)
    assert (other.tokens, other.bytes, other.stories) == (one.tokens, one.bytes, one.stories)


def test_parts_of_a_story_are_scored_as_the_whole(make_model: Any) -> None:
    model = make_model("gpt2")
    parts = [*parts_of(LONG, part_chars=80), *parts_of(SHORT[0])]
    assert len(parts) > 2
    whole = evaluate_texts(model, BytesTokenizer(), [LONG, SHORT[0]])
    assert evaluate_parts(model, BytesTokenizer(), parts) == whole


def test_text_that_does_not_end_has_no_end_scored(make_model: Any) -> None:
    model = make_model("gpt2")
    result = evaluate_parts(model, BytesTokenizer(), [("abc", False)])
    assert (result.tokens, result.stories) == (3, 1)


def directory_of(texts: list[str], fingerprint: str) -> Any:
    ids = [i for text in texts for i in (*text.encode(), EOT)]
    tokenizer = SimpleNamespace(name="bytes", fingerprint=fingerprint)
    return SimpleNamespace(
        path=Path("data"),
        meta=SimpleNamespace(tokenizer=tokenizer),
        tokens={"validation": np.array(ids, dtype="<u2")}.__getitem__,
        split=lambda _: SimpleNamespace(bytes=sum(len(text.encode()) for text in texts)),
    )


def test_a_prepared_split_has_the_loss_of_its_texts(
    make_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slm.evals.loss.CHUNK_IDS", 7)
    model, tokenizer = make_model("gpt2"), BytesTokenizer()
    texts = [*SHORT, LONG]
    result = evaluate_split(model, tokenizer, directory_of(texts, tokenizer.fingerprint))
    assert result == evaluate_texts(model, tokenizer, texts)


def test_data_of_another_tokenizer_is_an_error(make_model: Any) -> None:
    with pytest.raises(DataError, match="bytes"):
        evaluate_split(make_model("gpt2"), BytesTokenizer(), directory_of(SHORT, "0" * 64))


def test_a_model_with_fewer_ids_than_the_tokenizer_is_an_error(make_model: Any) -> None:
    with pytest.raises(TokenizerError, match="257"):
        evaluate_texts(make_model("gpt2", vocab_size=256), BytesTokenizer(), SHORT)


@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_no_text_is_an_error(make_model: Any, texts: list[str]) -> None:
    with pytest.raises(DataError, match="no text"):
        evaluate_texts(make_model("gpt2"), BytesTokenizer(), texts)


def test_a_diverged_model_is_an_error(make_model: Any) -> None:
    model = make_model("gpt2")
    with torch.no_grad():
        model.token_embedding.weight.fill_(math.nan)
    with pytest.raises(CheckpointError, match="finite"):
        evaluate_texts(model, BytesTokenizer(), SHORT)


def test_progress_reaches_all_tokens_and_the_mode_is_restored(make_model: Any) -> None:
    model = make_model("gpt2").train()
    told: list[int] = []
    result = evaluate_texts(
        model, BytesTokenizer(), SHORT, batch_tokens=16, on_progress=told.append
    )
    assert model.training
    assert told == sorted(told)
    assert len(told) > 1
    assert told[-1] == result.tokens


def test_texts_are_read_as_they_are_needed(
    make_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slm.evals.loss.CHUNK_CHARS", 50)
    n_read = 0
    read_at_first_batch = None

    def texts() -> Iterator[str]:
        nonlocal n_read
        for _ in range(400):
            n_read += 1
            yield "A story."

    def on_progress(_: int) -> None:
        nonlocal read_at_first_batch
        read_at_first_batch = read_at_first_batch or n_read

    evaluate_texts(
        make_model("gpt2"), BytesTokenizer(), texts(), batch_tokens=16, on_progress=on_progress
    )
    assert n_read == 400
    assert read_at_first_batch is not None
    assert read_at_first_batch < 200


def test_random_ids_cost_about_the_logarithm_of_the_vocabulary() -> None:
    from slm.config import GPTConfig

    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab_size=257, block_size=16, n_layer=1, n_head=1, n_embd=8))
    ids = np.random.default_rng(0).integers(0, 256, 500, dtype=np.uint32)
    result = evaluate_ids(model, [ids], eot_id=EOT, n_bytes=lambda: 500)
    assert result.loss == pytest.approx(math.log(257), rel=0.01)
