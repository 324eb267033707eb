"""SIGKILL: a run that goes on afterwards is, bit for bit, the one that nothing happened to."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from slm.checkpoint import load_checkpoint, resolve_checkpoint
from slm.data.shards import DataDirectory
from slm.errors import DataError
from tests.conftest import tell_stories
from tests.faults.forked import Nursery, Outcome, needs_fork

pytestmark = needs_fork

N_STEPS = 12


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text of the same length as other text (see `other_source`), but not the same."""
    path = tmp_path_factory.mktemp("text") / "stories.txt"
    path.write_text(tell_stories(100, seed=0), encoding="utf-8", newline="\n")
    return path


@pytest.fixture(scope="module")
def data(children: Nursery, source: Path) -> Path:
    """The prepared text."""
    out = source.with_name("data")
    children.succeed("prepare_data", source=source, out_dir=out)
    return out


@pytest.fixture(scope="module")
def uninterrupted(children: Nursery, data: Path) -> Outcome:
    """The run that nothing happens to."""
    outcome = children.run("train", out_dir=data.with_name("uninterrupted"), data_dir=data)
    assert outcome.status == 0, outcome.errors
    losses = [loss for kind, _, loss in outcome.result["losses"] if kind == "train"]
    assert len(losses) == N_STEPS
    assert losses[-1] < losses[0]
    return outcome


# -- at every file operation -----------------------------------------------------------------------


def test_at_every_file_operation_of_a_save(children: Nursery, data: Path, tmp_path: Path) -> None:
    run, copies = tmp_path / "run", tmp_path / "copies"
    children.succeed("start_run", out_dir=run, data_dir=data, steps=3)
    n_operations = children.succeed(
        "save_with_every_kill", out_dir=run, data_dir=data, copies=copies, step=4
    )
    assert n_operations > 60
    expected = children.succeed("go_on", out_dir=run, data_dir=data, until=5)
    assert expected["first"] == 3
    went_on_from: Counter[int] = Counter()
    for copy in sorted(copies.iterdir(), key=lambda path: int(path.name)):
        load_checkpoint(resolve_checkpoint(copy))  # the best model: one or the other
        found = children.succeed("go_on", out_dir=copy, data_dir=data, until=5)
        assert found["after"] == expected["after"], f"killed at operation {copy.name}"
        assert not list(copy.rglob(".partial-*")), f"killed at operation {copy.name}"
        went_on_from[found["first"]] += 1
        shutil.rmtree(copy)
    assert went_on_from.keys() == {3, 4}
    assert went_on_from.total() == n_operations
    print(f"{n_operations} kills, one at each file operation of a save; went on from", end=" ")
    print(", ".join(f"step {step}: {n}" for step, n in sorted(went_on_from.items())))


def test_at_every_file_operation_of_a_preparation(
    children: Nursery, data: Path, tmp_path: Path
) -> None:
    other, copies = tmp_path / "other.txt", tmp_path / "copies"
    other.write_text(tell_stories(90, seed=1), encoding="utf-8", newline="\n")
    old = DataDirectory.open(data).fingerprint
    new = children.succeed("prepare_data", source=other, out_dir=tmp_path / "whole")
    n_operations = children.succeed(
        "prepare_with_every_kill", source=other, old=data, copies=copies
    )
    assert n_operations > 15
    found: Counter[str] = Counter()
    for copy in sorted(copies.iterdir(), key=lambda path: int(path.name)):
        found[what_stands(copy, {old: "old", new: "new"})] += 1
        again = children.succeed("prepare_data", source=other, out_dir=copy)
        assert again == new
        assert what_stands(copy, {new: "new"}) == "new"
        assert not list(copy.glob(".partial-*"))
    assert found.keys() == {"old", "none", "new"}
    print(f"{n_operations} kills, one at each file operation of a preparation; found {found}")


def what_stands(data_dir: Path, names: dict[str, str]) -> str:
    """Which data a directory holds to the last byte, or "none" where it says that it has none."""
    try:
        directory = DataDirectory.open(data_dir)
    except DataError as error:
        if "contains no prepared data" not in error.message:
            raise
        return "none"
    for split in ("train", "validation"):
        directory.tokens(split)
    _ = directory.tokenizer
    return names[directory.fingerprint]


# -- at random moments -----------------------------------------------------------------------------


def draw_moment(chance: random.Random, run: Outcome, aimed: bool) -> dict[str, Any]:
    """A moment of a run: at random within a save, or at random altogether."""
    begins = [i for i, (word, _) in enumerate(run.marks) if word == "save" or not aimed]
    begin = chance.choice(begins[:-1] if not aimed else begins)
    word, begun_at = run.marks[begin]
    nth = sum(mark == word for mark, _ in run.marks[: begin + 1])
    ended_at = run.marks[begin + 1][1]
    # A save that takes less time than the measured one shall not be over before.
    latest = (ended_at - begun_at) * (0.7 if aimed else 1.0)
    return {"mark": word, "nth": nth, "seconds": chance.uniform(0.0, latest)}


def test_at_random_moments(
    children: Nursery, data: Path, source: Path, uninterrupted: Outcome, tmp_path: Path, soak: bool
) -> None:
    seed = int(os.environ.get("SLM_SEED", random.randrange(10**9)))
    print(f"moments drawn from the seed {seed}")
    chance = random.Random(seed)
    n_kills = 100 if soak else 12
    killed: Counter[str] = Counter()
    expected_data = DataDirectory.open(data).fingerprint
    preparation = children.run("prepare_data", source=source, out_dir=tmp_path / "measured")
    kinds = itertools.cycle(["a save", "training", "a save", "preparation", "a save", "a save"])
    for attempt, kind in enumerate(itertools.islice(kinds, 20 * n_kills)):
        if killed.total() >= n_kills and killed["a save"] >= n_kills / 5:
            break  # on a busy machine, those that are aimed at a save may come late
        place = tmp_path / str(attempt)
        if kind == "preparation":
            plan = draw_moment(chance, preparation, aimed=False)
            outcome = children.run("prepare_data", kill=plan, source=source, out_dir=place)
            if not outcome.was_killed:
                continue
            assert what_stands_or_nothing(place, expected_data)
            found = children.succeed("prepare_data", source=source, out_dir=place)
            assert found == expected_data
        else:
            plan = draw_moment(chance, uninterrupted, aimed=kind == "a save")
            outcome = children.run("train", kill=plan, out_dir=place, data_dir=data)
            if not outcome.was_killed:
                continue
            hits = outcome.died_within("save", "saved")
            found = children.succeed("train", out_dir=place, data_dir=data)
            assert found == uninterrupted.result, plan
            kind = "a save" if hits else "training"
        killed[kind] += 1
        shutil.rmtree(place)
    print(f"{killed.total()} kills at random moments:", dict(killed))
    assert killed.total() >= n_kills
    assert killed["a save"] >= n_kills / 5


def what_stands_or_nothing(data_dir: Path, fingerprint: str) -> bool:
    return not data_dir.exists() or bool(what_stands(data_dir, {fingerprint: "whole"}))
