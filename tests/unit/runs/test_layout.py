"""What happens to a run that is already in the directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slm.config.run_files import RUN_FILES
from slm.errors import UsageError, WriteError
from slm.runs import layout as run_directory
from slm.runs.layout import (
    MOVING_FILE,
    Existing,
    holds_run,
    is_being_set_aside,
    is_restart,
    make_room,
    note_starter,
)

WHAT_A_RUN_LEAVES = ["best/model.safetensors", "checkpoints/step-000010/x", "best_model.pt"]
CONFIG = '{"format": "slm-config", "version": 1}'


def put(directory: Path, *names: str) -> None:
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CONFIG if name == "config.json" else name, encoding="utf-8")


def content(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("existing", ["refuse", "resume", "set-aside"])
@pytest.mark.parametrize("place", ["best", "checkpoints/step-000010", "checkpoints"])
def test_checkpoints_are_no_place_for_a_run(
    tmp_path: Path, place: str, existing: Existing, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "my run"
    files = ("config.json", "MANIFEST.json", "model.safetensors")
    put(
        run,
        *(f"{folder}/{name}" for folder in ("best", "checkpoints/step-000010") for name in files),
    )
    before = content(run)
    with pytest.raises(UsageError, match="of a run") as caught:
        make_room(run / place, existing)
    assert caught.value.hint == f"give the folder of the run, '{run}', or one of a new run"
    monkeypatch.chdir(run / place)  # and by any other name
    with pytest.raises(UsageError, match="of a run"):
        make_room(Path(), existing)
    assert content(run) == before
    make_room(run, "resume")
    make_room(tmp_path / "checkpoints", existing)  # just a name, where no run is


def test_a_checkpoint_by_itself_is_no_place_for_a_run(tmp_path: Path) -> None:
    put(tmp_path / "copied", "config.json", "MANIFEST.json")
    with pytest.raises(UsageError, match="a checkpoint of a run") as caught:
        make_room(tmp_path / "copied", "set-aside")
    assert caught.value.hint == "give the folder of a run"


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
    put(tmp_path, "plan.json", "tensorboard/events", "suites.json", "report.html")
    put(tmp_path, "ladder/step-000010/x", "over-time.json", "over-time.png")
    put(tmp_path, "notes.txt", "tokenizer.json")
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


def test_a_best_model_survives_a_resume_that_has_nothing_to_resume_from(tmp_path: Path) -> None:
    """Its checkpoints were deleted to save space, and the new run writes a best model, too."""
    put(tmp_path, "best/model.safetensors", "ladder/step-000010/x", "config.json")
    assert make_room(tmp_path, "resume") == tmp_path / "previous-001"
    assert (tmp_path / "previous-001/best/model.safetensors").exists()
    assert make_room(tmp_path, "resume") is None


# -- killed on the way -----------------------------------------------------------------------------


class Killed(BaseException):
    """Nothing of ours catches it, as nothing outlives a SIGKILL."""


def dying(function: Callable[..., Any], calls: list[int]) -> Callable[..., Any]:
    """The function, which at its last call that is left to it does nothing and ends the process."""

    def call(*args: Any, **keywords: Any) -> Any:
        if calls[0] == 0:
            raise Killed
        calls[0] -= 1
        return function(*args, **keywords)

    return call


@pytest.mark.parametrize("existing", ["resume", "set-aside", "refuse"])
def test_a_run_is_set_aside_whole_wherever_the_process_dies(
    tmp_path: Path, existing: Existing
) -> None:
    """Else the next `--resume` would go on with the old run under new settings."""
    n_moments = 0
    while True:
        directory = tmp_path / f"run-{n_moments}"
        put(directory, *WHAT_A_RUN_LEAVES, "config.json", "metrics.jsonl", "tensorboard/events")
        before, calls = content(directory), [n_moments]
        with pytest.MonkeyPatch.context() as patch:
            for owner, name in ((Path, "rename"), (Path, "unlink"), (os, "replace"), (os, "fsync")):
                patch.setattr(owner, name, dying(getattr(owner, name), calls))
            try:
                make_room(directory, "set-aside")
            except Killed:
                n_moments += 1
            else:
                break
        began = is_being_set_aside(directory)
        if not began and (directory / "config.json").exists():
            continue  # nothing was moved
        make_room(directory, existing)
        assert not holds_run(directory)
        left = content(directory)
        assert {k: v for k, v in left.items() if not k.startswith(".partial")} == {
            f"previous-001/{name}": raw for name, raw in before.items()
        }
    assert n_moments > 10


def test_the_marker_goes_when_all_moves_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut may bring half of the old run back, and no marker to tell."""
    put(tmp_path, *WHAT_A_RUN_LEAVES, "config.json")
    done: list[str] = []
    rename, unlink, fsync = Path.rename, Path.unlink, run_directory.fsync_directory

    def renamed(path: Path, target: Path) -> Path:
        done.append("move")
        return rename(path, target)

    def unlinked(path: Path, missing_ok: bool = False) -> None:
        if path.name == MOVING_FILE:
            done.append("end")
        unlink(path, missing_ok)

    def synced(path: Path) -> None:
        done.append(path.name)
        fsync(path)

    monkeypatch.setattr(Path, "rename", renamed)
    monkeypatch.setattr(Path, "unlink", unlinked)
    monkeypatch.setattr(run_directory, "fsync_directory", synced)
    make_room(tmp_path, "set-aside")
    assert done == ["move"] * 4 + ["previous-001", tmp_path.name, "end", tmp_path.name]


@pytest.mark.parametrize("text", ["", "../elsewhere", "previous-001/../..", "best", "x" * 500])
def test_a_marker_never_leads_elsewhere(tmp_path: Path, text: str) -> None:
    put(tmp_path, "config.json", "checkpoints/step-000001/x")
    (tmp_path / MOVING_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(WriteError, match=MOVING_FILE):
        make_room(tmp_path, "resume")
    assert (tmp_path / "checkpoints/step-000001/x").exists()


# -- what is not ours ------------------------------------------------------------------------------


@pytest.mark.parametrize("existing", ["resume", "set-aside", "refuse"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.json", '{"model_type": "gpt2"}'),
        ("config.json", "[1]"),
        ("config.json", "not JSON"),
        ("config.json", "{" * 100_000),
        ("config.json", " " * (2 << 20)),
        ("tensorboard/events.out.tfevents.1", ""),
    ],
    ids=lambda text: text[:20],
)
def test_files_of_others_are_neither_moved_nor_overwritten(
    tmp_path: Path, existing: Existing, name: str, text: str
) -> None:
    put(tmp_path, name)
    (tmp_path / name).write_text(text, encoding="utf-8")
    before = content(tmp_path)
    with pytest.raises(UsageError, match="does not belong to an slm run") as caught:
        make_room(tmp_path, existing)
    assert caught.value.hint is not None
    assert "--out" in caught.value.hint
    assert content(tmp_path) == before


def test_a_damaged_config_of_a_run_is_still_ours(tmp_path: Path) -> None:
    put(tmp_path, *WHAT_A_RUN_LEAVES)
    (tmp_path / "config.json").write_bytes(b"\x00" * 100)
    assert make_room(tmp_path, "resume") is None
    assert make_room(tmp_path, "set-aside") == tmp_path / "previous-001"


# -- torchrun --------------------------------------------------------------------------------------


def test_a_restart_is_one_of_the_same_torchrun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.delenv("TORCHELASTIC_RESTART_COUNT", raising=False)
    note_starter(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not is_restart(tmp_path)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "evening")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert not is_restart(tmp_path)  # the first start died before the run began
    note_starter(tmp_path)
    assert is_restart(tmp_path)
    for count in ("0", "", "x"):
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", count)
        assert not is_restart(tmp_path)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "2")
    monkeypatch.setattr(os, "getppid", lambda: 1)  # another torchrun, perhaps days later
    assert not is_restart(tmp_path)
    monkeypatch.undo()
    note_starter(tmp_path)  # by hand
    assert not any(path.name == ".started-by" for path in tmp_path.iterdir())


def test_the_command_line_goes_on_where_torchrun_starts_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_restart(tmp_path)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "evening")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    note_starter(tmp_path)
    assert not is_restart(tmp_path)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert is_restart(tmp_path)
    assert not is_restart(tmp_path / "another")
