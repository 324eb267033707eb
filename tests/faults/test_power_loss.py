"""A power cut after any file operation: the previous or the new one loads, always."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.faults.power import Disk, Renamed, Synced, Written
from tests.faults.power_cuts import SCENARIOS, cut_power

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere fsync is not what makes files last"
)


@pytest.mark.usefixtures("fsync_at_once")
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_previous_or_the_new_one_loads(name: str, tmp_path: Path, soak: bool) -> None:
    seed = random.randrange(10**9)
    print(f"drawn from the seed {seed}")
    n_states, found = cut_power(
        SCENARIOS[name], tmp_path, random.Random(seed), draws=50 if soak else 2
    )
    print(f"{name}: {n_states} different states after a power cut, found {dict(found)}")
    assert n_states >= 15
    assert found.keys() == SCENARIOS[name].outcomes


# -- the shim itself -------------------------------------------------------------------------------


def states(events: list[Renamed | Written | Synced], root: int = 1) -> set[str]:
    """All that may be left after the events."""
    disk = Disk(root)
    for event in events:
        disk.take(event)
    found = set()
    chance = random.Random(0)
    for _ in range(200):
        tree = disk.after_power_cut(
            lambda: chance.random() < 0.5,
            lambda: chance.choice(["all", "none", "part", "zeros"]),
        )
        found.add(repr(sorted(tree.items())))
    return found


def test_bytes_that_were_not_synced_may_be_lost() -> None:
    made = [Renamed({(1, "a"): 2}), Written(2, b"ab"), Synced(1, None)]
    lost = {b"ab", b"", b"a", b"\0\0"}
    assert states(made) == {repr([("a", content)]) for content in lost}
    assert states([*made, Synced(2, b"ab")]) == {repr([("a", b"ab")])}


def test_names_that_were_not_synced_may_be_lost_in_any_order() -> None:
    made = [
        event
        for inode, name in ((2, "a"), (3, "b"))
        for event in (Renamed({(1, name): inode}), Written(inode, b""), Synced(inode, b""))
    ]
    a, b = ("a", b""), ("b", b"")
    assert states(made) == {repr(names) for names in ([], [a], [b], [a, b])}
    moved = [*made, Synced(1, None), Renamed({(1, "a"): None, (1, "b"): 2})]
    assert states(moved) == {repr([a, b]), repr([b])}
    assert states([*moved, Synced(1, None)]) == {repr([b])}
