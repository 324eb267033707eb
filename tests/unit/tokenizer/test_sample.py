from __future__ import annotations

from collections.abc import Iterator

import pytest

from slm.tokenizer import sample
from slm.tokenizer.sample import sample_batches


def flat(batches: Iterator[list[str]]) -> str:
    return "".join(text for batch in batches for text in batch)


def test_short_corpora_come_whole() -> None:
    assert list(sample_batches(["ab", "", "c"])) == [["ab", "c"]]
    assert list(sample_batches([])) == []


def test_the_limit_is_exact_and_further_texts_are_not_asked_for() -> None:
    def texts() -> Iterator[str]:
        yield "abcd"
        yield "efgh"
        raise AssertionError("asked for more than was needed")

    assert flat(sample_batches(texts(), limit=6)) == "abcdef"
    assert flat(sample_batches(texts(), limit=8)) == "abcdefgh"


def test_long_texts_are_cut_and_batches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "BATCH_CHARS", 3)
    batches = list(sample_batches(["abcdefgh", "ij", "k"]))
    assert flat(iter(batches)) == "abcdefghijk"
    assert all(sum(map(len, batch)) < 6 for batch in batches)
