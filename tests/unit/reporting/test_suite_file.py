"""`suites.json`: results that belong to certain weights."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from slm.config.run_files import SUITES_FILE
from slm.evals.suite import Score, SuiteResult
from slm.reporting.suite_file import keep_suite, read_suites

SCORES = (Score("who", 61.0, 55.0, 67.5, 100, 50.0), Score("why", 1.0, 0.5, 2.0, 9))
FACTS = SuiteResult("facts", SCORES[0], SCORES, 7, {"pairs": 109})
BLIMP = SuiteResult("blimp", None, SCORES[:1], 0)


def test_results_come_back(tmp_path: Path) -> None:
    keep_suite(tmp_path, "a", BLIMP)
    keep_suite(tmp_path, "a", FACTS)
    assert read_suites(tmp_path, "a") == {"blimp": BLIMP, "facts": FACTS}


def test_results_of_other_weights_are_not_shown_and_replaced(tmp_path: Path) -> None:
    keep_suite(tmp_path, "a", BLIMP)
    assert read_suites(tmp_path, "b") == {}
    keep_suite(tmp_path, "b", FACTS)
    assert read_suites(tmp_path, "b") == {"facts": FACTS}
    assert read_suites(tmp_path, "a") == {}


def test_a_score_without_items(tmp_path: Path) -> None:
    empty = Score("none", math.nan, math.nan, math.nan, 0)
    keep_suite(tmp_path, "a", SuiteResult("facts", None, (empty,), 0))
    (score,) = read_suites(tmp_path, "a")["facts"].parts
    assert score.n == 0
    assert math.isnan(score.value)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("results",), []),
        (("results", "facts"), 1),
        (("results", "facts", "suite"), "blimp"),
        (("results", "facts", "parts"), [1]),
        (("results", "facts", "parts"), "x"),
        (("results", "facts", "seed"), True),
        (("results", "facts", "details"), None),
        (("results", "facts", "score"), {"name": "x"}),
        (("results", "facts", "parts", 0, "value"), "61"),
        (("results", "facts", "parts", 0, "n"), -1),
        (("results", "facts", "parts", 0, "name"), 3),
        (("format",), "x"),
        (("version",), 2),
    ],
)
def test_what_is_no_result_is_ignored(
    tmp_path: Path, place: tuple[str | int, ...], value: Any
) -> None:
    keep_suite(tmp_path, "a", FACTS)
    file = tmp_path / SUITES_FILE
    saved = json.loads(file.read_text("utf-8"))
    target = saved
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    file.write_text(json.dumps(saved), "utf-8")
    assert read_suites(tmp_path, "a") == {}


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{" * 5000])
def test_a_damaged_file_is_ignored(tmp_path: Path, content: bytes) -> None:
    (tmp_path / SUITES_FILE).write_bytes(content)
    assert read_suites(tmp_path, "a") == {}
