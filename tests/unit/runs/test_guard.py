"""What is told of odd steps, and which of them end a run."""

from __future__ import annotations

import math
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slm.errors import TrainingError
from slm.runs.guard import (
    MAX_DOCUMENTS_RECORDED,
    MAX_OVERFLOWS,
    MAX_SKIPPED_STEPS,
    SPIKE_AFTER,
    RunGuard,
    describe_fault,
    detect_spike,
    skipped_step,
    spike_limit,
)
from slm.runs.guarded_step import NonFinite, StepOutcome
from slm.train_state import RunningLoss, TrainState

WATCH = RunningLoss(mean=2.0, variance=0.01, n_seen=100)


def test_a_spike_tells_what_was_usual() -> None:
    record = detect_spike(7, 2.7, WATCH)
    assert record is not None
    assert (record.step, record.anomaly, record.loss) == (7, "spike", 2.7)
    for word in ("step 7", "2.7000", "2.0000", "0.1000"):
        assert word in record.text


def test_what_is_no_spike() -> None:
    for loss in (1.0, 2.0, 2.59, math.nan, math.inf):  # the last two are faults
        assert detect_spike(7, loss, WATCH) is None


def test_a_fault_names_step_tensor_and_the_first_stories() -> None:
    text = describe_fault(9, NonFinite("gradient", "final_norm.weight"), [3, 4, 17])
    assert text == (
        "step 9: the gradient of final_norm.weight is non-finite; training documents in this step: "
        "3, 4, 17"
    )
    assert describe_fault(9, NonFinite("loss", micro_batch=1), range(100)).endswith(
        ", 11 and 88 more"
    )


def test_every_kind_of_fault_says_what_it_is() -> None:
    texts = {
        str(fault)
        for fault in (
            NonFinite("weight", "a"),
            NonFinite("loss"),
            NonFinite("loss", micro_batch=0),
            NonFinite("gradient"),
            NonFinite("gradient", "a"),
            NonFinite("update", "a"),
        )
    }
    assert len(texts) == 6
    assert "the loss of micro-batch 1 is non-finite" in texts
    assert not any("None" in text for text in texts)


def test_a_skip_keeps_a_bounded_number_of_stories() -> None:
    record = skipped_step(9, math.nan, "step 9: bad", range(10**6))
    assert record.anomaly == "skipped"
    assert record.text.startswith("step 9: bad; the step was skipped")
    assert record.stories == tuple(range(MAX_DOCUMENTS_RECORDED))


def make_policy(on_nonfinite: str) -> RunGuard:
    """Two micro-batches a step; the stories of batch n have the number 10 n."""

    def stories_at(first: int, n_batches: int = 1, *, rank: int | None = None) -> list[int]:
        return [10 * (first + k) for k in range(n_batches)]

    stepper: Any = SimpleNamespace(
        config=SimpleNamespace(on_nonfinite=on_nonfinite), process=SimpleNamespace(rank=0)
    )
    loader: Any = SimpleNamespace(stories_at=stories_at)
    saver: Any = SimpleNamespace(last_good=lambda: "there is no good checkpoint yet")
    return RunGuard(stepper, loader, 2, saver)


def save() -> Path:
    return Path("saved-here")


def bad_step(fault: NonFinite, *, overflowed: bool = False) -> StepOutcome:
    return StepOutcome(1.0, math.inf, updated=False, overflowed=overflowed, fault=fault)


def test_a_scale_may_overflow_often_but_not_for_ever() -> None:
    policy, state = make_policy("skip"), TrainState()
    overflow = bad_step(NonFinite("gradient"), overflowed=True)
    for _ in range(2):
        for _ in range(MAX_OVERFLOWS):
            assert policy.check_finite(overflow, state, save) is None
        assert policy.check_finite(StepOutcome(1.0, 1.0, updated=True), state, save) is None
    assert state.skipped_in_a_row == 0
    records = [policy.check_finite(overflow, state, save) for _ in range(MAX_OVERFLOWS + 1)]
    assert [record is None for record in records] == [True] * MAX_OVERFLOWS + [False]


def test_a_few_steps_are_skipped_and_then_the_run_ends() -> None:
    policy, state = make_policy("skip"), TrainState(step=5)
    bad = bad_step(NonFinite("loss", micro_batch=1))
    for _ in range(MAX_SKIPPED_STEPS):
        record = policy.check_finite(bad, state, save)
        assert record is not None
        assert (record.step, record.stories) == (6, (110,))
    with pytest.raises(TrainingError, match="step 6: .* step: 110; .* saved in saved-here"):
        policy.check_finite(bad, state, save)


@pytest.mark.parametrize(
    ("on_nonfinite", "kind", "told"),
    [
        ("stop", "gradient", "step: 100, 110; the weights before it are saved in saved-here"),
        ("stop", "update", "there is no good checkpoint yet"),  # it was not undone
        ("skip", "weight", "the weights before it are saved in saved-here"),
    ],
)
def test_what_ends_a_run_at_once(on_nonfinite: str, kind: Any, told: str) -> None:
    with pytest.raises(TrainingError, match=told):
        make_policy(on_nonfinite).check_finite(
            bad_step(NonFinite(kind, "a")), TrainState(step=5), save
        )


def test_weights_that_cannot_be_saved_are_not_said_to_be() -> None:
    def refuse() -> Path:
        raise TrainingError("bad weights")

    with pytest.raises(TrainingError, match="there is no good checkpoint yet"):
        make_policy("stop").check_finite(bad_step(NonFinite("weight", "a")), TrainState(), refuse)


# -- spikes ----------------------------------------------------------------------------------------


def after(losses: list[float]) -> RunningLoss:
    recent = RunningLoss()
    for loss in losses:
        recent.update(loss)
    return recent


def test_nothing_is_a_spike_before_enough_is_known() -> None:
    assert spike_limit(after([2.0] * (SPIKE_AFTER - 1))) == math.inf
    assert spike_limit(after([2.0] * SPIKE_AFTER)) < math.inf


def test_where_losses_hardly_vary_small_steps_are_no_spikes() -> None:
    assert spike_limit(after([2.0] * 50)) == pytest.approx(2.2)


def test_ordinary_noise_and_falling_losses_have_no_spikes() -> None:
    chance = random.Random(1)
    recent = RunningLoss()
    for step in range(3000):
        loss = 2.0 + 7.0 * math.exp(-step / 200) + chance.gauss(0.0, 0.15)
        assert loss <= spike_limit(recent), step
        recent.update(loss)
    assert spike_limit(recent) < 2.0 + 7 * 0.15 + 0.3


def test_losses_that_stay_high_are_soon_ordinary() -> None:
    recent = after([2.0, 2.1] * 50)
    n_spikes = 0
    for _ in range(50):
        n_spikes += spike_limit(recent) < 5.0
        recent.update(5.0)
    assert 1 <= n_spikes <= 3
