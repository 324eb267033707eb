"""What the racers are called with, and why one is skipped."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import race
import racers
from held_out import Texts, cut, first_chars
from race_meter import read_held_out

STORIES = [f"Mia saw {number} birds. She told Tom." for number in range(40)]
SCRIPT = """
# train tokenizer: python -m scripts.tok_train --old
python -m nanochat.dataset -n 8
python -m scripts.tok_train --max-chars=2000000000
python -m scripts.base_train \\
    --depth=6 \\
    --max-seq-len=64 \\
    --eval-every=100 \\
    --run=$WANDB_RUN
"""


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "stories"
    folder.mkdir()
    for split in ("train", "validation"):
        (folder / f"{split}.txt").write_text("\n<|endoftext|>\n".join(STORIES))
    return folder


@pytest.fixture
def course_of(source, tmp_path):
    def make(*words, pace=0.5):
        args = race.arguments(["--source", str(source), *words])
        out = tmp_path / "race"
        out.mkdir()
        return racers.Course(args, out, run_trial=lambda entry: pace)

    return make


def words_after(command, separator="--"):
    return command[command.index(separator) + 1 :]


def test_documents_are_taken_up_to_a_length():
    assert first_chars(["abc", "def", "ghi"], 5) == ["abc", "de"]
    assert first_chars(["abc"], 5) == ["abc"]


def test_each_document_begins_and_ends_at_a_boundary():
    held_out = cut(["ab", "c"], [np.array([1, 2]), np.array([3])], boundary=0, block_size=8)
    assert held_out.n_bytes == 3
    assert held_out.windows == [([0, 1, 2, 0], 0), ([0, 3, 0], 0)]


def test_every_racer_is_measured_on_the_same_text(course_of):
    course = course_of()
    small, large = (
        read_held_out(course.held_out(tokenizer, 16)) for tokenizer in ("bytes", "bpe:300")
    )
    for part in (0, 1):
        assert small[part].n_bytes == large[part].n_bytes
        assert len(small[part].windows) > len(large[part].windows)
    assert Texts.from_documents(STORIES).all == STORIES == course.texts().all


def test_words_of_ours_go_to_slm_train_with_the_text(course_of, tmp_path):
    entry = course_of().entry("ours --minutes 1", tmp_path)
    assert "--all-counts" in entry.command
    command = words_after(entry.command)
    assert command[:3] == ["-m", "slm", "train"]
    assert command[-2:] == ["--minutes", "1"]
    assert "--data" not in command
    assert "--preset" not in command


def test_a_preset_trains_on_prepared_data(course_of, tmp_path):
    command = words_after(course_of("--minutes", "3").entry("ours", tmp_path).command)
    assert command[command.index("--preset") + 1] == "modern-12m"
    assert command[command.index("--minutes") + 1] == "3.0"
    assert Path(command[command.index("--data") + 1], "meta.json").is_file()


def checkout_of(tmp_path, files):
    for name, content in files.items():
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "checkout"


def test_nanogpt_decays_within_the_race(course_of, tmp_path, monkeypatch):
    files = {"train.py": "", "data/shakespeare_char/prepare.py": ""}
    checkout = checkout_of(tmp_path, files)
    course = course_of("--nanogpt", str(checkout), "--minutes", "2")
    task = dataclasses.replace(racers.TASKS["stories"], their_tokenizer="bytes")
    monkeypatch.setitem(racers.TASKS, "stories", task)
    entry = course.entry("nanogpt", tmp_path / "out")
    assert {"--max_iters=240", "--lr_decay_iters=240"} <= set(entry.command)
    data = entry.where / "data/shakespeare_char"
    assert {path.name for path in data.iterdir()} >= {"train.bin", "val.bin", "meta.pkl"}
    assert entry.where != checkout


def test_nanochat_has_the_flags_of_its_recipe(course_of, tmp_path):
    assert racers.flags_in(SCRIPT, "scripts.tok_train") == {"max-chars": "2000000000"}
    checkout = checkout_of(tmp_path, {"runs/runcpu.sh": SCRIPT})
    course = course_of("--nanochat", str(checkout))
    base = course.folder / "nanochat-files"
    base.mkdir()
    (base / "held-out.json").write_text("{}")
    entry = course.entry("nanochat", tmp_path)
    command = words_after(entry.command)
    assert command[:4] == ["-m", "scripts.base_train", "--depth=6", "--max-seq-len=64"]
    assert "--eval-every=-1" in command
    assert "--run=dummy" in command
    assert not any(word.startswith("--num-iterations") for word in command)
    assert entry.where == checkout
    assert entry.environment["NANOCHAT_BASE_DIR"] == str(base)


def test_small_nanochat_trains_as_many_steps_as_fit(course_of, tmp_path):
    checkout = checkout_of(tmp_path, {"runs/runcpu.sh": ""})
    course = course_of("--nanochat", str(checkout), "--minutes", "1", pace=0.25)
    base = course.folder / "nanochat-small-files"
    base.mkdir()
    (base / "held-out.json").write_text("{}")
    assert "--num-iterations=240" in course.entry("nanochat-small", tmp_path).command


def test_a_variant_has_more_arguments(course_of, tmp_path):
    course = course_of()
    entry = course.entry("autoresearch --total-batch=4096", tmp_path)
    assert entry.command[-1] == "--total-batch=4096"
    assert entry.command[:-1] == course.entry("autoresearch", tmp_path).command


def test_a_recipe_without_the_call_is_an_error():
    with pytest.raises(racers.RacerError, match=r"does not call scripts\.base_train"):
        racers.flags_in("echo hello", "scripts.base_train")


def test_why_a_racer_is_skipped(tmp_path, monkeypatch):
    monkeypatch.delenv("SLM_NANOCHAT", raising=False)
    args = race.arguments(["--source", "."])
    assert "--nanochat FOLDER, or SLM_NANOCHAT" in racers.obstacle("nanochat-small", args)
    assert racers.obstacle("ours", args) is None
    args.nanochat = tmp_path
    assert "runs/runcpu.sh is missing" in racers.obstacle("nanochat", args)
    checkout = checkout_of(tmp_path, {"runs/runcpu.sh": ""})
    monkeypatch.setattr(racers, "NANOCHAT_NEEDS", ("json", "no_such_module"))
    args.nanochat = checkout
    assert f"{sys.executable} lacks no_such_module" in racers.obstacle("nanochat", args)
    monkeypatch.setattr(racers, "NANOCHAT_NEEDS", ("json",))
    assert racers.obstacle("nanochat", args) is None


def test_a_checkout_has_its_own_environment(tmp_path):
    assert racers.python_of(tmp_path) == sys.executable
    checkout = checkout_of(tmp_path, {".venv/bin/python": "", ".venv/Scripts/python.exe": ""})
    assert Path(racers.python_of(checkout)).is_relative_to(checkout)


def test_texts_survive_their_file(tmp_path):
    texts = Texts(["a"], ["a", "b"])
    texts.write(tmp_path / "texts.json")
    assert Texts.read(tmp_path / "texts.json") == texts
    assert json.loads((tmp_path / "texts.json").read_text())["sample"] == ["a"]
