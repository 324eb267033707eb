"""A small corpus, a trained model, and the command line in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from slm.cli import main

STORIES = [
    f"One day, {name} found a {thing} near the {place}. {name} was happy and took it home."
    for name in ("Anna", "Ben", "Cleo", "Dan")
    for thing in ("ball", "shell", "red hat", "bell", "kite")
    for place in ("river", "old tree", "school")
]

TINY = ["--preset", "tiny", "--set", "threads=1", "eval_tokens=256", "sample_prompts=[]"]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """Sixty stories as a text file."""
    path = tmp_path_factory.mktemp("corpus") / "stories.txt"
    path.write_text("\n<|endoftext|>\n".join(STORIES), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def data_dir(corpus, tmp_path_factory) -> Path:
    """The corpus as bytes."""
    path = tmp_path_factory.mktemp("data") / "bytes"
    assert (
        main(["prepare", "--source", str(corpus), "--tokenizer", "bytes", "--out", str(path)]) == 0
    )
    return path


@pytest.fixture(scope="session")
def run_dir(data_dir, tmp_path_factory) -> Path:
    """A run of two steps."""
    path = tmp_path_factory.mktemp("runs") / "tiny"
    assert main(["train", *TINY, "--data", str(data_dir), "--out", str(path), "--steps", "2"]) == 0
    return path
