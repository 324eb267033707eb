"""Where results of suites are kept."""

from __future__ import annotations

from pathlib import Path

import slm
from slm.api.suites import keep_result, kept_results
from slm.checkpoint.builtin import builtin_checkpoint
from slm.evals.suite import SuiteResult


def test_the_folder_of_the_installation_is_left_alone() -> None:
    lm = slm.load("builtin", device="cpu")
    before = sorted(builtin_checkpoint().iterdir())
    said: list[str] = []
    keep_result(lm, SuiteResult("facts", None, (), 0), log=said.append)
    assert sorted(builtin_checkpoint().iterdir()) == before
    assert (kept_results(lm), said) == ({}, [])


def test_a_model_elsewhere_keeps_them_in_its_folder(tmp_path: Path) -> None:
    slm.load("builtin", device="cpu").save_pretrained(tmp_path / "copy", "slm")
    lm = slm.load(tmp_path / "copy", device="cpu")
    result = SuiteResult("facts", None, (), 0)
    keep_result(lm, result, log=print)
    assert kept_results(lm) == {"facts": result}
