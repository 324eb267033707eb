"""Fewer records for a picture."""

from __future__ import annotations

from typing import Any

from slm.reporting.thinning import thinned


def step(number: int, loss: float | None, speed: float = 10.0) -> dict[str, Any]:
    return {"kind": "train", "step": number, "loss": loss, "tokens_per_second": speed}


def test_a_long_run_is_thinned() -> None:
    check = {"kind": "validation", "step": 2, "loss": 0.5}
    told = [{"kind": "sample", "step": n, "text": "x"} for n in (2, 4)]
    records = [step(1, 1.0), step(2, 2.0, 30.0), check, told[0], step(3, None), step(4, 4.0)]
    records += [told[1], step(5, 1.0)]
    kept = [step(2, 1.5, 20.0), check, step(4, 4.0), told[1], step(5, 1.0)]
    assert thinned(records, points=3, stories=1) == kept


def test_a_short_run_is_kept() -> None:
    records = [step(1, 1.0), step(2, None)]
    assert thinned(records) == records


def test_steps_without_a_speed_get_none() -> None:
    old = [{"kind": "train", "step": n, "loss": 1.0} for n in (1, 2)]
    assert thinned(old, points=1) == [{"kind": "train", "step": 2, "loss": 1.0}]
