"""The facts of a story are true of its text."""

from __future__ import annotations

import json
from itertools import islice

import pytest

from storyworld import Story, generate_stories

WEATHER_WORDS = {
    "sunny": (
        "sunny",
        "bright",
        "warm",
        "fine",
        "clear",
        "sun",
        "sky",
        "cloud",
        "moon",
        "star",
        "air",
    ),
    "cloudy": ("cloud", "gray", "mild"),
    "windy": ("wind", "breez", "gusty"),
    "rainy": ("rain", "wet", "puddle"),
    "snowy": ("snow", "cold", "white"),
    "foggy": ("fog", "mist"),
    "stormy": ("storm", "wild", "clouds", "wind"),
}


@pytest.fixture(scope="module")
def sample() -> list[Story]:
    return list(islice(generate_stories(21), 1500))


def test_every_named_character_is_in_the_text(sample: list[Story]) -> None:
    for story in sample:
        assert story.facts.characters[0].role == "hero"
        for character in story.facts.characters:
            assert character.name in story.text, (character, story.text)


def test_place_and_objects_are_in_the_text(sample: list[Story]) -> None:
    for story in sample:
        assert story.facts.place.lower() in story.text.lower(), story
        for thing in story.facts.objects:
            assert thing in story.text, (thing, story.text)


def test_time_and_weather_are_in_the_text(sample: list[Story]) -> None:
    for story in sample:
        lower = story.text.lower()
        if story.facts.time is not None:
            words = [story.facts.time] if story.facts.time != "noon" else ["noon", "day"]
            words += ["moon", "star", "dark", "still"] if story.facts.time == "night" else []
            words += ["sun was low", "shadows", "pink and gold"]
            assert any(word in lower for word in words), story.text
        if story.facts.weather is not None:
            words = list(WEATHER_WORDS[story.facts.weather])
            words += ["sun was low", "shadows", "pink and gold"]
            assert any(word in lower for word in words), (story.facts.weather, story.text)


def test_the_moral_is_in_the_text(sample: list[Story]) -> None:
    with_moral = [story for story in sample if story.facts.moral is not None]
    assert len(sample) * 0.2 < len(with_moral) < len(sample) * 0.9
    for story in with_moral:
        assert story.facts.moral is not None
        assert story.facts.moral.lower() in story.text.lower()


def test_feelings_belong_to_characters_of_the_story(sample: list[Story]) -> None:
    for story in sample:
        names = {character.name for character in story.facts.characters}
        for feeling in story.facts.feelings:
            assert feeling.who in names
            assert feeling.cause


def test_facts_are_json(sample: list[Story]) -> None:
    for story in sample[:200]:
        facts = story.facts.to_dict()
        assert json.loads(json.dumps(facts)) == facts
        assert set(facts) == {
            "plot", "characters", "place", "time", "weather", "objects", "problem", "cause",
            "attempts", "outcome", "feelings", "moral",
        }  # fmt: skip


def test_facts_hold_no_pattern_marks(sample: list[Story]) -> None:
    for story in sample:
        assert not set(json.dumps(story.facts.to_dict())) & set("<>|")
        for text in (story.facts.problem, story.facts.cause, story.facts.outcome):
            assert not set(text) & set("{}[]")
