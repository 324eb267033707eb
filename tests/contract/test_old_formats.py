"""What every released version wrote is read for ever: prepared data, runs, model files, tokenizers.

The fixtures were made by `tests/fixtures/make_fixtures.py` when their version was new.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.checkpoint import load_checkpoint, newest_checkpoint, resolve_checkpoint
from slm.cli import main as slm
from slm.data.shards import DataDirectory
from slm.interop.model_file import load_model_file, load_weights
from slm.model import GPT
from slm.reporting.metrics import read_metrics
from slm.tokenizer import load_tokenizer
from tests.fixtures.make_fixtures import (
    HERE,
    IDS,
    LARGEST,
    N_LOGITS,
    TEXT,
    logits,
    main,
    stories,
)

VERSIONS = sorted(entry.name for entry in HERE.glob("v*"))
pytestmark = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture
def expected(version: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((HERE / version / "expected.json").read_text("utf-8"))
    return content


@pytest.fixture
def copy(version: str, tmp_path: Path) -> Path:
    """The fixtures at a place where they may be changed."""
    return Path(shutil.copytree(HERE / version, tmp_path / version))


def test_prepared_data(version: str, expected: dict[str, Any]) -> None:
    data = DataDirectory.open(HERE / version / "data")
    assert data.fingerprint == expected["fingerprint"]
    assert stories(data)[0].decode("utf-8") == expected["first_story"]
    assert data.tokens("validation").size == data.split("validation").tokens
    assert data.split("train").stories == len(stories(data))


def test_tokenizers(version: str, expected: dict[str, Any]) -> None:
    for name, what in expected["tokenizers"].items():
        tokenizer = load_tokenizer(HERE / version / "tokenizers" / f"{name}.json")
        assert tokenizer.fingerprint == what["fingerprint"]
        assert tokenizer.encode(TEXT) == what["ids"]
        assert tokenizer.decode(what["ids"]) == TEXT


def test_checkpoints_give_the_same_logits(version: str, expected: dict[str, Any]) -> None:
    run = HERE / version / "run"
    for place, values in expected["logits"].items():
        assert logits(HERE / version / place) == pytest.approx(values, abs=1e-4)
    newest = newest_checkpoint(run, log=pytest.fail)
    assert newest is not None
    assert newest.optimizer_state
    best = load_checkpoint(resolve_checkpoint(run))
    assert best.tokenizer.fingerprint == newest.tokenizer.fingerprint


def test_the_model_file_gives_the_same_logits(version: str, expected: dict[str, Any]) -> None:
    path = HERE / version / "best_model.pt"
    found = load_model_file(path)
    assert found.config is not None
    assert found.tokenizer is not None
    model = GPT(found.config).eval()
    load_weights(model, found.weights, where=path, config=found.config)
    with torch.no_grad():
        values, _ = model(torch.tensor(IDS))
    assert values is not None
    assert values[0, -1, :N_LOGITS].tolist() == pytest.approx(
        expected["logits"]["run/best"], abs=1e-4
    )


def test_a_run_goes_on(copy: Path, version: str) -> None:
    before = newest_checkpoint(copy / "run")
    assert before is not None
    step = before.state.step
    records = len(read_metrics(copy / "run" / "metrics.jsonl"))
    assert records
    command = ["train", "--resume", "--out", str(copy / "run"), "--data", str(copy / "data")]
    assert slm([*command, "--steps", str(step + 1)]) == 0
    after = newest_checkpoint(copy / "run", log=pytest.fail)
    assert after is not None
    assert after.state.step == step + 1
    assert len(read_metrics(copy / "run" / "metrics.jsonl")) > records
    changed = [
        name
        for name, weights in after.model_state.items()
        if not torch.equal(weights, before.model_state[name])
    ]
    assert changed


def test_a_story_is_told(version: str, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(HERE / version / "run")
    assert slm(["generate", "--checkpoint", place, "One day", "--max-new-tokens", "3"]) == 0
    assert capsys.readouterr().out.startswith("One day")


def test_fixtures_are_small_and_never_made_again(version: str) -> None:
    files = [file for file in (HERE / version).rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < LARGEST
    with pytest.raises(SystemExit, match="never made again"):
        main(version)
