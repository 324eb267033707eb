"""Held-out documents: seeded, streaming, never an empty split where two are possible."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slm.data.documents import DocumentPart, whole_stories
from slm.data.source_options import SourceOptions
from slm.data.splits import SPLITS, HeldOut, limited, split_of, split_plan
from slm.errors import DataError
from slm.log import silent


def documents(count: int) -> Iterator[DocumentPart]:
    for index in range(count):
        yield DocumentPart(f"start {index}", ends_story=False)
        yield DocumentPart(" end", ends_story=True)


def held_out(
    parts: Callable[[], Iterator[DocumentPart]],
    *,
    seed: int = 0,
    fraction: float = 0.05,
    limit: int | None = None,
) -> HeldOut:
    options = SourceOptions(limit, fraction, seed, allow_zero_bytes=False, log=silent)
    return HeldOut(parts, name="text", options=options)


@settings(deadline=None, max_examples=100)
@given(
    count=st.integers(2, 300),
    seed=st.integers(0, 2**63 - 1),
    fraction=st.floats(0.001, 0.999),
)
def test_splits_divide_the_documents_and_none_is_empty(
    count: int, seed: int, fraction: float
) -> None:
    source = held_out(lambda: documents(count), seed=seed, fraction=fraction)
    train, validation = (list(whole_stories(source.parts(split))) for split in SPLITS)
    assert train
    assert validation
    assert sorted(train + validation) == sorted(whole_stories(documents(count)))


def test_share_and_seed() -> None:
    chosen = [
        {i for i in range(20_000) if split_of(i, seed=seed, fraction=0.05) == "validation"}
        for seed in (0, 1)
    ]
    assert all(850 < len(part) < 1150 for part in chosen)
    assert len(chosen[0] & chosen[1]) < 120


def test_the_choice_never_changes() -> None:
    """Frozen: prepared data and the built-in corpus rely on it."""
    chosen = [i for i in range(100) if split_of(i, seed=0, fraction=0.05) == "validation"]
    assert chosen == [0, 28, 47, 50, 73, 87, 97]


@pytest.mark.parametrize("limit", [1, 2, 17])
def test_limit_counts_training_documents(limit: int) -> None:
    source = held_out(lambda: documents(1000), limit=limit)
    assert len(list(whole_stories(source.parts("train")))) == limit
    assert 1 <= len(list(whole_stories(source.parts("validation")))) <= limit + 3


def test_plan_without_limit_goes_on() -> None:
    plan = split_plan(seed=0, fraction=0.5, limit=None)
    assert {next(plan) for _ in range(1000)} == set(SPLITS)


@settings(deadline=None, max_examples=100)
@given(length=st.integers(2, 60), fraction=st.floats(0.01, 0.99), step=st.integers(1, 9))
def test_one_document_is_cut_by_characters(length: int, fraction: float, step: int) -> None:
    text = "".join(chr(0x3B1 + i % 24) for i in range(length))

    def parts() -> Iterator[DocumentPart]:
        for start in range(0, length, step):
            yield DocumentPart(text[start : start + step], ends_story=start + step >= length)

    source = held_out(parts, fraction=fraction)
    (train,) = whole_stories(source.parts("train"))
    (validation,) = whole_stories(source.parts("validation"))
    assert train + validation == text
    assert abs(len(train) - length * (1 - fraction)) <= 1


def test_no_document_is_an_error() -> None:
    with pytest.raises(DataError, match="text contains no text"):
        list(held_out(lambda: documents(0)).parts("train"))


def test_one_character_is_an_error() -> None:
    source = held_out(lambda: iter([DocumentPart("x", True)]))
    with pytest.raises(DataError, match="1 character"):
        list(source.parts("train"))


def test_limited_takes_the_first_and_refuses_nothing_at_all() -> None:
    assert list(whole_stories(limited(documents(9), 2, name="x"))) == ["start 0 end", "start 1 end"]
    assert len(list(limited(documents(3), None, name="x"))) == 6
    with pytest.raises(DataError, match="x contains no text"):
        list(limited(documents(0), None, name="x"))
