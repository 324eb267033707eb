"""What happens when the power fails, and what must be found when it is back."""

from __future__ import annotations

import itertools
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slm.checkpoint import clean_run, step_directories
from slm.data.documents import DocumentPart
from slm.data.prepare import prepare
from slm.data.shards import DataDirectory
from slm.data.splits import Split
from slm.errors import DataError
from slm.runs.layout import make_room
from tests.faults.power import Recorder, materialise, states_after_power_cuts
from tests.faults.tiny_run import best_step, newest_step, write_best_of, write_step


@dataclass(frozen=True)
class Scenario:
    """Something that is done to a folder, in which the power may fail."""

    set_up: Callable[[Path], object]
    act: Callable[[Path], object]
    look: Callable[[Path], str]
    """What is found afterwards, in a word; it fails where nothing that counts is there."""
    outcomes: frozenset[str]
    """All that may be found, and must be in some state."""
    final: str
    """What must be found when all was over before the power failed."""


def _two_steps(run: Path) -> None:
    write_step(run, 1)
    write_step(run, 2)
    write_best_of(run, 1)


def _standing(run: Path) -> str:
    """The newest step and the best, which cleaning up does not change."""
    before = newest_step(run), best_step(run)
    clean_run(run)
    assert (newest_step(run), best_step(run)) == before
    return f"{before[0]}, best {before[1]}"


def _one_of_two_keeping_one(run: Path) -> None:
    write_step(run, 2, keep=1)
    write_best_of(run, 1)


def _after_setting_aside(run: Path) -> str:
    """The old run is here or aside, and whole; the new one is there or not."""
    places = [run, run / "previous-001"]
    steps = [newest_step(place) for place in places if step_directories(place)]
    assert 2 in steps, "the old run is lost"
    bests = [best_step(place) for place in places if (place / "best").exists()]
    assert bests == [1], "the old best model is lost"
    return "old and new" if 7 in steps else "old"


def _begin_anew(run: Path) -> None:
    make_room(run, "set-aside")
    write_step(run, 7)


class Letters:
    """Stories of one letter; as many bytes whichever letter it is."""

    expected_stories: int | None = None
    expected_bytes: int | None = None
    story_bytes: float | None = None

    def __init__(self, letter: str) -> None:
        self.name = letter

    def identity(self) -> dict[str, Any]:
        return {"kind": "letters", "name": self.name}

    def details(self) -> dict[str, Any]:
        return {}

    def forget(self) -> None:
        pass

    def parts(self, split: Split) -> Iterator[DocumentPart]:
        return iter(
            [DocumentPart(20 * self.name, ends_story=True)] * (9 if split == "train" else 3)
        )


def prepare_letters(folder: Path, letter: str) -> None:
    prepare(Letters(letter), "bytes", folder / "data")


def _what_is_prepared(folder: Path) -> str:
    try:
        directory = DataDirectory.open(folder / "data")
    except DataError as error:
        if "contains no prepared data" not in error.message:
            raise
        found = "none"
    else:
        found = _letter_of(directory)
    prepare_letters(folder, "b")
    assert _letter_of(DataDirectory.open(folder / "data")) == "b"
    return found


def _letter_of(directory: DataDirectory) -> str:
    letters = {chr(directory.tokens(split)[0]) for split in ("train", "validation")}
    _ = directory.tokenizer
    assert letters == {directory.meta.source["name"]}
    return letters.pop()


SCENARIOS = {
    "a new step": Scenario(
        _two_steps,
        lambda run: write_step(run, 3),
        _standing,
        frozenset({"2, best 1", "3, best 1"}),
        "3, best 1",
    ),
    "a new step, one is kept": Scenario(
        _one_of_two_keeping_one,
        lambda run: write_step(run, 3, keep=1),
        _standing,
        frozenset({"2, best 1", "3, best 1"}),
        "3, best 1",
    ),
    "the same step again": Scenario(
        _two_steps,
        lambda run: write_step(run, 2),
        _standing,
        frozenset({"2, best 1"}),
        "2, best 1",
    ),
    "another best": Scenario(
        _two_steps,
        lambda run: write_best_of(run, 3),
        _standing,
        frozenset({"2, best 1", "2, best 3"}),
        "2, best 3",
    ),
    "a new run": Scenario(
        _two_steps,
        _begin_anew,
        _after_setting_aside,
        frozenset({"old", "old and new"}),
        "old and new",
    ),
    "other data": Scenario(
        lambda folder: prepare_letters(folder, "a"),
        lambda folder: prepare_letters(folder, "b"),
        _what_is_prepared,
        frozenset({"a", "none", "b"}),
        "b",
    ),
}


def cut_power(
    scenario: Scenario, folder: Path, chance: random.Random, draws: int
) -> tuple[int, Counter[str]]:
    """Cut the power after every file operation of a scenario, and look what is left.

    Args:
        folder: an empty one, to work in.
        draws: random states after each operation, besides the extremes.

    Returns:
        How many different states there were, and how often what was found.

    Raises:
        AssertionError: neither the old nor the new one is there, or not the new one at the end.
    """
    place = folder / "disk"
    place.mkdir()
    scenario.set_up(place)
    recorder = Recorder(place)
    with recorder.recording():
        scenario.act(place)
    found: Counter[str] = Counter()
    numbers = itertools.count()
    for tree, is_over in states_after_power_cuts(recorder, chance, draws):
        number = next(numbers)
        state = materialise(tree, folder / f"state-{number}" / "disk")
        outcome = scenario.look(state)
        assert outcome == scenario.final or (outcome in scenario.outcomes and not is_over), outcome
        found[outcome] += 1
        shutil.rmtree(state.parent)
    return next(numbers), found
