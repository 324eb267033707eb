"""How a run learned, for the web page: its kept checkpoints, their scores, and their texts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slm.errors import CheckpointError
from slm.evals.suite import Score, SuiteResult
from slm.reporting.over_time import LOSS, OverTime, ScoredCheckpoint, write_over_time
from slm.server.limits import Limits
from slm.server.over_time_routes import MODELS_KEPT, over_time_json, over_time_routes

STEPS = (10, 20, 30, 50, 70)


class FakeGenerator:
    """Writes the name of its checkpoint."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def complete(self, prompts: list[str], options: Any) -> list[Any]:
        text = f" {self.path.name}, {options.seed}, {options.max_new_tokens}"
        return [SimpleNamespace(text=text, finish_reason="length")]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for step in STEPS:
        folder = tmp_path / "run" / "ladder" / f"step-{step:06d}"
        folder.mkdir(parents=True)
        (folder / "MANIFEST.json").write_text("{}", encoding="utf-8")
    return tmp_path / "run"


@pytest.fixture
def opened() -> list[str]:
    return []


@pytest.fixture
def client(client_of: Callable[..., Any], run: Path, opened: list[str]) -> Any:
    def open_generator(path: Path) -> FakeGenerator:
        opened.append(path.name)
        if path.name == "step-000070":
            raise CheckpointError(f"{path}: damaged")
        return FakeGenerator(path)

    return client_of(over_time_routes(run, open_generator, Limits()))  # type: ignore[arg-type]


def test_every_checkpoint_continues_a_prompt(client: Any) -> None:
    answer = client.post("/run/continue", json={"step": 30, "prompt": "Mia", "seed": 4})
    assert answer.json() == {"step": 30, "text": " step-000030, 4, 120", "is_whole": False}


def test_only_a_few_stay_in_memory(client: Any, opened: list[str], run: Path) -> None:
    def ask(step: int) -> None:
        assert client.post("/run/continue", json={"step": step, "prompt": ""}).is_success

    ask(10)
    ask(10)
    assert opened == ["step-000010"]
    for step in STEPS[:MODELS_KEPT]:
        ask(step)
    assert len(opened) == MODELS_KEPT
    ask(50)  # in the place of 10
    ask(20)
    assert len(opened) == MODELS_KEPT + 1
    manifest = run / "ladder" / "step-000020" / "MANIFEST.json"
    manifest.unlink()
    manifest.write_text("{} ", encoding="utf-8")  # as a resumed run does
    os.utime(manifest, ns=(1, 1))
    ask(20)
    assert opened[-1] == "step-000020"
    assert len(opened) == MODELS_KEPT + 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"step": 11, "prompt": "x"}, 404),
        ({"step": -1, "prompt": "x"}, 400),
        ({"step": 10, "prompt": "x" * 5_001}, 400),
        ({"step": 10, "prompt": "x", "max_tokens": 501}, 400),
        ({"step": 10, "prompt": "x", "temperature": -1.0}, 400),
        ({"step": 10, "prompt": "x", "path": "/etc"}, 400),
        ({"step": "../10", "prompt": "x"}, 400),
        ({"prompt": "x"}, 400),
    ],
)
def test_other_requests_are_refused(client: Any, body: Any, status: int) -> None:
    answer = client.post("/run/continue", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_a_damaged_checkpoint_is_named_without_its_path(client: Any, run: Path) -> None:
    answer = client.post("/run/continue", json={"step": 70, "prompt": "x"})
    assert answer.status_code == 500
    assert "step 70" in answer.json()["error"]["message"]
    assert str(run) not in answer.text


def test_the_scores_over_the_steps(client: Any, run: Path) -> None:
    assert client.get("/run/over-time").json() == {"steps": list(STEPS), "panels": []}
    checkpoints = []
    for step, bits in ((10, 3.0), (20, 2.0), (30, 1.0)):
        score = Score("bits per byte", bits, bits - 0.1, bits + 0.1, 9)
        result = SuiteResult(LOSS, score, (), 0)
        checkpoints.append(ScoredCheckpoint(step, 0, 0.0, "w", {LOSS: result}))
    write_over_time(run, OverTime(tuple(checkpoints)))
    (panel,) = client.get("/run/over-time").json()["panels"]
    assert panel == {
        "title": "bits per byte",
        "low": 0.0,
        "high": 3.1,
        "chance": None,
        "lines": [
            {
                "name": "bits per byte",
                "half_at_step": 20,
                "points": [[10, 3.0, 2.9, 3.1], [20, 2.0, 1.9, 2.1], [30, 1.0, 0.9, 1.1]],
            }
        ],
    }
    json.dumps(panel, allow_nan=False)


def test_without_a_run(tmp_path: Path) -> None:
    assert over_time_routes(None, FakeGenerator, Limits()) == []  # type: ignore[arg-type]
    assert over_time_json(tmp_path / "nothing") == {"steps": [], "panels": []}
