"""Each measure ranks a sound story above the same one with the damage that it is about."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from statistics import fmean

import pytest

from slm.evals.stories import measures
from slm.evals.stories.novelty import NoveltyIndex
from slm.evals.stories.reference import Reference
from slm.evals.stories.words import Story, sentences_of

Measure = Callable[[Story], float]


@pytest.fixture(scope="module")
def held_out(stories: list[str]) -> list[str]:
    return stories[800:900]


def auc(real: list[float], damaged: list[float]) -> float:
    pairs = [(one, other) for one in real for other in damaged]
    return fmean((one > other) + (one == other) / 2 for one, other in pairs)


def half_given(text: str) -> str:
    return text[: text.find(". ", len(text) // 2) + 1]


def second_half(text: str, change: Callable[[str], str]) -> str:
    given = half_given(text)
    return given + change(text[len(given) :])


def test_flipped_pronouns(reference: Reference, held_out: list[str]) -> None:
    flip = {"he": "she", "she": "he", "him": "her", "his": "her", "her": "his"}
    pattern = re.compile(r"\b(he|she|him|his|her)\b", re.IGNORECASE)

    def flipped(text: str) -> str:
        def other(found: re.Match[str]) -> str:
            word = flip[found[0].lower()]
            return word.capitalize() if found[0][0].isupper() else word

        return second_half(text, lambda half: pattern.sub(other, half))

    texts = [text for text in held_out if len(pattern.findall(text[len(half_given(text)) :])) > 2]
    real = [measures.pronouns(Story(text, prompt=half_given(text)), reference) for text in texts]
    wrong = [
        measures.pronouns(Story(flipped(text), prompt=half_given(text)), reference)
        for text in texts
    ]
    assert len(texts) >= 30
    assert auc(real, wrong) >= 0.8  # most animals of these stories have names without a gender


def test_a_name_out_of_nowhere(reference: Reference) -> None:
    given = "Once upon a time, there was a girl named Lily. She had a ball."
    known = Story(given + " Lily took the ball and ran home.", prompt=given)
    new = Story(given + " Tom took the ball and ran home.", prompt=given)
    introduced = Story(given + " Then she met a boy named Tom.", prompt=given)
    assert measures.names(known, reference) == 100.0
    assert measures.names(new, reference) < 50.0 < measures.names(introduced, reference)


def test_shuffled_sentences(reference: Reference, held_out: list[str]) -> None:
    chance = random.Random(0)

    def shuffled(text: str) -> str:
        sentences = [sentence.text for sentence in sentences_of(text)]
        chance.shuffle(sentences)
        return " ".join(sentences)

    real = [measures.order(Story(text), reference) for text in held_out]
    wrong = [measures.order(Story(shuffled(text)), reference) for text in held_out]
    assert auc(real, wrong) >= 0.9
    assert 40 < fmean(wrong) < 60


def test_an_end_that_is_cut_off(reference: Reference, held_out: list[str]) -> None:
    real = [measures.ending(Story(text), reference) for text in held_out]
    cut = [measures.ending(Story(text[: len(text) * 2 // 3]), reference) for text in held_out]
    assert auc(real, cut) >= 0.95
    assert {measures.ending(Story(text, ended=False), reference) for text in held_out} == {0.0}


def test_a_repeated_sentence() -> None:
    once = "Tom saw a little red boat on the lake. He was glad."
    assert measures.repetition(Story(once)) == 100.0
    twice = measures.repetition(Story(f"{once} {once}"))
    loop = measures.repetition(Story(f"{once} " * 6))
    assert loop < twice < 60.0


def test_what_the_prompt_says_is_no_repetition_by_the_continuation() -> None:
    prompt = "Tom saw a little red boat. Tom saw a little red boat."
    assert measures.repetition(Story(prompt + " Then he went home.", prompt=prompt)) == 100.0


@pytest.mark.parametrize(
    "damaged",
    [
        "Tom saw a littel boat.",
        "Tom saw saw a little boat.",
        "He were sad.",
        "Tom saw an boat.",
        'Tom said, "Hello.',
        "Tom saw it.\ntom saw a boat.",
        "They was glad.",
    ],
)
def test_flaws_of_language(damaged: str) -> None:
    words = "tom saw a an little boat he were was sad said hello they very glad it"
    good = "Tom saw a little boat. He was very glad."
    knows = set(words.split()).__contains__
    assert measures.language(Story(good), knows) == 100.0
    assert measures.language(Story(f"{good} {damaged}"), knows) < 100.0


def test_words_exist_by_the_text_or_by_the_dictionary(reference: Reference) -> None:
    pytest.importorskip("spellchecker")
    knows = measures.word_test(reference)
    assert all(map(knows, ["boat", "boat's", "didn't", "astronomer"]))
    assert not any(map(knows, ["boatt", "xqzt", "litle"]))


def test_samples_of_a_prompt() -> None:
    one, other = ["a", "b", "c", "d", "e", "f", "g", "h"], ["s", "t", "u", "v", "w", "x", "y", "z"]
    assert measures.diversity([one, other]) == 100.0
    assert measures.diversity([one, other, one]) == 0.0
    assert 0.0 < measures.diversity([one, [*one[:6], "y", "z"]]) < 100.0
    assert measures.diversity([[], []]) == 0.0


def test_copied_stretches(stories: list[str]) -> None:
    index = NoveltyIndex(stories[:50])
    assert measures.novelty(Story(stories[7]), index) == 0.0
    copied = index.copied(Story(stories[7]).words)
    assert copied.nearest == 7
    assert copied.longest == len(Story(stories[7]).words)
    half = [*Story(stories[7]).words[:20], *(f"new{n}" for n in range(40))]
    found = index.copied(half)
    assert found.longest == 20
    assert found.share == pytest.approx(13 / 53)
    assert index.copied(["new"] * 4) == index.copied([])
    assert index.n_stories == 50


@pytest.mark.parametrize(
    ("continuation", "expected"),
    [
        (" the red box. It was Tom.", True),
        (" Tom's box.", False),
        (" box. Tom", True),
        (" chair. The box", False),
        ("", False),
    ],
)
def test_answers(continuation: str, expected: bool) -> None:
    assert measures.answered(continuation, {"box"}, {"tom"}) is expected


@pytest.mark.parametrize(
    "text", ["", " ", "...", "\n\n", "😀" * 50, '"' * 9, "x" * 5000, "A. " * 500]
)
def test_odd_stories_have_a_value(text: str, reference: Reference) -> None:
    story = Story(text)
    index = NoveltyIndex(["one two three"])
    for value in (
        measures.pronouns(story, reference),
        measures.names(story, reference),
        measures.order(story, reference),
        measures.language(story, lambda word: True),
        measures.repetition(story),
        measures.ending(story, reference),
        measures.novelty(story, index),
    ):
        assert 0.0 <= value <= 100.0
