"""The original's interface, as its description has it: the script, and the names to import."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from slm.cli.original import EXAMPLE_PROMPTS, main

ROOT = Path(__file__).parents[2]
QUICK = [
    *("--source", "builtin", "--preset", "tiny", "--steps", "6"),
    *("--set", "limit=60", "threads=1", "eval_interval=3", "eval_tokens=512", "sample_prompts=[]"),
]
TINY = ["--preset", "tiny", "--set"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder in which the script was run once, as a process of its own."""
    folder = tmp_path_factory.mktemp("original")
    outcome = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *QUICK],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    (folder / "stdout.txt").write_text(outcome.stdout, encoding="utf-8")
    (folder / "stderr.txt").write_text(outcome.stderr, encoding="utf-8")
    return folder


@pytest.fixture
def script(place, monkeypatch, capsys):
    """Runs the script in this process, in that folder: exit code, stdout, stderr."""
    monkeypatch.chdir(place)

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(words)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_the_script_prepares_trains_and_tells_three_stories(place):
    for name in ("data/train.bin", "data/validation.bin", "models/best_model.pt"):
        assert (place / name).is_file()
    assert (place / "models" / "losses.png").read_bytes().startswith(b"\x89PNG")
    out = (place / "stdout.txt").read_text("utf-8")
    assert [line for line in out.splitlines() if line.startswith("--- ")] == [
        f"--- {prompt} ---" for prompt in EXAMPLE_PROMPTS
    ]
    comments = (place / "stderr.txt").read_text("utf-8")
    assert comments.count("training loss") >= 2
    assert comments.count("validation loss") >= 2


def test_no_train_tells_stories_of_the_saved_model_whatever_the_preset(script, place):
    before = (place / "models" / "best_model.pt").read_bytes()
    code, out, err = script("--no-train")

    assert code == 0, err
    assert out == (place / "stdout.txt").read_text("utf-8")
    assert "untrained" not in err
    assert (place / "models" / "best_model.pt").read_bytes() == before


def test_no_train_without_a_saved_model_says_so(script):
    code, out, err = script("--no-train", "--output-dir", "empty", *QUICK)

    assert code == 0, err
    assert "untrained" in err
    assert out.count("--- ") == 3


def test_no_train_with_a_saved_model_needs_no_network(script, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    code, out, err = script("--no-train", "--data-dir", "nothing")

    assert code == 0, err
    assert out.count("--- ") == 3


def test_force_reload_tokenizes_again_and_a_second_run_sets_the_first_aside(script, place):
    prepared = place / "data" / "train.bin"
    before = prepared.stat().st_mtime_ns
    code, _, err = script(*QUICK, "--output-dir", "second")
    assert code == 0, err
    assert prepared.stat().st_mtime_ns == before

    code, _, err = script(*QUICK, "--output-dir", "second", "--force-reload")
    assert code == 0, err
    assert prepared.stat().st_mtime_ns > before
    assert (place / "second" / "previous-001" / "best_model.pt").is_file()
    assert (place / "second" / "best_model.pt").is_file()


def test_what_is_in_the_data_directory_is_said_and_recorded(script, place):
    """Without --source, --tokenizer or --preset, prepared data are taken as they are."""
    sizes = ["n_layer=1", "n_head=2", "n_embd=16", "block_size=32", "batch_size=2", "threads=1"]
    words = ["--output-dir", "plain", "--steps", "1", "--set", *sizes, "eval_tokens=64"]
    before = (place / "data" / "meta.json").read_bytes()

    code, _, err = script(*words, "sample_prompts=[]")

    assert code == 0, err
    assert "note: data contains builtin with the tokenizer bpe:512, not roneneldan" in err
    settings = json.loads((place / "plain" / "config.json").read_text("utf-8"))
    assert settings["data"]["source"] == "builtin"
    assert settings["data"]["tokenizer"] == "bpe:512"
    assert settings["data"]["limit"] == 60
    assert (place / "data" / "meta.json").read_bytes() == before


def test_a_preset_that_is_named_has_its_own_data(script, place):
    (place / "swapped").mkdir()
    words = ["--data-dir", "swapped/data", "--output-dir", "swapped/models", "--steps", "1"]
    quick = ["threads=1", "eval_tokens=64", "sample_prompts=[]"]
    code, _, err = script(*words, "--source", "builtin", "--tokenizer", "bytes", *TINY, *quick)
    assert code == 0, err

    code, _, err = script(*words, *TINY, *quick)

    assert code == 0, err
    assert "replacing the data in swapped/data (made from builtin with the tokenizer bytes)" in err
    settings = json.loads((place / "swapped" / "models" / "config.json").read_text("utf-8"))
    assert settings["data"]["tokenizer"] == "bpe:512"


def test_other_directories(script, place):
    words = ["--data-dir", "other/data", "--output-dir", "other/models"]
    code, _, err = script(*QUICK, *words)

    assert code == 0, err
    assert (place / "other" / "data" / "meta.json").is_file()
    assert (place / "other" / "models" / "best_model.pt").is_file()


def test_mistakes_are_two_lines(script):
    code, out, err = script("--epochs", "3")

    assert (code, out) == (2, "")
    assert err.splitlines()[0] == "error: train.py has no option --epochs"


IMPORTS = """\
from slm.config import ModelConfig, TrainingConfig, get_default_configs
from slm.model import GPT, GPTConfig
from slm import DataLoader, Trainer
"""
EXAMPLE = """\
model_config, training_config = get_default_configs()
data_loader = DataLoader(
    batch_size=training_config.batch_size,
    block_size=training_config.block_size,
    device=training_config.device
)
gpt_config = GPTConfig(
    vocab_size=model_config.vocab_size,
    block_size=model_config.block_size,
    n_layer=model_config.n_layer,
    n_head=model_config.n_head,
    n_embd=model_config.n_embd,
    dropout=model_config.dropout,
    bias=model_config.bias
)
model = GPT(gpt_config)
trainer = Trainer(model, data_loader, training_config.__dict__)
"""


@pytest.fixture
def small_defaults(tmp_path, monkeypatch, capsys):
    """A folder with prepared data and a trained model, and default sizes that fit them."""
    from slm import config

    monkeypatch.chdir(tmp_path)
    sizes = {"n_layer": 1, "n_head": 2, "n_embd": 32, "block_size": 64}
    chosen = [f"{key}={value}" for key, value in sizes.items()]
    quick = ["--source", "builtin", "--tokenizer", "bpe:512", "--steps", "4", "--set", "limit=60"]
    more = ["batch_size=4", "eval_tokens=512", "threads=1", "sample_prompts=[]"]
    assert main([*quick, *more, *chosen]) == 0
    defaults = config.get_default_configs

    def small():
        model, training = defaults()
        quick = {"max_steps": 3, "eval_tokens": 256, "threads": 1, "sample_prompts": ()}
        return (
            model.changed(vocab_size=512, **sizes),
            training.changed(batch_size=4, block_size=64, **quick),
        )

    monkeypatch.setattr(config, "get_default_configs", small)
    capsys.readouterr()
    return tmp_path


def test_the_example_of_the_original_word_for_word(small_defaults):
    names: dict[str, object] = {}
    exec(IMPORTS + EXAMPLE, names)

    result = names["trainer"].train()

    assert result.step == 3
    assert names["training_config"].block_size == names["model_config"].block_size
    assert isinstance(names["model_config"], names["ModelConfig"])
    assert isinstance(names["training_config"], names["TrainingConfig"])
    story = names["trainer"].generate_text("Once upon a time", max_new_tokens=5)
    assert story.startswith("Once upon a time")
    assert (small_defaults / "models" / "best_model.pt").is_file()


def test_a_batch_can_be_had_with_the_original_s_device(small_defaults):
    """Which is `auto`: a name of ours, and not one of PyTorch's."""
    names: dict[str, object] = {}
    exec(IMPORTS + EXAMPLE.partition("gpt_config")[0], names)
    x, y = names["data_loader"].get_batch("train")
    assert x.shape == y.shape == (4, 64)


def test_the_example_of_the_readme(small_defaults, capsys):
    """Word for word; only the default sizes are smaller, and the model was trained just before."""
    page = (ROOT / "README.md").read_text("utf-8").partition("## The original interface")[2]
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    capsys.readouterr()

    exec(example, {})

    assert capsys.readouterr().out.startswith("Once upon a time")
