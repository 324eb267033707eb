"""The original's interface, as its description has it: the script, and the names to import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from slm.cli.original import EXAMPLE_PROMPTS, main

ROOT = Path(__file__).parents[2]
QUICK = [
    *("--source", "builtin", "--preset", "tiny", "--steps", "6"),
    *("--set", "limit=60", "threads=1", "eval_interval=3", "eval_tokens=512", "sample_prompts=[]"),
]

EXAMPLE = """
from slm import DataLoader, GPT, GPTConfig, Trainer, get_default_configs

model_config, training_config = get_default_configs()
model_config = model_config.changed(vocab_size=8192)

data_loader = DataLoader(
    batch_size=training_config.batch_size,
    block_size=model_config.block_size,
    device="cpu",
)
gpt_config = GPTConfig(
    vocab_size=model_config.vocab_size,
    block_size=model_config.block_size,
    n_layer=model_config.n_layer,
    n_head=model_config.n_head,
    n_embd=model_config.n_embd,
    dropout=model_config.dropout,
    bias=model_config.bias,
)
model = GPT(gpt_config)
trainer = Trainer(model, data_loader, training_config.__dict__)
trainer.load_best_model("models/best_model.pt")
text = trainer.generate_text("Once upon a time", max_new_tokens=100, temperature=0.7, top_k=50)
"""


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


def test_the_example_of_the_readme(place, monkeypatch):
    """Word for word, with the small model's sizes as the defaults."""
    monkeypatch.chdir(place)
    from slm.train.best_model_file import load_model_file

    trained = load_model_file(Path("models/best_model.pt")).config
    assert trained is not None
    names: dict[str, object] = {}
    shape = trained.__dict__
    source = EXAMPLE.replace(
        "model_config.changed(vocab_size=8192)", "model_config.changed(**shape)"
    ).replace("bias=model_config.bias,", "bias=model_config.bias, **modern,")
    modern = {
        key: shape[key]
        for key in ("norm", "norm_eps", "position", "mlp", "mlp_dim", "qk_norm", "rope_theta")
    }
    names.update(shape=shape, modern=modern)
    exec(source, names)

    text = names["text"]
    assert isinstance(text, str)
    assert text.startswith("Once upon a time")
    assert len(text) > len("Once upon a time")


def test_the_example_of_the_readme_with_the_gpt2_family(tmp_path, monkeypatch):
    """The defaults as they are, but for the size: a GPT-2 of that shape, trained in seconds."""
    monkeypatch.chdir(tmp_path)
    shape = ["n_layer=2", "n_head=2", "n_embd=32", "block_size=64", "vocab_size=512"]
    words = ["--preset", "gpt2", "--tokenizer", "bpe:512", "--source", "builtin", "--steps", "2"]
    quick = ["limit=60", "threads=1", "batch_size=2", "eval_tokens=512", "sample_prompts=[]"]
    assert main([*words, "--set", *shape, *quick]) == 0

    small = {
        "get_default_configs()": "small_configs()",
        "model_config = model_config.changed(vocab_size=8192)\n": "",
    }
    source = EXAMPLE
    for old, new in small.items():
        source = source.replace(old, new)

    def small_configs():
        from slm import get_default_configs

        model_config, training_config = get_default_configs()
        sizes = {name: int(value) for name, _, value in (pair.partition("=") for pair in shape)}
        return model_config.changed(**sizes), training_config

    names: dict[str, object] = {"small_configs": small_configs}
    exec(source, names)

    assert str(names["text"]).startswith("Once upon a time")
    model = names["model"]
    ids = model.generate(  # type: ignore[attr-defined]
        torch.zeros(1, 1, dtype=torch.long), max_new_tokens=3, temperature=0.7, top_k=5
    )
    assert ids.shape == (1, 4)


def test_constructing_a_data_loader_touches_no_file(tmp_path):
    from slm import DataLoader

    missing = tmp_path / "nothing"
    DataLoader(batch_size=2, block_size=4, device="cpu", data_dir=missing)
    assert not missing.exists()
