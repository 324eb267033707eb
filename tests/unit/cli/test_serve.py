"""`slm serve`: what it refuses before it serves, and what it calls the model."""

from __future__ import annotations

from pathlib import Path

import pytest

import slm
from slm.cli import main
from slm.cli.serve import checked_key, distinct, name_beside, name_of, run_with_metrics
from slm.errors import UsageError

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
        (["--host", "0.0.0.0"], "without an API key"),
        (["--api-key", "short"], "at least 8 characters"),
        (["--port", "65536"], "65535"),
        (["--host", "no.such.host.invalid"], "unknown host"),
        (["--slots", "0"], "error: --slots: must be from 1 to 4,096, found 0"),
        (["--queue", "-1"], "error: --queue: "),
        (["--max-tokens", "0"], "error: --max-tokens: "),
        (["--request-seconds", "nan"], "error: --request-seconds: "),
        (["--model-name", "a\udcff"], "unprintable characters"),
        (["--model-name", ""], "unprintable characters"),
        (["--allow-origin", "*"], "pages of every site"),
        (["--allow-origin", "example.com"], "not a valid origin"),
        (["--allow-host", "http://my-laptop.local"], "not a host name"),
    ],
)
def test_what_cannot_be_is_refused(capsys, monkeypatch, words, problem):
    monkeypatch.delenv("SLM_API_KEY", raising=False)
    assert problem in refused(capsys, RUN, "--port", 0, *words)


def test_clients_send_a_key_without_the_space_around_it():
    assert checked_key("a-long-key\r\n") == checked_key(" a-long-key") == "a-long-key"
    assert checked_key(None) is None
    for empty in ("", "\n", " " * 12):
        with pytest.raises(UsageError, match="at least 8 characters, found 0"):
            checked_key(empty)


def test_a_checkpoint_that_is_not_there(capsys, tmp_path):
    assert "no checkpoint" in refused(capsys, tmp_path / "none", "--port", 0)


def test_some_model_must_be_named_where_there_is_no_built_in_one(capsys, monkeypatch):
    monkeypatch.setattr("slm.checkpoint.builtin._DIRECTORY", RUN / "absent")
    assert main(["serve"]) == 2
    assert "--checkpoint" in capsys.readouterr().err


def test_a_run_without_a_model_yet(capsys, tmp_path):
    (tmp_path / "metrics.jsonl").touch()
    assert main(["serve", "--run", str(tmp_path), "--port", "0"]) == 2
    assert "no checkpoint" in capsys.readouterr().err


def test_the_extra_is_named(capsys, monkeypatch):
    monkeypatch.setattr("slm.cli.serve.find_spec", lambda name: None)
    assert main(["serve", "--checkpoint", str(RUN)]) == 1
    assert f"{Path(slm.__file__).parents[1]}[serve]" in capsys.readouterr().err


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


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "a", "a"], ["a", "a-2", "a-3"]),
        (["a-2", "a", "a"], ["a-2", "a", "a-3"]),
    ],
)
def test_distinct_names(names, expected):
    assert distinct(names) == expected


def test_a_model_beside_tells_its_step():
    assert name_beside(Path("runs/demo/checkpoints/step-000500")) == "demo-step-500"
    assert name_beside(Path("runs/demo/best")) == "demo"


def test_the_run_of_a_checkpoint(tmp_path):
    run = tmp_path / "run"
    (run / "checkpoints" / "step-000001").mkdir(parents=True)
    (run / "best").mkdir()
    for folder in (run / "checkpoints" / "step-000001", run / "best"):
        (folder / "MANIFEST.json").touch()
    assert run_with_metrics(run) is None
    (run / "metrics.jsonl").touch()

    assert run_with_metrics(run) == run
    assert run_with_metrics(run / "best") == run
    assert run_with_metrics(run / "checkpoints" / "step-000001") == run
    assert run_with_metrics(tmp_path) is None
    assert run_with_metrics(tmp_path / "copy") is None
