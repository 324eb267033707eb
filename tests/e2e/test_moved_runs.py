"""A run goes on from any folder, and after a move, as it would have where it was started."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest

from slm.checkpoint import newest_checkpoint
from slm.cli import main
from slm.cli import original as script
from tests.conftest import tell_stories

FIXTURES = Path(__file__).parents[1] / "fixtures"
QUICK = ["--set", "threads=1", "eval_tokens=128", "sample_prompts=[]"]
TEXT = ["--source", "my book.txt", "--tokenizer", "bytes"]
STARTS = {
    "a text and the default place": TEXT,
    "a text and a chosen place": [*TEXT, "--set", "data_dir=my data/chosen"],
    "prepared data": ["--data", "my data/prepared"],
    "a saved tokenizer": [
        *("--source", "my book.txt", "--tokenizer", "my data/prepared/tokenizer.json"),
    ],
    "a folder of text": ["--source", "texts", "--tokenizer", "bytes"],
}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run of two steps for each way to start one, and one of `train.py`."""
    project = tmp_path_factory.mktemp("moved") / "project"
    (project / "texts").mkdir(parents=True)
    (project / "elsewhere").mkdir()
    for name, seed in (("my book.txt", 0), ("texts/train.txt", 1), ("texts/validation.txt", 2)):
        text = tell_stories(60, seed=seed)
        (project / name).write_text(text, encoding="utf-8", newline="\n")
    with contextlib.chdir(project):
        words = ["--tokenizer", "bytes", "--out", "my data/prepared"]
        assert main(["prepare", "--source", "my book.txt", *words]) == 0
        for name, start in STARTS.items():
            first = ["train", "--preset", "tiny", "--steps", "2", *QUICK]
            assert main([*first, *start[:4], "--out", f"my runs/{name}", *start[4:]]) == 0
        words = ["--preset", "tiny", "--steps", "2", *QUICK]
        assert script.main([*TEXT, *words]) == 0
    return project


@pytest.fixture
def project(started: Path, tmp_path: Path) -> Path:
    """A copy of the project, which may be changed, under another name."""
    return Path(shutil.copytree(started, tmp_path / "renamed project"))


def losses(run: Path) -> list[float]:
    lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return [record["loss"] for record in records if record["kind"] == "train"]


def saved_data(run: Path) -> dict[str, str]:
    content = json.loads((run / "config.json").read_text("utf-8"))
    return {**content["data"], "started_in": content["started_in"]}


@pytest.mark.parametrize("start", STARTS)
def test_it_goes_on_from_another_folder_and_after_a_move(
    project: Path, start: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.chdir(project):
        shutil.copytree(f"my runs/{start}", f"my runs/{start} here")
        assert main(["train", "--resume", "--out", f"my runs/{start} here", "--steps", "4"]) == 0
    before = sorted(project.rglob("*.bin"))
    with contextlib.chdir(project / "elsewhere"):
        words = ["train", "--resume", "--out", f"../my runs/{start}", "--steps", "4"]
        assert main(words) == 0, capsys.readouterr().err
        assert list(Path().iterdir()) == []
    assert sorted(project.rglob("*.bin")) == before  # nothing was prepared a second time
    moved, there = project / "my runs" / start, project / "my runs" / f"{start} here"
    assert losses(moved) == losses(there)
    assert len(losses(moved)) == 4
    assert saved_data(moved) == saved_data(there)
    # What is written now leads back as well, from anywhere.
    again = project.rename(project.parent / "renamed again")
    with contextlib.chdir(project.parent):
        out = f"renamed again/my runs/{start}"
        assert main(["train", "--resume", "--out", out, "--steps", "5"]) == 0
    assert len(losses(again / "my runs" / start)) == 5
    newest = newest_checkpoint(again / "my runs" / start)
    assert newest is not None
    assert (newest.state.step, newest.config.started_in) == (5, "../..")


def test_the_script_goes_on_from_another_folder(project: Path) -> None:
    with contextlib.chdir(project / "elsewhere"):
        words = ["--resume", "--output-dir", "../models", "--steps", "3"]
        assert script.main(words) == 0
        assert list(Path().iterdir()) == []
    assert len(losses(project / "models")) == 3
    assert saved_data(project / "models")["data_dir"] == "data"


def test_data_that_are_gone_are_made_again_where_they_were(project: Path) -> None:
    run = project / "my runs" / "a text and the default place"
    place = project / saved_data(run)["data_dir"]
    shutil.rmtree(place)
    with contextlib.chdir(project / "elsewhere"):
        assert main(["train", "--resume", "--out", str(run), "--steps", "3"]) == 0
        assert list(Path().iterdir()) == []
    assert (place / "meta.json").is_file()


def test_a_run_that_was_moved_without_its_data_says_so(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = "a text and the default place"
    place = project / saved_data(project / "my runs" / start)["data_dir"]
    run = project / "elsewhere" / "below" / "run"
    run.parent.mkdir()
    (project / "my runs" / start).rename(run)
    capsys.readouterr()
    assert main(["train", "--resume", "--out", str(run), "--steps", "3"]) == 1
    error, hint = capsys.readouterr().err.splitlines()[-2:]
    assert error.startswith(f"error: the data of the run in {run} are not in ")
    assert "my book.txt" in error
    assert "--data" in hint
    assert "builtin" not in hint
    assert main(["train", "--resume", "--out", str(run), "--steps", "3", "--data", str(place)]) == 0
    assert len(losses(run)) == 3


@pytest.mark.parametrize("place", ["best", "checkpoints", "checkpoints/step-000002"])
def test_a_checkpoint_is_no_run_to_go_on_with(
    project: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such a run would write over the checkpoint's own files."""
    run, more = project / "my runs" / "prepared data", ["--set", "n_embd=16", "--steps", "3"]
    files = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with contextlib.chdir(project):
        folder = str(run / place)
        start = ["train", "--preset", "tiny", *TEXT, "--out", folder]
        for words in (["train", "--out", folder, "--resume"], start, [*start, "--fresh"]):
            assert main([*words, *more]) == 2
            assert f"give the folder of the run, '{run}'" in capsys.readouterr().err
        for words in ([], ["--resume"]):
            assert script.main([*TEXT, "--preset", "tiny", "--output-dir", folder, *words]) == 2
        assert main(["prepare", *TEXT, "--out", str(run / "best")]) == 2
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == files
    assert main(["info", str(run)]) == 0


def test_settings_that_fit_the_run_alone(project: Path) -> None:
    """A width that the default preset's heads do not divide."""
    with contextlib.chdir(project):
        words = ["train", "--resume", "--out", "my runs/prepared data", "--steps", "3"]
        assert main([*words, "--set", "n_embd=32"]) == 0
        words = ["--resume", "--output-dir", "models", "--steps", "3", "--set", "n_embd=32"]
        assert script.main(words) == 0


def test_there_is_nothing_to_go_on_with(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.chdir(project / "elsewhere"):
        assert main(["train", "--resume", "--out", "modles"]) == 2
        assert "--out" in capsys.readouterr().err
        assert script.main(["--resume", "--output-dir", "modles"]) == 2
        assert "there is no run in modles to resume" in capsys.readouterr().err
        assert list(Path().iterdir()) == []


def test_a_new_run_with_the_settings_of_a_run_elsewhere(project: Path) -> None:
    runs = project / "my runs"
    with contextlib.chdir(project / "elsewhere"):
        for start in ("a text and the default place", "prepared data", "a saved tokenizer"):
            words = ["train", "--config", str(runs / start / "config.json"), "--out", start]
            assert main([*words, "--steps", "2"]) == 0
            assert losses(Path(start)) == losses(runs / start)


def test_what_was_held_out_is_found_from_another_folder(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else stories of the training split would be scored as if the model had not seen them."""
    with contextlib.chdir(project):
        words = ["train", "--preset", "tiny", *TEXT, "--limit", "30", "--steps", "1", *QUICK]
        assert main([*words, "--out", "my runs/limited"]) == 0

    def scored(run: str, source: str) -> dict[str, float]:
        capsys.readouterr()
        words = ["eval", "--checkpoint", run, "--source", source, "--split", "validation"]
        assert main([*words, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        return {key: found[key] for key in ("loss", "stories", "bytes")}

    with contextlib.chdir(project):
        expected = scored("my runs/limited", "my book.txt")
        everything = scored("my runs/a text and the default place", "my book.txt")
    assert expected["stories"] < everything["stories"]
    with contextlib.chdir(project / "elsewhere"):
        assert scored("../my runs/limited", "../my book.txt") == expected


@pytest.mark.parametrize("version", sorted(entry.name for entry in FIXTURES.glob("v*")))
def test_runs_of_every_version(version: str, tmp_path: Path) -> None:
    """What they say of their folder tells where their relative paths begin."""
    project = Path(shutil.copytree(FIXTURES / version, tmp_path / "renamed project"))
    before = newest_checkpoint(project / "run")
    assert before is not None
    assert not Path(before.config.data.data_dir).is_absolute()
    (tmp_path / "elsewhere").mkdir()
    with contextlib.chdir(tmp_path / "elsewhere"):
        steps = str(before.state.step + 1)
        assert main(["train", "--resume", "--out", str(project / "run"), "--steps", steps]) == 0
        assert list(Path().iterdir()) == []
    after = newest_checkpoint(project / "run")
    assert after is not None
    assert after.state.step == before.state.step + 1
    assert after.config.started_in == ".."
