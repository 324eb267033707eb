"""Every plot kind by itself: it never breaks the world's rules, and it does not repeat itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

import pytest

from storyworld import Story, generate_stories
from storyworld.dice import Dice, mix_pair
from storyworld.lexicon.kinds import SPECIES
from storyworld.plots import plots
from storyworld.plots.registry import Plot
from storyworld.tale import Tale

pytestmark = pytest.mark.slow


def stories_of(name: str, count: int = 150) -> Iterator[Story]:
    """Stories of one plot kind."""
    plot = dict(plots())[name]
    for index in range(count):
        tale = Tale(Dice(mix_pair(7, index)), name)
        plot(tale)
        yield Story(tale.text(), tale.facts())


@pytest.mark.parametrize(("name", "plot"), plots(), ids=[name for name, _ in plots()])
def test_a_plot_tells_two_hundred_different_stories(name: str, plot: Plot) -> None:
    texts = set()
    outcomes = set()
    for index in range(200):
        tale = Tale(Dice(mix_pair(99, index)), name)
        plot(tale)
        facts = tale.facts()
        texts.add(tale.text())
        outcomes.add(facts.outcome)
        assert facts.problem
        assert facts.cause
        assert facts.outcome
        assert facts.attempts
        assert facts.feelings
    assert len(texts) >= 190
    assert len(outcomes) >= 2


def test_insects_and_flyers_stay_out_of_stories_that_are_not_for_them() -> None:
    """A bird would fly up to the thing in the tree; a bee would not wear a scarf."""
    tiny = {s.noun for s in SPECIES.values() if s.size == 0}
    flyers = {s.noun for s in SPECIES.values() if s.flies}
    for story in islice(generate_stories(41), 1500):
        kinds = {c.kind for c in story.facts.characters if c.role in ("hero", "friend")}
        if story.facts.plot not in ("food for the winter", "small helps big", "learning to fly"):
            assert not kinds & tiny, story.text
        if story.facts.plot in ("the race", "catching the moon", "the snowman", "the shadow"):
            assert not kinds & flyers, story.text


@pytest.mark.parametrize(
    ("name", "misfits"),
    [
        ("the snowman", {"slippers", "socks", "boots", "blanket"}),
        ("making music", {"bell", "drum"}),
    ],
)
def test_things_fit_what_is_done_with_them(name: str, misfits: set[str]) -> None:
    things = {thing for story in stories_of(name) for thing in story.facts.objects}
    assert things
    assert not things & misfits


def test_fish_and_frogs_are_caught_where_there_is_water() -> None:
    for story in stories_of("set it free"):
        if {c.kind for c in story.facts.characters} & {"little fish", "frog"}:
            assert story.facts.place == "the lake", story.text


def test_thanks_go_to_the_one_who_helped() -> None:
    """And not to those who had refused, though they were the last to speak."""
    thanked = set()
    for story in stories_of("left out"):
        (hero,) = [c.name for c in story.facts.characters if c.role == "hero"]
        names = re.findall(r"[Tt]hank(?:s| you)[^\"!?.]*, ([A-Z]\w+)[!?]", story.text)
        assert set(names) <= {hero}, story.text
        thanked.update(names)
    assert thanked


def test_who_crosses_the_river_gets_where_they_wanted() -> None:
    for story in stories_of("crossing the river"):
        goal = re.search(r"wanted to get to (.*?) on the other side", story.text)
        assert goal is not None, story.text
        if "stayed" not in story.facts.outcome:
            arrived = story.text[goal.end() :]
            assert goal[1].split()[-1] in arrived, story.text
