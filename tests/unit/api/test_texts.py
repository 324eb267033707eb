"""Samples of stories to score."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import slm
from slm.api.texts import PART_CHARS, documents_of, sample_of
from tests.conftest import tell_stories

STORIES = [f"Story {number}." for number in range(50)]


def test_a_sample_is_in_the_order_of_the_text() -> None:
    sample = sample_of(STORIES, 10, seed=0)
    assert sample.n_all == len(STORIES)
    assert len(sample.stories) == 10
    assert set(sample.stories) < set(STORIES)
    assert sorted(sample.stories, key=STORIES.index) == list(sample.stories)
    assert sample == sample_of(iter(STORIES), 10, seed=0) != sample_of(STORIES, 10, seed=1)


def test_the_digest_is_of_all_the_text() -> None:
    whole, part = sample_of(STORIES, 100, seed=0), sample_of(STORIES, 1, seed=1)
    assert whole.stories == tuple(STORIES)
    assert whole.digest == part.digest != sample_of(["Other.", *STORIES[1:]], 1, seed=1).digest
    assert whole.digest != sample_of([STORIES[0] + STORIES[1], *STORIES[2:]], 1, seed=1).digest


def test_a_long_document_is_scored_in_parts() -> None:
    book = "A word. " * PART_CHARS
    sample = sample_of([book, ""], 100, seed=0)
    assert "".join(sample.stories) == book
    assert sample.n_all == len(sample.stories) > 4
    assert all(len(part) <= 2 * PART_CHARS for part in sample.stories)


def test_the_text_of_a_shared_model_is_not_looked_for_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file here with the name of that text is somebody else's."""
    monkeypatch.chdir(tmp_path)
    text = Path("book.txt")
    text.write_text(tell_stories(60, seed=0), encoding="utf-8")
    settings = {"preset": "tiny", "eval_tokens": 64, "sample_prompts": [], "progress": False}
    slm.train(text, tokenizer="bytes", out="run", steps=1, device="cpu", **settings)
    shutil.rmtree("data")
    lm = slm.load("run", device="cpu")
    assert documents_of(lm, "train") is not None
    lm.save_pretrained("copy", "slm")
    assert documents_of(slm.load("copy", device="cpu"), "train") is None
    Path("src").mkdir()
    shutil.copy(text, "src")
    assert documents_of(slm.load("builtin", device="cpu"), "train") is None
