"""Which checkpoint of a run counts, and which ones may go."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slm.checkpoint import (
    Checkpoint,
    clean_run,
    load_checkpoint,
    newest_checkpoint,
    open_checkpoint,
    prune,
    resolve_checkpoint,
    step_directories,
)
from slm.checkpoint import run as run_module
from slm.errors import CheckpointError, SlmError, UsageError
from slm.storage.files import atomic_directory

if TYPE_CHECKING:
    from conftest import Run


def steps(run: Path) -> list[str]:
    return sorted(entry.name for entry in (run / "checkpoints").iterdir())


@pytest.fixture
def run(tmp_path: Path, tiny_run: Run) -> Path:
    """Two full checkpoints, 500 and 1000, and the best model of step 500."""
    for step in (500, 1000):
        tiny_run.write_step(tmp_path / "run", step)
    tiny_run.write_best(tmp_path / "run", 500)
    return tmp_path / "run"


# -- writing and pruning -------------------------------------------------------------------------


def test_the_newest_two_are_kept(run: Path, tiny_run: Run) -> None:
    assert tiny_run.write_step(run, 1500) == run / "checkpoints" / "step-001500"
    assert steps(run) == ["step-001000", "step-001500"]


def test_steps_are_ordered_by_number(run: Path, tiny_run: Run) -> None:
    tiny_run.write_step(run, 999_999)
    tiny_run.write_step(run, 1_000_000, keep=3)
    assert [directory.name for directory in step_directories(run)] == [
        "step-1000000",
        "step-999999",
        "step-001000",
    ]


def test_the_best_has_no_optimizer_state(run: Path, tiny_run: Run) -> None:
    assert tiny_run.write_best(run, 1000) == run / "best"
    best = load_checkpoint(run / "best")
    assert best.state.step == 1000
    assert not best.has_optimizer_state


def test_a_damaged_checkpoint_does_not_count_as_kept(run: Path, tiny_run: Run) -> None:
    (run / "checkpoints" / "step-001000" / "state.json").unlink()
    tiny_run.write_step(run, 1500)
    assert steps(run) == ["step-000500", "step-001000", "step-001500"]
    tiny_run.write_step(run, 2000)
    assert steps(run) == ["step-001500", "step-002000"]


def test_the_last_valid_checkpoint_is_never_pruned(
    run: Path, flip: Callable[[Path, int], None]
) -> None:
    flip(run / "checkpoints" / "step-001000" / "model.safetensors", 4000)
    prune(run, keep=1)
    assert steps(run) == ["step-000500", "step-001000"]


def test_steps_above_the_one_just_saved_do_not_count_and_go(
    run: Path, tiny_run: Run, flip: Callable[[Path, int], None]
) -> None:
    """The newest was damaged and passed over, so the run went on from the one before."""
    flip(run / "checkpoints" / "step-001000" / "model.safetensors", 4000)
    tiny_run.write_step(run, 600)
    assert steps(run) == ["step-000500", "step-000600"]
    newest = newest_checkpoint(run, log=pytest.fail)
    assert newest is not None
    assert newest.state.step == 600


def test_nor_do_they_where_only_one_is_kept(
    run: Path, tiny_run: Run, flip: Callable[[Path, int], None]
) -> None:
    flip(run / "checkpoints" / "step-001000" / "model.safetensors", 4000)
    tiny_run.write_step(run, 600, keep=1)
    assert steps(run) == ["step-000600"]


def test_pruning_leaves_other_things_alone(run: Path) -> None:
    (run / "checkpoints" / "step-000001.txt").write_text("notes", "utf-8")
    (run / "checkpoints" / "my-copy").mkdir()
    (run / "checkpoints" / "step-1").mkdir()
    prune(run, keep=1)
    assert steps(run) == ["my-copy", "step-000001.txt", "step-001000", "step-1"]


def test_pruning_where_nothing_is(tmp_path: Path) -> None:
    prune(tmp_path, keep=1)
    assert newest_checkpoint(tmp_path) is None
    clean_run(tmp_path)


# -- the newest valid one ------------------------------------------------------------------------


def test_the_newest_counts(run: Path) -> None:
    newest = newest_checkpoint(run)
    assert newest is not None
    assert newest.state.step == 1000
    assert newest.path == run / "checkpoints" / "step-001000"


@pytest.mark.parametrize(
    "name", ["model.safetensors", "optimizer.safetensors", "tokenizer.json", "MANIFEST.json"]
)
def test_a_damaged_newest_falls_back_and_says_so(
    run: Path, flip: Callable[[Path, int], None], name: str
) -> None:
    flip(run / "checkpoints" / "step-001000" / name, 11)
    notes: list[str] = []
    newest = newest_checkpoint(run, log=notes.append)
    assert newest is not None
    assert newest.state.step == 500
    assert len(notes) == 1
    assert "step-001000" in notes[0]
    assert name in notes[0]


def test_one_that_a_run_replaces_meanwhile_is_not_damaged(
    run: Path, tiny_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(run / "checkpoints" / "step-000500")

    def late(directory: Path) -> Checkpoint:
        if directory.name == "step-001000":
            tiny_run.write_step(run, 1500)
            shutil.rmtree(directory)
        return load_checkpoint(directory)

    monkeypatch.setattr(run_module, "load_checkpoint", late)
    newest = newest_checkpoint(run, log=pytest.fail)
    assert newest is not None
    assert newest.state.step == 1500


def test_a_link_to_nothing_is_damage(run: Path) -> None:
    for directory in step_directories(run):
        shutil.rmtree(directory)
    (run / "checkpoints" / "step-000500").symlink_to(run / "nowhere")
    with pytest.raises(CheckpointError, match="no valid checkpoint"):
        newest_checkpoint(run)


def test_a_checkpoint_under_the_wrong_name_does_not_count(run: Path) -> None:
    shutil.copytree(run / "checkpoints" / "step-000500", run / "checkpoints" / "step-002000")
    notes: list[str] = []
    newest = newest_checkpoint(run, log=notes.append)
    assert newest is not None
    assert newest.state.step == 1000
    assert "contains the checkpoint of step 500" in notes[0]


def test_a_checkpoint_without_optimizer_state_does_not_count(run: Path) -> None:
    shutil.copytree(run / "best", run / "checkpoints" / "step-002000")
    newest = newest_checkpoint(run)
    assert newest is not None
    assert newest.state.step == 1000


def test_where_all_are_damaged_the_run_does_not_start_anew_in_silence(run: Path) -> None:
    for directory in step_directories(run):
        (directory / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no valid checkpoint.*model\.safetensors"):
        newest_checkpoint(run)


def test_a_checkpoint_that_is_set_aside_counts(run: Path) -> None:
    checkpoints = run / "checkpoints"
    (checkpoints / "step-001000").rename(checkpoints / ".partial-step-001000-old")
    newest = newest_checkpoint(run)
    assert newest is not None
    assert newest.state.step == 1000
    prune(run, keep=1)
    clean_run(run)
    assert steps(run) == ["step-001000"]


# -- what a user means ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (".", "best"),
        ("best", "best"),
        ("checkpoints", "checkpoints/step-001000"),
        ("checkpoints/step-000500", "checkpoints/step-000500"),
        ("best/model.safetensors", "best"),
        ("best/MANIFEST.json", "best"),
    ],
)
def test_paths_and_what_they_mean(run: Path, given: str, meant: str) -> None:
    assert resolve_checkpoint(run / given) == run / meant


def test_a_run_without_a_best_means_its_newest_valid_step(
    run: Path, flip: Callable[[Path, int], None]
) -> None:
    shutil.rmtree(run / "best")
    assert resolve_checkpoint(run) == run / "checkpoints" / "step-001000"
    flip(run / "checkpoints" / "step-001000" / "model.safetensors", 4000)
    assert resolve_checkpoint(run) == run / "checkpoints" / "step-000500"


def test_falling_back_is_said(run: Path, flip: Callable[[Path, int], None]) -> None:
    flip(run / "checkpoints" / "step-001000" / "model.safetensors", 4000)
    notes: list[str] = []
    assert resolve_checkpoint(run, log=notes.append) == run / "best"
    assert notes == []
    (run / "best" / "MANIFEST.json").unlink()
    assert open_checkpoint(run, log=notes.append).state.step == 500
    assert ["best" in notes[0], "step-001000" in notes[1]] == [True, True]


def test_of_a_damaged_best_the_hint_names_the_checkpoints(
    run: Path, flip: Callable[[Path, int], None]
) -> None:
    flip(run / "best" / "model.safetensors", 4000)
    for given in (run, run / "best"):
        with pytest.raises(CheckpointError, match=r"best.model\.safetensors") as caught:
            open_checkpoint(given)
        assert caught.value.hint is not None
        assert str(run / "checkpoints") in caught.value.hint
    assert open_checkpoint(run / "checkpoints").state.step == 1000
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(run)
    assert "checkpoints" not in str(caught.value.hint)


def test_a_best_that_is_being_replaced_is_found(run: Path) -> None:
    (run / "best").rename(run / ".partial-best-old")
    for given in (run, run / "best"):
        assert resolve_checkpoint(given) == run / "best"
        assert load_checkpoint(resolve_checkpoint(given)).state.step == 500


def test_a_copy_under_any_name_is_a_checkpoint(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "best", tmp_path / "mine")
    assert resolve_checkpoint(tmp_path / "mine") == tmp_path / "mine"


def test_nothing_there(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="rum") as caught:
        resolve_checkpoint(tmp_path / "rum")
    assert caught.value.hint == "did you mean run?"
    with pytest.raises(UsageError, match="no checkpoint at"):
        resolve_checkpoint(tmp_path / "a" / "b" / "c")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"looked for MANIFEST\.json, best/.*step-"):
        resolve_checkpoint(tmp_path / "empty")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"PK\x03\x04rest", "PyTorch file"),
        (b"\x80\x02\x8a\nl\xfc\x9c", "PyTorch file"),
        (b"GGUF\x03\0\0\0", "GGUF file"),
        (b"\x10\0\0\0\0\0\0\0" + b'{"a":1}', "safetensors file"),
        (b"", "is a file"),
    ],
)
def test_a_foreign_file_is_told_by_its_bytes(tmp_path: Path, head: bytes, kind: str) -> None:
    (tmp_path / "model.bin").write_bytes(head)
    with pytest.raises(CheckpointError, match=kind):
        resolve_checkpoint(tmp_path / "model.bin")


# -- cleaning up ---------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["", "model.safetensors"])
def test_a_model_of_another_program_is_imported_first(tmp_path: Path, file: str) -> None:
    place = tmp_path / file
    (tmp_path / "model.safetensors").write_text("{}", encoding="utf-8")
    with pytest.raises(SlmError) as error:
        resolve_checkpoint(place)
    assert "slm import" in str(error.value.hint)


def test_leftovers_of_dead_writers_go(run: Path) -> None:
    before = sorted(run.rglob("*"))
    for directory in (run, run / "checkpoints"):
        (directory / ".partial-step-002000-0a1b2c3d").mkdir()
        (directory / ".partial-step-002000-0a1b2c3d" / "model.safetensors").write_bytes(b"half")
    with atomic_directory(run / ".partial-best-old") as place:
        (place / "stale").write_bytes(b"")
    clean_run(run)
    assert sorted(run.rglob("*")) == before


def test_the_folder_that_one_is_in(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)
    assert resolve_checkpoint(".").resolve() == run / "best"
    assert load_checkpoint(resolve_checkpoint(Path())).state.step == 500
    monkeypatch.chdir(run / "checkpoints")
    assert resolve_checkpoint(".").name == "step-001000"
    assert resolve_checkpoint("..").resolve() == run / "best"
    monkeypatch.chdir(run / "best")
    assert load_checkpoint(resolve_checkpoint(".")).state.step == 500


def test_places_that_hold_no_checkpoint_are_a_usage_error() -> None:
    for place in ("/", "x" * 10_000, "x" * 250, "a\0b"):
        with pytest.raises(UsageError, match="there is no checkpoint"):
            resolve_checkpoint(place)


def test_a_manifest_with_a_number_beyond_a_float_is_passed_over(run: Path) -> None:
    newest = run / "checkpoints" / "step-001000" / "MANIFEST.json"
    newest.write_bytes(newest.read_bytes().replace(b'"version": 1', b'"version": 1e999'))
    found = newest_checkpoint(run)
    assert found is not None
    assert found.state.step == 500
