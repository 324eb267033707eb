"""What is held out is never in the corpus, and otherwise as sound as the corpus."""

from __future__ import annotations

import re
from itertools import islice

import pytest

from storyworld import generate_stories
from storyworld.claims import Record
from storyworld.contrasts import record_at
from storyworld.heldout import names
from storyworld.heldout.plots import HELD_OUT_PLOTS
from storyworld.lexicon import names as corpus_names
from storyworld.plots import plots


@pytest.fixture(scope="module")
def sample() -> list[Record]:
    return [record_at(3, index, "held_out") for index in range(300)]


def test_names_and_plots_are_other_ones() -> None:
    held_out = (*names.BOYS, *names.GIRLS, *names.ANIMAL_NAMES, *names.SURNAMES)
    corpus = {
        *corpus_names.BOYS, *corpus_names.GIRLS, *corpus_names.ANIMAL_NAMES, *corpus_names.SURNAMES
    }  # fmt: skip
    assert len(set(held_out)) == len(held_out)
    assert not corpus & set(held_out)
    assert not {name for name, _ in plots()} & {name for name, _ in HELD_OUT_PLOTS}


def test_the_corpus_has_none_of_the_names() -> None:
    capitalized = set()
    for story in islice(generate_stories(0), 1500):
        capitalized.update(re.findall(r"\b[A-Z][a-z]+\b", story.text))
    people = {*names.BOYS, *names.GIRLS, *names.SURNAMES, *names.ANIMAL_NAMES}
    assert not capitalized & people - {"Puddle", "Kettle", "Turnip"}  # they may begin a sentence


def test_all_plots_occur_and_tell_of_two_who_act(sample: list[Record]) -> None:
    assert {record.facts.plot for record in sample} == {name for name, _ in HELD_OUT_PLOTS}
    held_out = {*names.BOYS, *names.GIRLS, *names.ANIMAL_NAMES}
    for record in sample:
        assert record.hero in held_out
        assert len(record.facts.attempts) >= 2
        actors = {attempt.partition(" ")[0] for attempt in record.facts.attempts}
        assert len(actors) >= 2
        assert record.facts.feelings


def test_texts_hold_no_pattern_marks_and_vary(sample: list[Record]) -> None:
    assert len({record.text for record in sample}) == len(sample)
    for record in sample:
        assert not set(record.text) & set("{}[]<>|")
        assert "  " not in record.text
        assert record.text[-1] in '.!?"'
