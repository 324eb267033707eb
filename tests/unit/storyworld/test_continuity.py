"""Continuity: real stories have it, and texts whose names or pronouns are changed do not."""

from __future__ import annotations

import json
import random
from itertools import islice

import coherence
import pytest
from corruptions import hero_renamed, narration_flipped

from storyworld import EASY, FULL, Collection, Story, generate_stories
from storyworld.continuity import check_continuity


@pytest.fixture(scope="module")
def stories() -> list[Story]:
    return list(islice(generate_stories(41, collection=EASY), 600))


def share_kept(texts: list[str]) -> float:
    return sum(check_continuity(text).kept for text in texts) / len(texts)


@pytest.mark.parametrize(("collection", "share"), [(EASY, 0.99), (FULL, 0.88)])
def test_real_stories_are_kept(collection: Collection, share: float) -> None:
    texts = [story.text for story in islice(generate_stories(42, collection=collection), 600)]
    assert share_kept(texts) >= share


def test_the_hero_is_found(stories: list[Story]) -> None:
    found = [check_continuity(story.text).hero for story in stories]
    assert found == [story.facts.characters[0].name for story in stories]


def test_another_name_for_the_hero_is_seen(stories: list[Story]) -> None:
    """From the middle mention on; in few stories that is the first one."""
    dice = random.Random(2)
    texts = [hero_renamed(story.text, EASY.boys + EASY.girls, dice) for story in stories]
    assert sum(text != story.text for text, story in zip(texts, stories, strict=True)) > 590
    assert share_kept(texts) <= 0.05


def test_flipped_pronouns_are_seen(stories: list[Story]) -> None:
    texts = [story.text for story in stories if narration_flipped(story.text) != story.text]
    assert len(texts) > 590
    assert share_kept([narration_flipped(text, 0, 1) for text in texts]) <= 0.05
    assert share_kept([narration_flipped(text) for text in texts]) <= 0.05


def test_one_flipped_pronoun_anywhere_is_mostly_seen(stories: list[Story]) -> None:
    """Not where somebody of the other gender was just mentioned."""
    dice = random.Random(3)
    texts = []
    for story in stories:
        at = dice.randrange(12)
        changed = narration_flipped(story.text, at, at + 1)
        if changed != story.text:
            texts.append(changed)
    assert len(texts) > 150
    assert share_kept(texts) <= 0.25


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("Once upon a time, there was a boy named Tom. He ran. Tom was glad.", ()),
        ("There was a boy named Tom. She ran.", ("She is nobody",)),
        ("There was a boy named Tom. Ben ran.", ("Ben was not introduced",)),
        ("There was a boy named Tom. He met a girl called Mia. She ran.", ()),
        ("There was a boy named Lily.", ("Lily is not a name for a boy",)),
        ('Mia was a girl. "He is late," she said. Mom came, and she smiled.', ()),
        ('Mia was a girl. "Why, Tom?" asked Mia.', ("Tom was not introduced",)),
        ("A fox named Pip ran. She was fast. He was slow.", ("He is nobody",)),
        ("Tom lived on Rose Street. He met Mr. Brown. Mr. Brown smiled.", ()),
        ("Tom was a boy. Mia's friend Ben came.", ("Mia was not introduced",)),
        ('Tom ran. It rained. It snowed. The sun came out. "Oh!" he said.', ("he is nobody",)),
    ],
)
def test_what_is_found(text: str, faults: tuple[str, ...]) -> None:
    found = check_continuity(text)
    assert found.faults == faults
    assert found.kept == (not faults)


def test_a_text_without_a_name_keeps_nobody() -> None:
    found = check_continuity("Once upon a time, it rained.")
    assert (found.hero, found.faults, found.kept) == (None, (), False)
    assert not check_continuity("").kept


def test_measures_of_real_and_changed_stories() -> None:
    corpus = coherence.corpus_of("builtin:easy", 1500)
    real, renamed, flipped = (
        found for _, found in coherence.calibration("builtin:easy", corpus, 70)
    )
    assert real.hero >= 0.98
    assert real.words >= 0.998
    assert renamed.hero <= 0.08
    assert flipped.hero <= 0.08


def test_words_and_passages_are_those_of_the_training_stories() -> None:
    corpus = coherence.corpus_of("builtin:easy", 1500)
    text = corpus.held_out[0]
    wrong = coherence.measure([text.replace(" the ", " thek ")], corpus)
    right = coherence.measure([text], corpus)
    n_words = len(coherence.words_of(text))
    assert right.words - wrong.words == pytest.approx(text.count(" the ") / n_words)
    assert right.copied > wrong.copied
    assert right.copied < 0.7
    assert coherence.measure([text, text], corpus).grams == pytest.approx(right.grams / 2, abs=0.02)


def test_each_model_is_measured_with_its_own_corpus(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stories_of(run: str, prompt: str, options: object) -> tuple[list[str], float, str]:
        corpus = coherence.corpus_of("builtin:easy", 100)
        return list(corpus.held_out), 0.5, "builtin:easy" if run == "easy" else "builtin"

    monkeypatch.setattr(coherence, "stories_of", stories_of)
    few = ["--stories", "5", "--training-stories", "100", "--json"]
    coherence.main(["easy", "full", "--temperature", "0.5", "1", *few])
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [
        "builtin:easy, held-out stories",
        "builtin:easy, with the hero renamed",
        "builtin:easy, with pronouns flipped",
        "easy, temperature 0.5",
        "easy, temperature 1",
        "builtin, held-out stories",
        "builtin, with the hero renamed",
        "builtin, with pronouns flipped",
        "full, temperature 0.5",
        "full, temperature 1",
    ]
    assert [row["ended"] for row in rows[3:5]] == [0.5, 0.5]
    assert rows[3]["words"] > rows[8]["words"]
    assert {len(row) for row in rows} == {6}
