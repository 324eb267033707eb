"""The easy collection: few names of one gender each, few plots, short stories, and no two alike."""

from __future__ import annotations

import re
from itertools import islice

import pytest

from storyworld import COLLECTIONS, EASY, FULL, Story, generate_stories, story_at
from storyworld.lexicon import names
from storyworld.plots import plots

VALIDATION = slice(2_100, 2_400)


@pytest.fixture(scope="module")
def stories() -> list[Story]:
    return list(islice(generate_stories(12, collection=EASY), 2_400))


def test_collections_have_distinct_names() -> None:
    assert list(COLLECTIONS.values()) == [FULL, EASY]
    assert [name for name, found in COLLECTIONS.items() if found.name != name] == []


def test_an_easy_name_has_one_gender() -> None:
    assert not set(EASY.boys) & set(EASY.girls)
    assert set(EASY.boys) <= set(names.BOYS)
    assert set(EASY.girls) <= set(names.GIRLS)
    assert not set(EASY.boys + EASY.girls) & {*names.ANIMAL_NAMES, *names.SURNAMES}


def test_easy_stories_have_only_these_plots_and_heroes(stories: list[Story]) -> None:
    assert EASY.plots is not None
    assert {story.facts.plot for story in stories} == set(EASY.plots)
    assert set(EASY.plots) <= {name for name, _ in plots()}
    for story in stories:
        hero = story.facts.characters[0]
        assert hero.name in (EASY.boys if hero.kind == "boy" else EASY.girls)
        assert hero.kind in ("boy", "girl")


def test_every_easy_name_is_used_about_as_often(stories: list[Story]) -> None:
    heroes = [story.facts.characters[0].name for story in stories]
    for name in EASY.boys + EASY.girls:
        assert 0.6 < heroes.count(name) * 16 / len(heroes) < 1.4, name


def test_easy_stories_are_short(stories: list[Story]) -> None:
    assert EASY.longest is not None
    assert max(len(story.text) for story in stories) <= EASY.longest


def test_easy_words_are_few(stories: list[Story]) -> None:
    easy, full = (
        {word for story in sample for word in re.findall("[a-z]+", story.text.lower())}
        for sample in (stories[:1_000], islice(generate_stories(12), 1_000))
    )
    assert len(easy) < 1_500 < len(full)


def test_held_out_stories_cannot_be_known_by_heart(stories: list[Story]) -> None:
    """They are all different, and most of their passages of 16 words are not in the others."""
    assert len({story.text for story in stories}) == len(stories)
    known = set().union(*(passages(story) for story in stories[: VALIDATION.start]))
    held_out = [passages(story) for story in stories[VALIDATION]]
    shares = [len(found & known) / len(found) for found in held_out]
    assert max(shares) < 0.9
    assert sum(shares) / len(shares) < 0.3


def passages(story: Story) -> set[tuple[str, ...]]:
    words = story.text.split()
    return {tuple(words[at : at + 16]) for at in range(len(words) - 15)}


def test_a_story_that_is_too_long_is_told_anew_from_the_same_dice() -> None:
    assert story_at(4, 17, EASY) == story_at(4, 17, EASY)
    assert story_at(4, 17, EASY) != story_at(4, 18, EASY)
    assert story_at(4, 17, EASY) != story_at(4, 17, FULL)
