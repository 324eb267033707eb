"""The training state survives as JSON, infinities included, and nothing else passes for one."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slm.checkpoint import TrainingState
from slm.errors import CheckpointError

STATE = TrainingState(
    step=500,
    tokens_seen=2**40,
    elapsed_seconds=12.5,
    best_validation_loss=1.25,
    evaluations_since_best=3,
    data_fingerprint="abc",
    extra={"losses": [1.0, 0.5]},
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def through_json(state: TrainingState) -> TrainingState:
    text = json.dumps(state.to_json(), allow_nan=False)
    return TrainingState.from_json(json.loads(text), where="state.json")


def test_a_state_comes_back() -> None:
    assert through_json(STATE) == STATE
    assert through_json(replace(STATE, best_validation_loss=None)).best_validation_loss is None


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(extra=st.dictionaries(st.text(), values), loss=st.floats())
def test_any_json_and_any_float_come_back(extra: dict[str, Any], loss: float) -> None:
    state = replace(STATE, extra=extra, best_validation_loss=loss)
    # Written out, as NaN is not equal to itself.
    assert repr(through_json(state)) == repr(state)


@pytest.mark.parametrize("odd", [{"$float": "1"}, {"$float": [1]}, {"$float": "nan", "more": 1}])
def test_what_only_looks_like_an_infinite_float_is_left_alone(odd: Any) -> None:
    assert through_json(replace(STATE, extra={"odd": odd})).extra == {"odd": odd}


def test_infinities_are_written_as_json_that_everyone_reads() -> None:
    assert replace(STATE, elapsed_seconds=math.inf).to_json()["elapsed_seconds"] == {
        "$float": "inf"
    }


@pytest.mark.parametrize("data", [None, [], 1, "x", {}])
def test_something_else_is_no_state(data: Any) -> None:
    with pytest.raises(CheckpointError, match=r"state\.json"):
        TrainingState.from_json(data, where="state.json")


@pytest.mark.parametrize("name", STATE.to_json())
@pytest.mark.parametrize("value", [True, -1, -1.5j, [], ("x",), {"$float": "x", "y": 1}])
def test_a_value_of_the_wrong_type_is_named(name: str, value: Any) -> None:
    if name == "extra" and isinstance(value, dict):
        return
    with pytest.raises(CheckpointError, match=name):
        TrainingState.from_json(STATE.to_json() | {name: value}, where="state.json")


def test_missing_and_unknown_entries_are_named() -> None:
    data = STATE.to_json() | {"colour": 1}
    del data["step"]
    with pytest.raises(CheckpointError, match="colour, step"):
        TrainingState.from_json(data, where="state.json")
