"""Every plot kind by itself: it never breaks the world's rules, and it does not repeat itself."""

from __future__ import annotations

import pytest

from slm.data.stories.dice import Dice, mix_pair
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
