"""Racers: who they are, what they are called with, and that they end."""

from __future__ import annotations

import os
import sys

import pytest
import race

PYTHON = [sys.executable, "-c"]


def test_a_racer_that_ends_leaves_its_curve(tmp_path):
    code = "print('step 0: val loss 4.0000'); print('so it goes'); print('step 5: val loss 2.0')"
    first, second = race.race([*PYTHON, code], tmp_path, 2.0, 60.0)
    assert first[0] <= second[0]
    assert first[1] == pytest.approx(2 * second[1])


def test_a_racer_that_fails_says_why(tmp_path):
    with pytest.raises(race.RacerError, match=r"ended with 3:\nno more paper"):
        race.race([*PYTHON, "import sys; print('no more paper'); sys.exit(3)"], tmp_path, 2.0, 60.0)


def test_a_silent_racer_ends_when_its_time_is_over(tmp_path):
    assert race.race([*PYTHON, "import time; time.sleep(600)"], tmp_path, 2.0, 0.2) == []


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no groups of processes")
def test_nothing_of_a_racer_is_left(tmp_path, monkeypatch):
    # The child of the shell keeps its output open; reading it ends only when that child is gone.
    monkeypatch.setattr(race, "GRACE_SECONDS", 0.1)
    assert race.race(["sh", "-c", "sleep 600 & wait"], tmp_path, 2.0, 0.2) == []


def test_an_interrupted_race_ends_its_racer(tmp_path, monkeypatch):
    def interrupt(line, bytes_per_token):
        raise KeyboardInterrupt

    monkeypatch.setattr(race, "bits_told", interrupt)
    code = "import time; print('step', flush=True); time.sleep(600)"
    with pytest.raises(KeyboardInterrupt):
        race.race([*PYTHON, code], tmp_path, 2.0, 60.0)


def asked(*words):
    return race.arguments(["--task", "stories", "--source", ".", *words])


def test_each_ours_is_a_racer():
    args = asked("--ours=--minutes 1", "--ours=--minutes 5", "--nanogpt", "there")
    assert race.racers_of(args) == [
        "ours --minutes 1",
        "ours --minutes 5",
        "gpt2",
        "nanogpt",
        "transformers",
    ]
    assert race.racers_of(asked()) == ["ours", "gpt2", "transformers"]
    assert race.racers_of(asked("--only", "transformers", "ours")) == ["ours", "transformers"]


def test_words_of_ours_go_to_slm_train_with_the_text(tmp_path):
    args = asked("--every", "20")
    command = race.ours(race.TASKS["stories"], "ours --minutes 1", None, tmp_path, args)
    assert command[1:4] == ["-m", "slm", "train"]
    assert command[-2:] == ["--minutes", "1"]
    assert "eval_interval=20" in command
    assert "--data" not in command
    assert "--preset" not in command


def test_a_preset_trains_on_prepared_data(tmp_path):
    task = race.TASKS["stories"]
    command = race.ours(task, "ours", tmp_path, tmp_path / "run", asked("--minutes", "3"))
    assert command[command.index("--preset") + 1] == "modern-12m"
    assert command[command.index("--minutes") + 1] == "3.0"
    assert command[command.index("--data") + 1] == str(tmp_path)
    command = race.ours(task, "gpt2", tmp_path, tmp_path / "run", asked())
    assert command[command.index("--preset") + 1] == "gpt2"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--source", ".", "--from-json", "a.json"],
        ["--source", ".", "--only", "nanogpt"],
    ],
)
def test_contradictions_are_refused(words, capsys):
    with pytest.raises(SystemExit):
        race.arguments(words)
    assert "error" in capsys.readouterr().err
