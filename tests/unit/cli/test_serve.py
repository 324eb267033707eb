"""`slm serve`: what it refuses before it serves, and what it calls the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from slm.cli import main
from slm.cli.serve import name_of

RUN = Path(__file__).parents[2] / "fixtures" / "v1" / "run"


def refused(capsys, *words: object) -> str:
    assert main(["serve", "--checkpoint", *map(str, words)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    error, hint = err.splitlines()[-2:]
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    return error


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--host", "0.0.0.0"], "there is no key"),
        (["--api-key", "short"], "5 characters"),
        (["--port", "65536"], "65535"),
        (["--host", "no.such.host.invalid"], "no address"),
        (["--slots", "0"], "slots"),
        (["--queue", "-1"], "queue"),
        (["--max-tokens", "0"], "max_tokens"),
        (["--request-seconds", "nan"], "request_seconds"),
    ],
)
def test_what_cannot_be_is_refused(capsys, monkeypatch, words, problem):
    monkeypatch.delenv("SLM_API_KEY", raising=False)
    assert problem in refused(capsys, RUN, "--port", 0, *words)


def test_a_checkpoint_that_is_not_there(capsys, tmp_path):
    assert "no checkpoint" in refused(capsys, tmp_path / "none", "--port", 0)


def test_the_extra_is_named(capsys, monkeypatch):
    monkeypatch.setattr("slm.cli.serve.find_spec", lambda name: None)
    assert main(["serve", "--checkpoint", str(RUN)]) == 1
    assert "slm[serve]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("runs/demo", "demo"),
        ("runs/demo/best", "demo"),
        ("runs/demo/checkpoints/step-000500", "demo"),
        ("runs/my model/best", "my-model"),
        ("runs/Ö", "slm"),
    ],
)
def test_a_model_has_the_name_of_its_run(path, name):
    assert name_of(Path(path)) == name
