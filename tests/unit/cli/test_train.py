from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from slm.api.run_request import RunOutcome
from slm.cli.train import _print_result, say_if_finished_before
from slm.presets import resolve
from slm.training import TrainingResult


@pytest.mark.parametrize(("best", "named"), [(None, None), (2.0, str(Path("run", "best")))])
def test_the_best_model_is_named_only_where_there_is_one(capsys, best, named):
    result = TrainingResult(
        step=1,
        train_loss=3.0,
        validation_loss=math.nan,
        best_validation_loss=best,
        stopped_early=False,
        tokens=64,
        elapsed_seconds=1.0,
        out_dir=Path("run"),
    )

    _print_result(RunOutcome(result, 2.0, None, resolve("tiny")), as_json=True)

    told = json.loads(capsys.readouterr().out)
    assert told["best"] == named
    assert told["best_validation_loss"] == best


def result(**changes: Any) -> TrainingResult:
    ended = {"step": 9, "first_step": 9, "train_loss": math.nan, "validation_loss": None}
    rest = {"best_validation_loss": 2.0, "tokens": 64, "elapsed_seconds": 1.0}
    place = {"stopped_early": False, "out_dir": Path("my runs", "one")}
    return TrainingResult(**{**ended, **rest, **place, **changes})


@pytest.mark.parametrize(
    ("settings", "changes", "why", "command"),
    [
        ([], {"step": 50, "first_step": 50}, "it had its 50 steps", "--steps 100"),
        (["max_steps=5"], {}, "it had its 5 steps", "--steps 18"),
        (["max_steps=1"], {"step": 1, "first_step": 1}, "it had its 1 step;", "--steps 2"),
        (["max_minutes=1"], {}, "it had its 1 minute;", "--minutes 2"),
        (["max_minutes=0.05"], {}, "it had its 0.05 minutes;", "--minutes 0.1"),
        (
            ["max_steps=90"],
            {"stopped_early": True},
            "it stopped early",
            "--steps 180 --set early_stopping_patience=none",
        ),
    ],
)
def test_a_finished_run_says_so_and_how_to_train_it_longer(capsys, settings, changes, why, command):
    ended = result(**changes)
    chosen = resolve("tiny", assignments=settings)

    say_if_finished_before(ended, chosen.train, "slm", "train", "--out", ended.out_dir)
    _print_result(RunOutcome(ended, 2.0, None, chosen), as_json=False)

    out, err = capsys.readouterr()
    said = err.splitlines()[0]
    assert why in said
    assert said.endswith(f"slm train --out 'my runs/one' --resume {command}")
    assert "nan" not in out + err


def test_a_run_that_made_steps_is_not_finished_before(capsys):
    say_if_finished_before(result(first_step=8), resolve("tiny").train, "slm")
    assert capsys.readouterr().err == ""
