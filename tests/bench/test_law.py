"""The fit of the law: runs made by a known law give it back."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import law
import pytest

from slm.planning.scaling_law import SCALING_LAW, SECONDS_PER_FLOP, SECONDS_PER_TOKEN, ScalingLaw

DOCS = Path(__file__).parents[2] / "docs"

KNOWN = ScalingLaw(
    floor=0.4,
    size_factor=20.0,
    size_exponent=0.34,
    data_factor=50.0,
    data_exponent=0.30,
    repeats_worth=7.0,
)


def made_runs() -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = []
    for in_blocks in (800_000, 1_800_000, 3_200_000):
        for text_bytes in (6_000_000, 15_000_000, 60_000_000):
            run = {
                "machine": "a machine",
                "in_blocks": in_blocks,
                "text_bytes": text_bytes,
                "unique_bytes": 15_000_000,
                "width": in_blocks // 10_000,
                "layers": 4,
                "minutes": 5.0,
                "flops_per_token": 7.0 * in_blocks,
                "tokens": 1_000_000,
                "training_seconds": 1e6 * (4e-12 * 7.0 * in_blocks + 6e-6),
            }
            runs.append(run | {"bits_per_byte": law.predicted(run, KNOWN)})
    return runs


def test_a_known_law_is_found_again() -> None:
    found = law.fit_quality(made_runs(), published=())
    assert asdict(found) == pytest.approx(asdict(KNOWN), rel=1e-6)


def test_the_speed_is_found_again() -> None:
    assert law.fit_speed(made_runs()) == pytest.approx((4e-12, 6e-6))


def test_runs_that_no_law_fits_are_refused() -> None:
    runs = [run | {"bits_per_byte": run["text_bytes"] * 1e-7} for run in made_runs()]
    with pytest.raises(SystemExit, match="no law"):
        law.fit_quality(runs, published=())


def test_the_picture_is_drawn(tmp_path: Any) -> None:
    law.draw(made_runs(), KNOWN, tmp_path / "law.png")
    assert (tmp_path / "law.png").stat().st_size > 10_000


def test_the_numbers_in_the_code_are_those_of_the_recorded_runs() -> None:
    runs = json.loads((DOCS / "explanation" / "law.json").read_text("utf-8"))
    assert asdict(law.fit_quality(runs)) == pytest.approx(asdict(SCALING_LAW), rel=1e-3)
    for how in ("eager", "compiled"):
        alike = law.timed(runs, "AMD Zen 4", how == "compiled")
        found = law.fit_speed(alike)
        assert found == pytest.approx((SECONDS_PER_FLOP[how], SECONDS_PER_TOKEN[how]), rel=0.02)


def test_the_page_tells_the_same_numbers() -> None:
    fitted = SCALING_LAW
    formula = (
        f"{fitted.floor:g} + {fitted.size_factor:g} / parameters^{fitted.size_exponent:g} + "
        f"{fitted.data_factor:g} / bytes^{fitted.data_exponent:g}"
    )
    page = (DOCS / "explanation" / "scaling-law.md").read_text("utf-8")
    assert formula in page
    assert f"worth at most {fitted.repeats_worth:g} epochs" in " ".join(page.split())
