from __future__ import annotations

import random
from itertools import islice

import pytest

from slm.data.quality import duplicates
from slm.data.quality.duplicates import Duplicate, DuplicateFinder
from storyworld import generate_stories

pytest.importorskip("rensa")


@pytest.fixture(scope="module")
def stories() -> list[str]:
    return [story.text for story in islice(generate_stories(5), 300)]


def found_in(texts: list[str]) -> list[Duplicate]:
    finder = DuplicateFinder()
    for text in texts:
        finder.add(text)
    return finder.duplicates()


def with_other_words(text: str, count: int) -> str:
    words = text.split(" ")
    for place in random.Random(0).sample(range(len(words)), count):
        words[place] = "zebra"
    return " ".join(words)


def test_different_stories_are_no_duplicates(stories: list[str]) -> None:
    assert found_in(stories) == []


def test_case_and_space_are_no_difference(stories: list[str]) -> None:
    copy = "  " + stories[7].upper().replace(" ", "\n")
    assert found_in([*stories, copy]) == [Duplicate(300, 7, is_exact=True)]


def test_a_few_other_words_are_found(stories: list[str]) -> None:
    copies = [with_other_words(stories[n], 2) for n in range(20)]
    found = found_in([*stories, *copies])
    assert len(found) >= 19
    assert all(each == Duplicate(each.document, each.document - 300, False) for each in found)


def test_many_other_words_are_another_text(stories: list[str]) -> None:
    copies = [with_other_words(stories[n], len(stories[n].split()) // 4) for n in range(20)]
    assert found_in([*stories, *copies]) == []


def test_chains_lead_to_the_first(stories: list[str]) -> None:
    assert found_in([stories[0]] * 4) == [Duplicate(n, 0, True) for n in (1, 2, 3)]


def test_empty_and_short_texts() -> None:
    assert found_in(["", " ", "a b", "c d", "", "a  B"]) == [Duplicate(5, 2, True)]


def test_beyond_the_limit_nothing_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MOST_DOCUMENTS", 2)
    finder = DuplicateFinder()
    for text in ("one", "two", "one", "two"):
        finder.add(text)
    assert finder.duplicates() == []
    assert finder.n_left_out == 2
