"""Where results of suites are kept."""

from __future__ import annotations

import shutil
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


def test_results_belong_to_the_weights_that_were_loaded(tmp_path: Path) -> None:
    """A run in progress may replace its best model while a suite runs."""
    slm.load("builtin", device="cpu").save_pretrained(tmp_path / "copy", "slm")
    lm = slm.load(tmp_path / "copy", device="cpu")
    shutil.rmtree(tmp_path / "copy")
    slm.load("builtin", device="cpu").save_pretrained(tmp_path / "copy", "slm", dtype="bfloat16")
    result = SuiteResult("facts", None, (), 0)
    keep_result(lm, result, log=print)
    assert kept_results(lm) == {"facts": result}
    assert kept_results(slm.load(tmp_path / "copy", device="cpu")) == {}
