"""Racers: who they are, what they are called with, and that they end."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import race
from race_tasks import TASKS, Entry, RacerError

READING = "race: {} bits per byte of {}, {}"


def entry_of(where, code):
    return Entry([sys.executable, "-c", code], where)


def printing(*lines):
    return "; ".join(f"print({line!r})" for line in lines)


def test_a_racer_that_ends_leaves_its_curve(tmp_path):
    lines = [READING.format(4.0, "the sample", "now"), "so it goes"]
    lines += [READING.format(2.0, "the sample", "now"), READING.format(2.25, "all", "now")]
    record = race.race(entry_of(tmp_path, printing(*lines)), 60.0)
    (first_at, first), (second_at, second) = record.curve
    assert first_at <= second_at
    assert (first, second, record.bits_of_all) == (4.0, 2.0, 2.25)


def test_a_baseline_has_its_own_clock(tmp_path):
    lines = [READING.format(4.0, "the sample", f"at {seconds:.1f} s") for seconds in (0.0, 1000.0)]
    record = race.race(entry_of(tmp_path, printing(*lines)), 60.0)
    assert record.curve == [(0.0, 4.0), (1000.0, 4.0)]


def test_a_racer_has_its_variables(tmp_path):
    code = "import os; assert os.environ['NANOCHAT_DTYPE'] == 'float32'"
    entry = entry_of(tmp_path, code)._replace(environment={"NANOCHAT_DTYPE": "float32"})
    assert race.race(entry, 60.0).curve == []


def test_a_racer_that_fails_says_why(tmp_path):
    code = "import sys; print('no more paper'); sys.exit(3)"
    with pytest.raises(RacerError, match=r"ended with 3:\nno more paper"):
        race.race(entry_of(tmp_path, code), 60.0)


def test_a_racer_that_hangs_is_ended(tmp_path):
    with pytest.raises(RacerError, match="did not end in time"):
        race.race(entry_of(tmp_path, "import time; time.sleep(600)"), 0.2)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no groups of processes")
def test_nothing_of_a_racer_is_left(tmp_path, monkeypatch):
    # The child of the shell keeps its output open; reading it ends only when that child is gone.
    monkeypatch.setattr(race, "GRACE_SECONDS", 0.1)
    with pytest.raises(RacerError, match="did not end in time"):
        race.race(Entry(["sh", "-c", "sleep 600 & wait"], tmp_path), 0.2)


def test_an_interrupted_race_ends_its_racer(tmp_path, monkeypatch):
    def interrupt(line):
        raise KeyboardInterrupt

    monkeypatch.setattr(race, "reading_of", interrupt)
    code = "import time; print('step', flush=True); time.sleep(600)"
    with pytest.raises(KeyboardInterrupt):
        race.race(entry_of(tmp_path, code), 60.0)


def test_a_trial_finds_the_time_of_a_step(tmp_path):
    assert race.trial(entry_of(tmp_path, "print('race: 0.250000 s per step')")) == 0.25
    with pytest.raises(RacerError, match="printed no time per step"):
        race.trial(entry_of(tmp_path, "print('nothing')"))


def test_a_racer_that_cannot_run_is_skipped(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(race, "obstacle", lambda name, args: "there is no track")
    args = asked("--only", "nanochat")
    result, failed = race.run_race(TASKS["stories"], args)
    assert result["curves"] == {}
    assert failed == []
    assert "nanochat is skipped: there is no track" in capsys.readouterr().err


def test_a_racer_without_a_measurement_has_failed(tmp_path, monkeypatch, capsys):
    silent = entry_of(tmp_path, "print('done')")
    monkeypatch.setattr(race.Course, "entry", lambda course, name, out: silent)
    result, failed = race.run_race(TASKS["stories"], asked("--only", "autoresearch"))
    assert failed == ["autoresearch"]
    assert result["curves"] == {}
    assert "it printed no measurement:\ndone" in capsys.readouterr().err


def asked(*words):
    return race.arguments(["--task", "stories", "--source", ".", *words])


def test_each_ours_is_a_racer():
    baselines = ["gpt2", "nanogpt", "transformers", "nanochat", "nanochat-small", "autoresearch"]
    args = asked("--ours=--minutes 1", "--ours=--minutes 5")
    assert race.racers_of(args) == ["ours --minutes 1", "ours --minutes 5", *baselines]
    assert race.racers_of(asked()) == ["ours", *baselines]
    assert race.racers_of(asked("--only", "transformers", "ours")) == ["ours", "transformers"]
    args = race.arguments(["--task", "shakespeare", "--source", "."])
    assert race.racers_of(args) == ["ours", "nanogpt", "transformers"]


def test_variants_replace_their_baseline():
    variants = ["autoresearch", "autoresearch --total-batch=4096"]
    words = [word for variant in variants for word in ("--variant", variant)]
    args = asked(*words, "--only", "ours", "nanochat-small", "autoresearch")
    assert race.racers_of(args) == ["ours", "nanochat-small", *variants]


def test_checkouts_come_from_variables(monkeypatch):
    monkeypatch.setenv("SLM_NANOCHAT", "there")
    assert asked().nanochat == Path("there")
    assert asked("--nanochat", "here").nanochat == Path("here")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--source", ".", "--from-json", "a.json"],
        ["--source", "there/is/nothing"],
        ["--source", ".", "--minutes", "0"],
        ["--source", ".", "--variant", "ours --minutes 1"],
        ["--source", ".", "--variant", ""],
        ["--source", ".", "--task", "shakespeare", "--variant", "nanochat --depth=2"],
    ],
)
def test_contradictions_are_refused(words, capsys):
    with pytest.raises(SystemExit):
        race.arguments(words)
    assert "error" in capsys.readouterr().err
