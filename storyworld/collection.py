"""The collections of stories: all of the world, or an easy part of it for very small models."""

from __future__ import annotations

from dataclasses import dataclass

from storyworld.lexicon import names


@dataclass(frozen=True, slots=True)
class Collection:
    """What the stories of a collection may be about, and how long they may become."""

    name: str
    boys: tuple[str, ...]
    girls: tuple[str, ...]
    surnames: tuple[str, ...]
    plots: tuple[str, ...] | None = None
    """Names of plot kinds; None: all."""
    fables: bool = True
    """Whether animals may be heroes. Their names fit either gender."""
    longest: int | None = None
    """Characters of the longest story; None: no limit."""


FULL = Collection("full", names.BOYS, names.GIRLS, names.SURNAMES)
EASY = Collection(
    "easy",
    boys=("Tom", "Ben", "Max", "Sam", "Jack", "Leo", "Finn", "Noah"),
    girls=("Lily", "Mia", "Anna", "Emma", "Lucy", "Zoe", "Ruby", "Sue"),
    surnames=("Brown", "Green", "Hill", "Wood"),
    plots=(
        "lost thing",
        "stuck in a tree",
        "the hat in the wind",
        "a small rescue",
        "one umbrella",
        "the shadow",
        "the echo",
        "the egg",
        "a new friend",
        "afraid of the dark",
    ),
    fables=False,
    longest=900,
)
COLLECTIONS = {collection.name: collection for collection in (FULL, EASY)}
