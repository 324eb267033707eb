"""The training state survives as JSON, infinities included, and nothing else passes for one."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slm.errors import CheckpointError
from slm.train_state import LOSS_MEMORY, RunningLoss, TimeState, TrainState

STATE = TrainState(
    step=500,
    tokens_seen=2**40,
    best_validation_loss=1.25,
    evaluations_since_best=3,
    evaluated_at=400,
    samples_written=2,
    loss_sum=-3.5,
    n_losses=7,
    running_loss=RunningLoss(mean=2.5, variance=1e-17, n_seen=7),
    skipped_in_a_row=2,
    time=TimeState(12.5, 0.25, 1.5),
    data_fingerprint="abc",
    gradient_scaler={"scale": 65536.0},
    conditions={"threads": 2, "dtype": "float32"},
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def through_json(state: TrainState) -> TrainState:
    text = json.dumps(state.to_json(), allow_nan=False)
    return TrainState.from_json(json.loads(text), where="state.json")


def changed(name: str, value: Any) -> dict[str, Any]:
    """The JSON data of `STATE` with one entry, found at any depth, replaced."""

    def replaced(data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: value if key == name else replaced(item) for key, item in data.items()}

    found = replaced(STATE.to_json())
    assert found != STATE.to_json()
    assert isinstance(found, dict)
    return found


def test_a_state_comes_back() -> None:
    assert through_json(STATE) == STATE
    assert through_json(TrainState()) == TrainState()
    assert through_json(replace(STATE, best_validation_loss=None)).best_validation_loss is None


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(conditions=st.dictionaries(st.text(), values))
def test_any_json_comes_back(conditions: dict[str, Any]) -> None:
    state = replace(STATE, conditions=conditions)
    # Written out, as NaN is not equal to itself.
    assert repr(through_json(state)) == repr(state)


@pytest.mark.parametrize("odd", [{"$float": "1"}, {"$float": [1]}, {"$float": "nan", "more": 1}])
def test_data_that_resembles_an_encoded_float_is_unchanged(odd: Any) -> None:
    assert through_json(replace(STATE, conditions={"odd": odd})).conditions == {"odd": odd}


def test_infinities_are_written_as_json_that_everyone_reads() -> None:
    data: Any = replace(STATE, gradient_scaler={"scale": math.inf}).to_json()
    assert data["extra"]["gradient_scaler"] == {"scale": {"$float": "inf"}}


def test_no_extra_stands_for_a_checkpoint_without_a_run() -> None:
    data = {**TrainState(step=3, data_fingerprint="f").to_json(), "extra": {}}
    assert TrainState.from_json(data, where="state.json") == TrainState(
        step=3, data_fingerprint="f"
    )


@pytest.mark.parametrize("data", [None, [], 1, "x", {}])
def test_other_data_is_refused(data: Any) -> None:
    with pytest.raises(CheckpointError, match=r"state\.json"):
        TrainState.from_json(data, where="state.json")


@pytest.mark.parametrize(
    ("name", "field"),
    [
        *((name, name) for name in ("step", "tokens_seen", "elapsed_seconds")),
        *((name, name) for name in ("best_validation_loss", "evaluations_since_best")),
        *((name, name) for name in ("data_fingerprint", "evaluated_at", "loss_sum", "n_losses")),
        *((name, name) for name in ("mean", "variance", "n_seen", "skipped_in_a_row")),
        *((name, name) for name in ("step_seconds", "reserved_seconds", "gradient_scaler")),
        *(("stories_told", "samples_written"), ("conditions", "conditions")),
    ],
)
@pytest.mark.parametrize("value", [True, -1e300, -1.5j, [], ("x",), None, {"$float": "nan"}])
def test_a_value_of_the_wrong_type_is_named(name: str, field: str, value: Any) -> None:
    if name == "best_validation_loss" and (value is None or value in (-1e300, {"$float": "nan"})):
        return
    with pytest.raises(CheckpointError, match=field):
        TrainState.from_json(changed(name, value), where="state.json")


@pytest.mark.parametrize("name", ["step", "n_seen", "variance", "step_seconds", "n_losses"])
def test_counts_and_times_are_not_negative(name: str) -> None:
    with pytest.raises(CheckpointError, match=name):
        TrainState.from_json(changed(name, -1), where="state.json")


@pytest.mark.parametrize("name", ["watch", "pace", "extra"])
@pytest.mark.parametrize("value", [1, [3], {"other": 1}])
def test_a_group_of_another_shape_is_refused(name: str, value: Any) -> None:
    with pytest.raises(CheckpointError, match=r"state\.json"):
        TrainState.from_json(changed(name, value), where="state.json")


def test_missing_and_unknown_entries_are_named() -> None:
    data = STATE.to_json() | {"color": 1}
    del data["step"]
    with pytest.raises(CheckpointError, match="color, step"):
        TrainState.from_json(data, where="state.json")


# -- evaluations and losses ------------------------------------------------------------------------


def test_the_best_loss_and_the_evaluations_since() -> None:
    state = TrainState()
    for loss, is_best, since in (
        (3.0, True, 0),
        (3.5, False, 1),
        (math.nan, False, 2),
        (2.0, True, 0),
    ):
        state.record_loss(4.0)
        train_loss, found = state.record_evaluation(loss)
        assert (train_loss, found, state.evaluations_since_best) == (4.0, is_best, since)
    assert state.best_validation_loss == 2.0
    assert math.isnan(state.train_loss)


def test_the_running_loss_is_the_mean_and_variance_of_the_first_losses() -> None:
    running = RunningLoss()
    losses = [4.0, 2.0, 6.0, 3.0]
    for loss in losses:
        running.update(loss)
    mean = sum(losses) / 4
    assert running.mean == pytest.approx(mean)
    assert running.variance == pytest.approx(sum((x - mean) ** 2 for x in losses) / 4)
    assert running.std == pytest.approx(math.sqrt(running.variance))


def test_the_running_loss_forgets_old_losses() -> None:
    running = RunningLoss()
    for loss in [9.0] * 50 + [2.0] * 10 * LOSS_MEMORY:
        running.update(loss)
    assert running.n_seen == LOSS_MEMORY
    assert running.mean == pytest.approx(2.0, abs=0.01)
