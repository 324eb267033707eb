"""How a run makes room for other programs; what they use is what the test says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from slm.api import Trainer
from slm.config import RunConfig
from slm.config.origins import Origin, OriginKind
from slm.hardware.resources import Cpus
from slm.runs import contention
from slm.runs.contention import (
    ContentionWatch,
    FreeProcessors,
    OtherPrograms,
    SleepingWaits,
    Trial,
    Way,
    may_change_threads,
)
from slm.training import RunStart, StepRecord

STEP = StepRecord(1, 5.0, 1.0, 0.1, 1.0, 9, 9.0, 9.0, 0.5)
ALONE = Cpus(2, 2, 2, None, None)


# -- how many threads ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "processors", "others", "threads"),
    [
        (2, 2, 0.0, 2),
        (2, 2, 0.2, 2),
        (2, 2, 0.5, 2),
        (2, 2, 0.7, 1),  # what one busy process gets beside two threads
        (2, 2, 1.0, 1),
        (2, 2, 1.3, 1),
        (2, 2, 2.0, 1),
        (2, 2, 9.0, 1),
        (8, 8, 0.9, 7),
        (8, 8, 2.7, 5),
        (4, 8, 1.0, 4),  # there are processors left
        (4, 8, 4.0, 4),
        (4, 8, 5.0, 3),
    ],
)
def test_a_thread_less_for_each_busy_processor(
    wanted: int, processors: int, others: float, threads: int
) -> None:
    free = FreeProcessors(wanted, processors)
    assert free.update(others) == threads
    assert free.is_crowded is (threads < wanted)
    assert free.update(others) == threads
    assert free.update(0.0) == wanted
    assert not free.is_crowded


def test_little_more_or_less_changes_nothing() -> None:
    free = FreeProcessors(2, 2)
    assert [free.update(others) for others in (0.45, 0.55, 0.45, 0.3, 0.24)] == [2, 1, 1, 1, 2]


# -- what others use -------------------------------------------------------------------------------


def test_what_others_use() -> None:
    now, busy, own = [100.0], [1000.0], [50.0]
    others = OtherPrograms(lambda: busy[0], lambda: own[0], lambda: now[0])
    now[0], busy[0] = 100.9, 1001.0
    assert others.use() is None  # too soon
    now[0], busy[0], own[0] = 102.0, 1004.0, 52.0
    assert others.use() == pytest.approx(1.0)  # 4 in all, 2 of them ours, in 2 seconds
    assert others.use() is None
    now[0], busy[0], own[0] = 103.0, 1004.5, 53.0
    assert others.use() == 0.0  # counted in ticks, so ours may seem more than all


def test_a_compiler_of_the_run_is_no_other_program() -> None:
    """torch.compile waits for one whenever the length of the context changes."""
    now = [0.0]
    others = OtherPrograms(lambda: sum(os.times()[:4]), clock=lambda: now[0])
    works = "import time\nwhile time.process_time() < 0.4: pass"
    subprocess.run([sys.executable, "-c", works], check=True)
    now[0] = 1.0
    assert others.use() == pytest.approx(0.0, abs=0.1)


def test_a_system_that_does_not_say() -> None:
    now, busy = [0.0], [1.0, None]
    others = OtherPrograms(lambda: busy[0], lambda: 0.0, lambda: now[0])
    now[0], busy[0] = 5.0, None
    assert others.use() is None
    unknown = OtherPrograms(lambda: None, lambda: 0.0, lambda: now[0])
    now[0] = 10.0
    assert unknown.use() is None


# -- a run -----------------------------------------------------------------------------------------


class Others(OtherPrograms):
    """Says what the test puts in; None in between."""

    def __init__(self) -> None:
        self.answers: list[float | None] = []

    def use(self) -> float | None:
        return self.answers.pop(0) if self.answers else None


class Waits:
    """Stands in for `SleepingWaits`."""

    def __init__(self, threads: int, processors: int) -> None:
        self.made_for = threads, processors
        self.is_sleeping = False
        made.append(self)

    def begin(self) -> None:
        self.is_sleeping = True

    def end(self) -> None:
        self.is_sleeping = False


made: list[Waits] = []


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Iterator[Others]:
    """What other programs use, on a machine of two processors where nothing was chosen."""
    made.clear()
    monkeypatch.setattr(contention, "SleepingWaits", Waits)
    monkeypatch.setattr(contention, "usable_cpus", lambda: ALONE)
    for name in contention.WAIT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield Others()
    torch.set_num_threads(before)


@pytest.fixture
def start(make_trainer: Callable[..., Trainer], listener: Any) -> RunStart:
    """Of a run that ends by the clock, with two threads."""
    make_trainer().train(stop_after=1)
    (found,) = listener.of("on_start")
    settings = found.settings.with_values(
        {"train.max_minutes": 3.0, "train.threads": None}, Origin(OriginKind.FILE, "test")
    )
    return replace(found, settings=settings, threads=2)


def with_value(start: RunStart, name: str, value: object) -> RunStart:
    settings: RunConfig = start.settings.with_values({name: value}, Origin(OriginKind.FILE, "test"))
    return replace(start, settings=settings)


def taking(seconds: float) -> StepRecord:
    """A step of 128 tokens that took so long."""
    return replace(STEP, tokens_per_second=128 / seconds)


@pytest.mark.parametrize(
    ("fewer", "sleeping", "kept"), [(1.0, 1.5, (1, False)), (1.5, 1.0, (2, True))]
)
def test_a_run_by_the_clock_keeps_the_faster_way(
    others: Others, start: RunStart, fewer: float, sleeping: float, kept: tuple[int, bool]
) -> None:
    notes: list[str] = []
    now = [0.0]
    watch = ContentionWatch(notes.append, others=others, clock=lambda: now[0])
    torch.set_num_threads(2)
    watch.on_start(start)
    others.answers = [0.1, 1.0, *[None, 1.0] * 6, 0.1, 0.1]
    ways = []
    while others.answers:
        waits = made[-1]
        state = torch.get_num_threads(), waits.is_sleeping
        watch.on_step(taking({(2, False): 0.5, (1, False): fewer, (2, True): sleeping}[state]))
        ways.append((torch.get_num_threads(), waits.is_sleeping))
        now[0] += 10.0
    # A step to warm up and two of a second or more for each way, then the better one.
    assert ways[:2] == [(2, False), (1, False)]
    assert (2, True) in ways[2:9]
    assert set(ways[9:-2]) == {kept}
    assert ways[-2:] == [(2, False)] * 2
    assert notes == [
        "other programs keep 1.0 CPUs busy: training is slower until they end",
        "other programs no longer use the CPUs",
    ]
    watch.on_end(None)
    assert (torch.get_num_threads(), made[-1].is_sleeping) == (2, False)


@pytest.mark.parametrize("ways", [["fewer", "sleep"], ["sleep", "fewer"]])
def test_a_trial(ways: list[Way]) -> None:
    seconds: dict[Way, float] = {"fewer": 0.5, "sleep": 0.4}
    trial = Trial(ways)
    tried = []
    for _ in range(30):
        tried.append(trial.way)
        trial.add(seconds[trial.way])
    first = 1 + -(-2.0 // seconds[ways[0]])
    assert tried[: int(first)] == [ways[0]] * int(first)
    assert set(tried[int(first) : int(first) + 5]) == {ways[1]}
    assert set(tried[-10:]) == {"sleep"}


def test_the_first_step_of_a_way_does_not_count() -> None:
    trial = Trial(["fewer", "sleep"])
    for number, seconds in enumerate((99.0, 3.0, 99.0, 4.0, 1.0)):
        assert trial.way == ("sleep" if number in (2, 3) else "fewer")
        trial.add(seconds)
    assert trial.way == "fewer"


def test_a_single_way_is_not_tried() -> None:
    trial = Trial(["sleep"])
    for _ in range(20):
        trial.add(9.0)
    assert trial.way == "sleep"


def test_the_end_of_a_run_gives_the_threads_back(others: Others, start: RunStart) -> None:
    watch = ContentionWatch(lambda sentence: None, others=others)
    torch.set_num_threads(2)
    watch.on_start(start)
    others.answers = [1.0]
    watch.on_step(STEP)
    assert torch.get_num_threads() == 1
    watch.on_end(None)
    assert torch.get_num_threads() == 2
    watch.on_step(STEP)  # nothing is watched any longer
    assert torch.get_num_threads() == 2


def test_notes_are_a_minute_apart(others: Others, start: RunStart) -> None:
    notes: list[str] = []
    now = [0.0]
    watch = ContentionWatch(notes.append, others=others, clock=lambda: now[0])
    watch.on_start(start)
    others.answers = [1.0, 0.0] * 20
    for _ in range(40):
        watch.on_step(STEP)
        now[0] += 5.0
    assert len(notes) == 4


@pytest.mark.parametrize("reason", ["steps", "compiled", "setting", "variable"])
def test_a_number_of_threads_that_must_stay(
    others: Others, start: RunStart, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason == "steps":
        start = with_value(start, "train.max_minutes", None)
    elif reason == "compiled":
        start = replace(start, compiled=True)
    elif reason == "setting":
        start = with_value(start, "train.threads", 2)
    else:
        chosen = replace(ALONE, chosen=("OMP_NUM_THREADS", 2))
        monkeypatch.setattr(contention, "usable_cpus", lambda: chosen)
    notes: list[str] = []
    watch = ContentionWatch(notes.append, others=others)
    torch.set_num_threads(2)
    watch.on_start(start)
    waits = made[-1]
    assert waits.made_for == (2, 2)
    sleeping = []
    others.answers = [0.0, 1.0, 1.9, 0.0, 1.0]
    for _ in range(5):
        watch.on_step(STEP)
        sleeping.append(waits.is_sleeping)
        assert torch.get_num_threads() == 2
    assert sleeping == [False, True, True, False, True]
    assert notes == ["other programs keep 1.0 CPUs busy: training is slower until they end"]
    watch.on_end(None)
    assert not waits.is_sleeping


@pytest.mark.parametrize("variable", contention.WAIT_VARIABLES)
def test_a_way_of_waiting_that_the_user_chose(
    others: Others, start: RunStart, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "active")
    watch = ContentionWatch(pytest.fail, others=others)
    watch.on_start(with_value(start, "train.max_minutes", None))
    others.answers = [1.0]
    watch.on_step(STEP)
    assert others.answers == [1.0]  # nothing can be done, so nobody looks
    torch.set_num_threads(2)
    watch = ContentionWatch(lambda sentence: None, others=others)
    watch.on_start(start)
    for _ in range(20):
        others.answers = [1.0]
        watch.on_step(STEP)
        assert torch.get_num_threads() == 1
        assert not made[-1].is_sleeping
    watch.on_end(None)


@pytest.mark.parametrize("change", [{"device": "cuda:0"}, {"world_size": 2}, {"threads": 1}])
def test_other_runs_are_left_alone(others: Others, start: RunStart, change: dict[str, Any]) -> None:
    watch = ContentionWatch(pytest.fail, others=others)
    watch.on_start(replace(start, **change))
    others.answers = [1.0]
    watch.on_step(STEP)
    assert others.answers == [1.0]
    watch.on_end(None)


def test_who_may_change_threads(start: RunStart) -> None:
    assert may_change_threads(start, ALONE)


RESULTS = """
import os, torch
from slm.runs.contention import SleepingWaits
torch.set_num_threads(2)
count = lambda: len(os.listdir("/proc/self/task"))
torch.ones(1 << 20).add_(1)
before = count()
waits = SleepingWaits(2, 2)
waits.begin()
for _ in range(10**6):
    if count() >= before + 2: break
during = count()
print(torch.ones(1 << 20).add_(1).sum().item())
waits.end()
for _ in range(10**6):
    if count() == before: break
print(during - before, count() - before)
waits.end()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_threads_that_only_count_come_and_go() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RESULTS], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(2.0 * (1 << 20)), "2", "0"]


@pytest.mark.parametrize(
    ("threads", "processors", "helpers"), [(2, 2, 1), (4, 8, 2), (2, 8, 4), (3, 3, 1), (8, 8, 1)]
)
def test_the_library_manages_more_threads_than_there_are_processors(
    threads: int, processors: int, helpers: int
) -> None:
    waits = SleepingWaits(threads, processors)
    assert waits._helpers == helpers
    assert threads * (1 + helpers) > processors
