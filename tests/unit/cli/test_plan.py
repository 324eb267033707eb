"""`slm train --minutes M`: the plan is told, printed alone with `--plan`, and followed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from slm.cli import main
from slm.planning import plan as planning
from slm.planning import restating
from slm.planning.steps import MachineProfile

SLOW = MachineProfile("cpu", "float32", 0.02, has_compiler=False, memory_bytes=16 * 10**9)


@pytest.fixture(autouse=True)
def _on_a_slow_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(planning, "probe_machine", lambda settings, minutes, **more: SLOW)
    monkeypatch.chdir(tmp_path)
    stories = "\n<|endoftext|>\n".join(f"Story {n} of a cat and a dog." for n in range(4000))
    Path("stories.txt").write_text(stories)


def test_the_plan_alone_makes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--minutes", "2", "--source", "stories.txt", "--plan"]) == 0
    out, err = capsys.readouterr()
    rows = dict(line.split(None, 1) for line in out.splitlines())
    assert rows["minutes"].startswith("2, until ")
    assert rows["model"].endswith("2 layers of width 128, 2 heads")
    assert rows["tokenizer"] == "bpe:512"  # for so little text
    assert "bits per byte" in rows["expected"]
    assert "expect little" in err
    assert sorted(path.name for path in Path().iterdir()) == ["stories.txt"]


def test_of_the_built_in_corpus_as_much_is_read_as_will_be_seen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["train", "--minutes", "2", "--source", "builtin", "--plan"]) == 0
    assert ", from the first 4,577 stories of builtin" in capsys.readouterr().out
    assert main(["train", "--minutes", "2", "--source", "builtin", "--limit", "9", "--plan"]) == 0
    assert "epochs" in capsys.readouterr().out


def test_the_plan_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--minutes", "30", "--source", "stories.txt", "--plan", "--json"]
    assert main([*words, "--set", "batch_size=5"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["minutes"] == 30
    assert plan["settings"]["train"]["batch_size"] == 5
    assert plan["epochs"] > 0


@pytest.mark.parametrize(
    "words",
    [["--plan"], ["--plan", "--steps", "5"], ["--plan", "--minutes", "1", "--preset", "tiny"]],
)
def test_a_plan_needs_minutes_and_no_preset(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words]) == 2
    assert "--plan needs --minutes" in capsys.readouterr().err


def test_a_plan_is_for_one_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert main(["train", "--minutes", "5", "--plan", "--source", "stories.txt"]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: --plan is for one process, and there are 2")
    assert hint == "hint: run the command without torchrun"


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "1e9", "many"])
def test_minutes_that_cannot_be(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--minutes", minutes, "--plan"]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert "--minutes" in error
    assert hint.startswith("hint: ")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--tokenizer", "bpe:12"], "bpe:12"),
        (["--tokenizer", "nowhere"], "nowhere"),
        (["--set", "document_masking=sentence"], "must be true or false"),
        (["--source", "nowhere.txt"], "nowhere.txt"),
        (["--resume"], "--plan needs --minutes"),
        (["--config", "nowhere.toml"], "--plan needs --minutes"),
        (["--steps", "5"], "--steps and --minutes"),
    ],
)
def test_other_mistakes(words: list[str], found: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--minutes", "5", "--plan", "--source", "stories.txt", *words]) == 2
    error, hint = capsys.readouterr().err.splitlines()[-2:]
    assert error.startswith("error: ")
    assert found in error
    assert hint.startswith("hint: ")


def test_a_text_of_three_words(capsys: pytest.CaptureFixture[str]) -> None:
    Path("three.txt").write_text("one two three\n")
    words = ["train", "--minutes", "30", "--source", "three.txt"]
    assert main([*words, "--plan"]) == 0
    out, err = capsys.readouterr()
    rows = dict(line.split(None, 1) for line in out.splitlines())
    assert rows["model"].endswith("2 layers of width 128, 2 heads")
    assert "bits per byte, on stories for children" in rows["expected"]
    assert "the text has about 6 tokens, and a block 256: that is too little to train on" in err


def test_a_long_plan_ends_on_a_day(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--minutes", "1e6", "--plan", "--json", "--source", "stories.txt"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["minutes"] == 1e6
    words.remove("--json")
    assert main(words) == 0
    minutes = capsys.readouterr().out.splitlines()[0]
    assert re.fullmatch(r"minutes +1,000,000, until \d{4}-\d\d-\d\d \d\d:\d\d", minutes)


def test_two_lengths_contradict_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--minutes", "5", "--plan", "--json", "--source", "stories.txt"]
    assert main([*words, "--set", "max_minutes=3"]) == 2
    assert "--minutes and --set max_minutes=3 contradict" in capsys.readouterr().err


def test_a_length_that_is_set_alone_is_no_plan(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--plan", "--source", "stories.txt", "--set", "max_minutes=3"]
    assert main(words) == 2
    assert "--plan needs --minutes" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("counted_time")
def test_a_run_follows_its_plan(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["n_embd=32", "n_head=1", "n_layer=1", "block_size=64", "seq_len_warmup=32"]
    words = ["train", "--minutes", "0.1", "--source", "stories.txt", "--json", "--set", *small]
    assert main([*words, "sample_prompts=[]"]) == 0
    out, err = capsys.readouterr()
    assert "bits per byte, on stories for children" in err
    run = Path("runs/0.1-minutes")
    result, plan = json.loads(out), json.loads((run / "plan.json").read_text())
    assert result["expected_bits_per_byte"] == plan["expected_bits_per_byte"]
    assert result["step"] >= 1
    saved = json.loads((run / "config.json").read_text())
    assert saved["model"]["n_embd"] == 32
    assert saved["origins"]["train.eval_interval"] == "plan:0.1 minutes"
    # The same plan by steps is the same run every time.
    again = ["train", "--config", str(run / "config.json"), "--steps", "3", "--json"]
    losses = []
    for name in ("a", "b"):
        assert main([*again, "--out", name]) == 0
        losses.append(json.loads(capsys.readouterr().out)["validation_loss"])
    assert losses[0] == losses[1]


def test_a_run_that_turns_out_otherwise_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe promised a machine that makes a step in hours; this one is faster."""
    promised = replace(SLOW, relative_speed=1e-6)
    monkeypatch.setattr(planning, "probe_machine", lambda settings, minutes, **more: promised)
    monkeypatch.setattr(restating, "WINDOW_SHARE", 0.0)
    small = [
        "n_embd=32",
        "n_head=1",
        "n_layer=1",
        "block_size=64",
        "compile=off",
        "seq_len_warmup=none",
    ]
    words = ["train", "--minutes", "20", "--source", "stories.txt", "--out", "run"]
    assert main([*words, "--set", *small, "sample_prompts=[]", "--stop-after", "3", "--json"]) == 0
    out, err = capsys.readouterr()
    result, plan = json.loads(out), json.loads(Path("run/plan.json").read_text())
    assert "note: a step takes " in err
    assert " steps instead of 1, and " in err
    (restated, *_) = plan["restatements"]
    assert result["expected_bits_per_byte"] == plan["expected_bits_per_byte"]
    assert result["expected_steps"] == plan["steps"]
    last = plan["restatements"][-1]
    assert result["restated_steps"] == last["steps"] > plan["steps"]
    assert result["restated_bits_per_byte"] == last["expected_bits_per_byte"]
    assert last["expected_bits_per_byte"] <= plan["expected_bits_per_byte"]
    # The summary for people, of the resumed run.
    assert main(["train", "--resume", "--out", "run", "--stop-after", "1"]) == 0
    rows = capsys.readouterr().out
    assert "bits per byte in 1 step, as" in rows
    assert "as restated" in rows
    assert restated["step"] >= 2
