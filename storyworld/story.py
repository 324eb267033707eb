"""The stories: any number of them, each a pure function of a seed and an index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from storyworld.collection import FULL, Collection
from storyworld.dice import Dice, mix_pair
from storyworld.facts import StoryFacts
from storyworld.plots import Plot, plots
from storyworld.tale import Tale

CORPUS_VERSION = 3
"""Increases with every change to the stories, so that older data are prepared again."""


@dataclass(frozen=True, slots=True)
class Story:
    """A finished story and the facts it tells. Paragraphs are separated by single newlines."""

    text: str
    facts: StoryFacts


def story_at(seed: int, index: int, collection: Collection = FULL) -> Story:
    """Story number `index` of the endless corpus that belongs to `seed`."""
    if index < 0:
        raise ValueError(f"story index {index} is negative")
    dice = Dice(mix_pair(seed, index))
    while True:  # the dice never repeat themselves, so a story that is too long is told again
        name, plot = dice.pick(_plots_of(collection))
        tale = Tale(dice, name, collection)
        plot(tale)
        text = tale.text()
        if collection.longest is None or len(text) <= collection.longest:
            return Story(text, tale.facts())


def generate_stories(
    seed: int = 0, *, start: int = 0, collection: Collection = FULL
) -> Iterator[Story]:
    """All stories of a seed, from number `start` on, without end."""
    index = start
    while True:
        yield story_at(seed, index, collection)
        index += 1


@cache
def _plots_of(collection: Collection) -> tuple[tuple[str, Plot], ...]:
    """The plot kinds of a collection, in the fixed order of all."""
    return tuple(
        (name, plot)
        for name, plot in plots()
        if collection.plots is None or name in collection.plots
    )
