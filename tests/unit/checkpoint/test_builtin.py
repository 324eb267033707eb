"""The model that comes with the package, if this copy of it has one."""

from __future__ import annotations

from pathlib import Path

import pytest

from slm.checkpoint import load_checkpoint
from slm.checkpoint.builtin import builtin_checkpoint, has_builtin
from slm.errors import UsageError
from slm.generation import GenerationOptions, load_generator

LARGEST_BYTES = 6_000_000
LARGEST_PARAMETERS = 5_000_000


def test_an_installation_without_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("slm.checkpoint.builtin._DIRECTORY", tmp_path)
    assert not has_builtin()
    with pytest.raises(UsageError, match="no built-in model") as caught:
        builtin_checkpoint()
    assert caught.value.hint == "give a run directory: the --out of a training"


def test_it_is_small_and_says_what_it_is_and_tells_no_paths() -> None:
    folder = builtin_checkpoint()
    assert sum(file.stat().st_size for file in folder.iterdir()) <= LARGEST_BYTES
    checkpoint = load_checkpoint(folder)
    assert checkpoint.weights_dtype == "int8"
    assert not checkpoint.has_optimizer_state
    assert sum(w.size for w in checkpoint.weights().values()) <= LARGEST_PARAMETERS
    card = checkpoint.card
    assert card is not None
    assert all(card.lines().get(name) for name in card.__dataclass_fields__)
    assert (card.license, "CDLA-Sharing-1.0" in card.data) == ("MIT", True)
    assert "bits per byte" in card.evaluation
    for file in folder.glob("*.json"):
        text = file.read_text("utf-8")
        assert not any(folder in text for folder in ("/tmp/", "/home/", "/work/", "/root/")), file
    assert checkpoint.config.started_in is None


def test_it_writes_words() -> None:
    checkpoint = load_checkpoint(builtin_checkpoint())
    options = GenerationOptions(max_new_tokens=60, temperature=0.0, seed=0)
    completion = load_generator(checkpoint, device="cpu").complete(["Once upon a time"], options)[0]
    assert completion.text.startswith((",", " there"))
    assert len(set(completion.text.split())) > 15
