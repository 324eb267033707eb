"""What is told of odd steps, and which of them end a run."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slm.errors import TrainingError
from slm.runs.checkpointer import Standing
from slm.runs.guard import (
    MAX_OVERFLOWS,
    MAX_SKIPPED_STEPS,
    MAX_STORIES_KEPT,
    FaultPolicy,
    fault_at,
    skip_at,
    spike_at,
)
from slm.runs.spikes import LossWatch
from slm.training.step import Fault, StepOutcome

WATCH = LossWatch(mean=2.0, variance=0.01, n_seen=100)


def test_a_spike_tells_what_was_usual() -> None:
    record = spike_at(7, 2.7, WATCH)
    assert record is not None
    assert (record.step, record.anomaly, record.loss) == (7, "spike", 2.7)
    for word in ("step 7", "2.7000", "2.0000", "0.1000"):
        assert word in record.text


def test_what_is_no_spike() -> None:
    for loss in (1.0, 2.0, 2.59, math.nan, math.inf):  # the last two are faults
        assert spike_at(7, loss, WATCH) is None


def test_a_fault_names_step_tensor_and_the_first_stories() -> None:
    text = fault_at(9, Fault("gradient", "final_norm.weight"), [3, 4, 17])
    assert text == (
        "step 9: the gradient of final_norm.weight is not finite; it read the training stories "
        "3, 4, 17"
    )
    assert fault_at(9, Fault("loss", micro_batch=1), range(100)).endswith(", 11 and 88 more")


def test_every_kind_of_fault_says_what_it_is() -> None:
    texts = {
        str(fault)
        for fault in (
            Fault("weight", "a"),
            Fault("loss"),
            Fault("loss", micro_batch=0),
            Fault("gradient"),
            Fault("gradient", "a"),
            Fault("update", "a"),
        )
    }
    assert len(texts) == 6
    assert "the loss of micro-batch 1 is not finite" in texts
    assert not any("None" in text for text in texts)


def test_a_skip_keeps_a_bounded_number_of_stories() -> None:
    record = skip_at(9, math.nan, "step 9: bad", range(10**6))
    assert record.anomaly == "skipped"
    assert record.text.startswith("step 9: bad; the step was skipped")
    assert record.stories == tuple(range(MAX_STORIES_KEPT))


def make_policy(on_nonfinite: str) -> FaultPolicy:
    """Two micro-batches a step; the stories of batch n have the number 10 n."""

    def stories_at(first: int, n_batches: int = 1, *, rank: int | None = None) -> list[int]:
        return [10 * (first + k) for k in range(n_batches)]

    stepper: Any = SimpleNamespace(
        config=SimpleNamespace(on_nonfinite=on_nonfinite), process=SimpleNamespace(rank=0)
    )
    loader: Any = SimpleNamespace(stories_at=stories_at)
    saver: Any = SimpleNamespace(last_good=lambda: "there is no good checkpoint yet")
    return FaultPolicy(stepper, loader, 2, saver)


def save() -> Path:
    return Path("saved-here")


def bad_step(fault: Fault, *, overflowed: bool = False) -> StepOutcome:
    return StepOutcome(1.0, math.inf, updated=False, overflowed=overflowed, fault=fault)


def test_a_scale_may_overflow_often_but_not_for_ever() -> None:
    policy, standing = make_policy("skip"), Standing()
    overflow = bad_step(Fault("gradient"), overflowed=True)
    for _ in range(2):
        for _ in range(MAX_OVERFLOWS):
            assert policy.judge(overflow, standing, save) is None
        assert policy.judge(StepOutcome(1.0, 1.0, updated=True), standing, save) is None
    assert standing.skipped_in_a_row == 0
    records = [policy.judge(overflow, standing, save) for _ in range(MAX_OVERFLOWS + 1)]
    assert [record is None for record in records] == [True] * MAX_OVERFLOWS + [False]


def test_a_few_steps_are_skipped_and_then_the_run_ends() -> None:
    policy, standing = make_policy("skip"), Standing(step=5)
    bad = bad_step(Fault("loss", micro_batch=1))
    for _ in range(MAX_SKIPPED_STEPS):
        record = policy.judge(bad, standing, save)
        assert record is not None
        assert (record.step, record.stories) == (6, (110,))
    with pytest.raises(TrainingError, match="step 6: .*stories 110; .* saved in saved-here"):
        policy.judge(bad, standing, save)


@pytest.mark.parametrize(
    ("on_nonfinite", "kind", "told"),
    [
        ("stop", "gradient", "stories 100, 110; the weights before it are saved in saved-here"),
        ("stop", "update", "there is no good checkpoint yet"),  # it was not undone
        ("skip", "weight", "the weights before it are saved in saved-here"),
    ],
)
def test_what_ends_a_run_at_once(on_nonfinite: str, kind: Any, told: str) -> None:
    with pytest.raises(TrainingError, match=told):
        make_policy(on_nonfinite).judge(bad_step(Fault(kind, "a")), Standing(step=5), save)


def test_weights_that_cannot_be_saved_are_not_said_to_be() -> None:
    def refuse() -> Path:
        raise TrainingError("bad weights")

    with pytest.raises(TrainingError, match="there is no good checkpoint yet"):
        make_policy("stop").judge(bad_step(Fault("weight", "a")), Standing(), refuse)
