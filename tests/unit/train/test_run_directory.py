"""What happens to a run that is already in the directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from slm.errors import UsageError
from slm.train.run_directory import RUN_FILES, holds_run, make_room

WHAT_A_RUN_LEAVES = ["best/model.safetensors", "checkpoints/step-000010/x", "best_model.pt"]


def put(directory: Path, *names: str) -> None:
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")


@pytest.mark.parametrize("name", WHAT_A_RUN_LEAVES)
def test_refusing(tmp_path: Path, name: str) -> None:
    put(tmp_path, name, "config.json")
    assert holds_run(tmp_path)
    with pytest.raises(UsageError, match="already holds a run") as caught:
        make_room(tmp_path, "refuse")
    assert caught.value.hint is not None
    assert "--resume" in caught.value.hint
    assert (tmp_path / name).read_text("utf-8") == name


def test_there_is_nothing_to_refuse_where_nothing_was_saved(tmp_path: Path) -> None:
    put(tmp_path, "metrics.jsonl", "notes.txt")
    (tmp_path / "checkpoints").mkdir()
    assert not holds_run(tmp_path)
    assert not holds_run(tmp_path / "missing")
    assert make_room(tmp_path, "refuse") is None
    assert (tmp_path / "metrics.jsonl").exists()


def test_setting_aside_moves_a_run_whole_and_nothing_else(tmp_path: Path) -> None:
    put(tmp_path, *WHAT_A_RUN_LEAVES, "config.json", "metrics.jsonl", "losses.png")
    put(tmp_path, "tensorboard/events", "notes.txt", "tokenizer.json")
    assert make_room(tmp_path, "set-aside") == tmp_path / "previous-001"
    left = sorted(p.name for p in tmp_path.iterdir())
    assert left == ["notes.txt", "previous-001", "tokenizer.json"]
    moved = sorted(p.name for p in (tmp_path / "previous-001").iterdir())
    assert moved == sorted(RUN_FILES)
    assert (tmp_path / "previous-001/checkpoints/step-000010/x").exists()


def test_setting_aside_never_overwrites(tmp_path: Path) -> None:
    assert make_room(tmp_path, "set-aside") is None
    for number in (1, 2, 3):
        put(tmp_path, "config.json")
        assert make_room(tmp_path, "set-aside") == tmp_path / f"previous-00{number}"
    assert make_room(tmp_path, "set-aside") is None


def test_resuming_touches_nothing(tmp_path: Path) -> None:
    put(tmp_path, *WHAT_A_RUN_LEAVES)
    assert make_room(tmp_path, "resume") is None
    assert all((tmp_path / name).exists() for name in WHAT_A_RUN_LEAVES)
