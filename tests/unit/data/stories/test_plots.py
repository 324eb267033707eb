"""Every plot kind by itself: it never breaks the world's rules, and it does not repeat itself."""

from __future__ import annotations

from itertools import islice

import pytest

from slm.data.stories import generate_stories
from slm.data.stories.dice import Dice, mix_pair
from slm.data.stories.lexicon.kinds import SPECIES
from slm.data.stories.plots import plots
from slm.data.stories.plots.registry import Plot
from slm.data.stories.tale import Tale


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
