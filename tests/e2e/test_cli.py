"""The tour of the commands: prepare, train, go on, generate, evaluate, look inside."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from slm.cli import main
from slm.reporting.metrics import read_metrics
from storyworld import story_at

QUICK = ["--set", "threads=1", "eval_tokens=512", "sample_prompts=[]"]
VALIDATION = Path(__file__).parents[3] / "shared" / "tinystories" / "validation.txt"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """An empty folder with a text file; commands run in it."""
    folder = tmp_path_factory.mktemp("tour")
    stories = [story_at(7, index).text for index in range(60)]
    (folder / "stories.txt").write_text("\n<|endoftext|>\n".join(stories), encoding="utf-8")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture
def slm(place, capsys):
    """Runs `slm` in this process and gives stdout and stderr; it must succeed."""

    def run(*words: object) -> tuple[str, str]:
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def trained(place):
    """A run of ten steps on the text file, in `runs/tiny`."""
    words = ["--preset", "tiny", "--source", "stories.txt", "--steps", "10"]
    assert main(["train", *words, *QUICK]) == 0
    return Path("runs/tiny")


def test_prepare_says_what_it_made_and_is_instant_the_second_time(slm):
    words = ["prepare", "--source", "builtin", "--tokenizer", "bpe:300", "--limit", 30]
    first = json.loads(slm(*words, "--out", "here", "--json")[0])

    assert first["data"] == "here"
    assert first["splits"]["train"]["stories"] == 30
    assert first["tokenizer"]["vocab_size"] == 300
    changed = Path("here/train.bin").stat().st_mtime_ns
    out, _ = slm(*words, "--out", "here")
    assert "30 stories" in out
    assert Path("here/train.bin").stat().st_mtime_ns == changed


def test_data_that_prepare_placed_are_found_by_train(slm):
    words = ["--source", "stories.txt", "--tokenizer", "bytes"]
    placed = json.loads(slm("prepare", *words, "--json")[0])["data"]
    out, _ = slm("train", "--preset", "tiny", *words, "--out", "found", "--steps", 1, *QUICK)

    assert "found" in out
    settings = json.loads(Path("found/config.json").read_text("utf-8"))
    assert settings["data"]["data_dir"] == placed
    assert settings["model"]["vocab_size"] == 257
    assert settings["origins"]["model.vocab_size"] == "derived:tokenizer"
    assert settings["origins"]["train.max_steps"] == "flag:--steps"
    assert settings["origins"]["train.threads"] == "set:"


def test_a_run_leaves_all_its_files(trained):
    names = {entry.name for entry in trained.iterdir() if not entry.name.startswith(".")}
    assert names == {"config.json", "metrics.jsonl", "losses.png", "checkpoints", "best"}


def test_stopping_and_going_on_repeats_the_whole_run(slm, trained):
    words = ["--preset", "tiny", "--source", "stories.txt", "--steps", "10", *QUICK]
    slm("train", *words, "--out", "parts", "--stop-after", 4)
    out, err = slm("train", *words, "--out", "parts", "--resume", "--json")

    assert "resuming at step 4" in err
    assert json.loads(out)["step"] == 10

    def losses(run):
        records = read_metrics(run / "metrics.jsonl")
        return [(item["kind"], item["step"], item["loss"]) for item in records]

    assert losses(Path("parts")) == losses(trained)


def test_an_earlier_run_is_set_aside_on_wish(slm, trained):
    words = ["train", "--preset", "tiny", "--source", "stories.txt", "--out", "again", *QUICK]
    slm(*words, "--steps", 1)
    out, err = slm(*words, "--steps", 2, "--fresh", "--json")

    assert "previous-001" in err
    assert json.loads(out)["step"] == 2
    assert Path("again/previous-001/best").is_dir()


@pytest.mark.usefixtures("counted_time")
def test_training_on_prepared_data_by_the_clock(slm):
    slm("prepare", "--source", "stories.txt", "--tokenizer", "chars", "--out", "chars")
    words = ["--preset", "tiny", "--data", "chars", "--out", "clock", "--minutes", 0.005]
    out, _ = slm("train", *words, *QUICK, "--json")

    assert 1 <= json.loads(out)["step"] < 30  # as often as 10 ms go into 0.3 s
    settings = json.loads(Path("clock/config.json").read_text("utf-8"))
    assert settings["data"]["tokenizer"] == "chars"
    assert settings["train"]["max_minutes"] == 0.005


def test_generating_is_repeatable_and_says_how_it_ended(slm, trained):
    words = ["generate", "--checkpoint", trained, "One day", "-n", 3, "--max-new-tokens", 8]
    first = json.loads(slm(*words, "--seed", 5, "--json")[0])
    again = json.loads(slm(*words, "--seed", 5, "--json")[0])

    assert first["texts"] == again["texts"]
    assert len(set(first["texts"])) > 1
    assert all(text.startswith("One day") for text in first["texts"])
    assert {sample["finish_reason"] for sample in first["samples"]} <= {"length", "end"}
    assert first["seed"] == 5
    assert first["prompts"] == ["One day"]
    assert first["tokens_per_second"] > 0


def test_a_single_text_is_streamed_and_equals_the_one_in_json(slm, trained):
    words = ["generate", "--checkpoint", trained, "One day", "--max-new-tokens", 8, "--seed", 5]
    streamed, comments = slm(*words)
    as_json = json.loads(slm(*words, "--json")[0])

    assert streamed == as_json["texts"][0] + "\n"
    assert "seed 5" in comments


def test_prompts_are_printed_as_they_are_whatever_they_end_with(slm, trained, monkeypatch):
    prompts = ["One day ", "One day", "The litt", "Once upon a time\t", "🦊"]
    words = ["generate", "--checkpoint", trained, "--seed", 3, "--max-new-tokens", 12]
    stdin = SimpleNamespace(buffer=io.BytesIO("\n".join(prompts).encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    found = json.loads(slm(*words, "--file", "-", "--stop", r"\n", "--json")[0])

    assert found["options"]["stop"] == ["\n"]
    assert found["prompts"] == prompts
    for prompt, text in zip(prompts, found["texts"], strict=True):
        assert text.startswith(prompt)
        assert "\n" not in text
        assert slm(*words, "--stop", r"\n", prompt)[0] == text + "\n"


def test_several_texts_are_separated(slm, trained, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"A cat\nA dog\n")))
    out, _ = slm("generate", "--checkpoint", trained, "--file", "-", "--max-new-tokens", 4)

    assert out.startswith("--- 1 of 2 ---\nA cat")
    assert "\n--- 2 of 2 ---\nA dog" in out


def test_greedy_text_needs_no_seed(slm, trained):
    words = ["generate", "--checkpoint", trained, "One day", "--temperature", 0, "--json"]
    texts = [json.loads(slm(*words, "--max-new-tokens", 5)[0])["texts"] for _ in range(2)]

    assert texts[0] == texts[1]
    _, err = slm(*words, "--max-new-tokens", 5, "-n", 2)
    assert "note: at temperature 0 all 2 continuations of a prompt are equal" in err
    _, err = slm(*words, "--max-new-tokens", 5)
    assert "note" not in err


def test_evaluating_a_file_scores_all_of_it(slm, trained, place):
    out, err = slm("eval", "--checkpoint", trained, "--source", "stories.txt", "--json")
    result = json.loads(out)

    text = [story_at(7, index).text for index in range(60)]
    assert "whole" in err
    assert result["stories"] == 60
    assert result["bytes"] == sum(len(story.encode()) for story in text)
    assert result["bits_per_byte"] > 0
    assert {"loss", "perplexity", "tokens"} <= result.keys()


@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_evaluating_as_generation_computes(slm, trained):
    words = ["eval", "--checkpoint", trained, "--source", "stories.txt", "--json"]
    plain = json.loads(slm(*words)[0])
    int8 = json.loads(slm(*words, "--dtype", "int8")[0])

    assert (plain["dtype"], int8["dtype"]) == ("float32", "int8")
    assert int8["tokens"] == plain["tokens"]
    assert 0 < abs(int8["loss"] / plain["loss"] - 1) < 0.005


def test_evaluating_splits(slm, trained):
    words = ["eval", "--checkpoint", trained, "--json"]
    held_out = json.loads(slm(*words, "--source", "stories.txt", "--split", "validation")[0])
    training = json.loads(slm(*words, "--source", "stories.txt", "--split", "train")[0])
    settings = json.loads((trained / "config.json").read_text("utf-8"))
    prepared = json.loads(slm(*words, "--data", settings["data"]["data_dir"])[0])

    assert held_out["stories"] + training["stories"] == 60
    assert prepared["loss"] == pytest.approx(held_out["loss"], rel=1e-4)
    assert prepared["bytes"] == held_out["bytes"]


@pytest.mark.skipif(not VALIDATION.is_file(), reason=f"needs {VALIDATION.name} of TinyStories")
@pytest.mark.slow
def test_evaluating_tinystories_scores_every_byte(slm, trained):
    out, _ = slm("eval", "--checkpoint", trained, "--source", VALIDATION, "--json")
    result = json.loads(out)

    assert (result["stories"], result["bytes"]) == (1000, 831_103)


def test_info_of_a_run_a_checkpoint_and_data(slm, trained):
    run = json.loads(slm("info", trained, "--json")[0])
    assert run["kind"] == "run"
    assert run["verified"] is True
    assert run["training"]["step"] == 10
    assert run["training"]["can_resume"] is True
    assert run["checkpoints"] == {"step-000010": "valid"}
    assert run["parameters"]["total"] > 30_000
    assert run["settings"]["train.max_steps"] == {"value": 10, "origin": "--steps"}
    assert run["files"]["model.safetensors"] > 100_000

    best = json.loads(slm("info", trained / "best", "--json")[0])
    assert best["kind"] == "checkpoint"
    assert best["training"]["can_resume"] is False

    data = json.loads(slm("info", run["settings"]["data.data_dir"]["value"], "--json")[0])
    assert data["kind"] == "data"
    assert data["fingerprint"] == run["training"]["data_fingerprint"]

    out, _ = slm("info", trained)
    assert "train.max_steps = 10    (--steps)" in out


def test_presets_in_every_form(slm, tmp_path):
    assert "modern-12m" in slm("presets")[0]
    listed = json.loads(slm("presets", "--json")[0])["presets"]
    assert listed["modern-12m"]["default"] is True
    text, _ = slm("presets", "tiny")
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    assert json.loads(slm("presets", "tiny", "--json")[0])["model"]["n_embd"] == 32
    assert "learning_rate" in slm("presets", "--settings")[0]
    assert "train.seed" in json.loads(slm("presets", "--settings", "--json")[0])


def test_bench_measures_a_step(slm, trained):
    words = ["bench", "train", "--preset", "tiny", "--steps", 2, "--set", "threads=1"]
    figures = json.loads(slm(*words, "--json")[0])
    assert figures["tokens_per_second"] > 0
    assert figures["tokens_per_step"] == 512
    assert 0 < figures["utilization"] < 1
    assert figures["seconds_by_part"]["mlp"] > 0
    shown = slm(*words, "--quick")[0]
    assert "tokens per second" in shown
    assert "utilization" not in shown

    settings = json.loads((trained / "config.json").read_text("utf-8"))
    slm(*words, "--quick", "--data", settings["data"]["data_dir"])


def test_bench_measures_generation(slm):
    words = ["bench", "generate", "--preset", "tiny", "--no-peers", "--rounds", 1, "--streams", 2]
    words += ["--dtype", "float32"]
    figures = json.loads(slm(*words, "--json")[0])
    assert list(figures["speeds"]) == ["slm float32"]
    assert figures["speeds"]["slm float32"]["together"] > 0
    assert figures["seconds_to_first_token"] > 0
    assert figures["ratios"] == []
    assert main(["bench", "generate", "--dtype", "bf16"]) == 2


@pytest.mark.slow
def test_two_processes_train_together(trained, place):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    words = ["--preset", "tiny", "--source", "stories.txt", "--steps", "4", "--out", "together"]
    outcome = subprocess.run(
        [*torchrun, "--nproc-per-node", "2", "-m", "slm", "train", *words, "--json", *QUICK],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )

    assert outcome.returncode == 0, outcome.stderr
    assert json.loads(outcome.stdout)["tokens"] == 4 * 2 * 512
    assert outcome.stderr.count("2 processes share each step") == 1
    assert main(["info", "together"]) == 0
