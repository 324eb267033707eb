"""`suites.json`: the results of test suites on the best model of a run, next to it.

{"format": "slm-suites", "version": 1, "weights_sha256": "...", "results": {"facts": {...}}}

They belong to certain weights. When the run has found a better model, they are ignored, and the
next result replaces them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slm.config.run_files import SUITES_FILE
from slm.evals.suite import Score, SuiteResult
from slm.storage.files import atomic_write
from slm.storage.safe_reading import read_bounded, strict_json

FORMAT, VERSION = "slm-suites", 1
LARGEST_BYTES = 32 << 20


def read_suites(folder: Path, weights_sha256: str) -> dict[str, SuiteResult]:
    """The results by name of suite; without those that cannot be read or are of other weights."""
    try:
        saved = strict_json(read_bounded(folder / SUITES_FILE, LARGEST_BYTES))
    except (OSError, ValueError):
        return {}
    if not isinstance(saved, dict) or (saved.get("format"), saved.get("version")) != (
        FORMAT,
        VERSION,
    ):
        return {}
    if saved.get("weights_sha256") != weights_sha256 or not isinstance(saved.get("results"), dict):
        return {}
    found = ((name, result_from_json(data)) for name, data in saved["results"].items())
    return {name: result for name, result in found if result is not None and result.suite == name}


def keep_suite(folder: Path, weights_sha256: str, result: SuiteResult) -> None:
    """Add a result, or replace the one of the same suite.

    Raises:
        WriteError, NoSpaceError: it cannot be written.
    """
    results = {**read_suites(folder, weights_sha256), result.suite: result}
    content = {
        "format": FORMAT,
        "version": VERSION,
        "weights_sha256": weights_sha256,
        "results": {name: plain_json(each.to_json()) for name, each in results.items()},
    }
    atomic_write(folder / SUITES_FILE, json.dumps(content, indent=1, allow_nan=False) + "\n")


def plain_json(value: Any) -> Any:
    """JSON data, with null for NaN, which a score without items has."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    return value


def result_from_json(data: Any) -> SuiteResult | None:
    """The inverse of `SuiteResult.to_json`; None: it is something else."""
    if not isinstance(data, dict) or data.keys() != SuiteResult.__dataclass_fields__.keys():
        return None
    parts = data["parts"]
    is_plain = isinstance(data["suite"], str) and type(data["seed"]) is int
    if not is_plain or not isinstance(parts, list) or not isinstance(data["details"], dict):
        return None
    scores = [_score(each) for each in parts]
    headline = None if data["score"] is None else _score(data["score"])
    if None in scores or (headline is None and data["score"] is not None):
        return None
    known = tuple(score for score in scores if score is not None)
    return SuiteResult(data["suite"], headline, known, data["seed"], data["details"])


def _score(data: Any) -> Score | None:
    if not isinstance(data, dict) or data.keys() != Score.__dataclass_fields__.keys():
        return None
    figures = {name: _figure(data[name]) for name in ("value", "low", "high", "chance")}
    n = data["n"]
    if not isinstance(data["name"], str) or type(n) is not int or n < 0:
        return None
    if any(math.isnan(figures[name]) for name in ("value", "low", "high")) != (n == 0):
        return None
    chance = None if math.isnan(figures["chance"]) else figures["chance"]
    return Score(data["name"], figures["value"], figures["low"], figures["high"], n, chance)


def _figure(value: Any) -> float:
    """A finite number, or NaN."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e9 else math.nan
