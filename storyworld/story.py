"""The stories: any number of them, each a pure function of a seed and an index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from storyworld.dice import Dice, mix_pair
from storyworld.facts import StoryFacts
from storyworld.plots import plots
from storyworld.tale import Tale

CORPUS_VERSION = 3
"""Increases with every change to the stories, so that older data are prepared again."""


@dataclass(frozen=True, slots=True)
class Story:
    """A finished story and the facts it tells. Paragraphs are separated by single newlines."""

    text: str
    facts: StoryFacts


def story_at(seed: int, index: int) -> Story:
    """Story number `index` of the endless corpus that belongs to `seed`."""
    if index < 0:
        raise ValueError(f"story index {index} is negative")
    dice = Dice(mix_pair(seed, index))
    name, plot = dice.pick(plots())
    tale = Tale(dice, name)
    plot(tale)
    return Story(tale.text(), tale.facts())


def generate_stories(seed: int = 0, *, start: int = 0) -> Iterator[Story]:
    """All stories of a seed, from number `start` on, without end."""
    index = start
    while True:
        yield story_at(seed, index)
        index += 1
