"""The paths of a run mean the same from every folder, and after it was moved with what it names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from slm.config import DataConfig, GPTConfig, RunConfig, TrainingConfig
from slm.config.origins import PREPARED, Origin, OriginKind
from slm.config.run_paths import (
    located,
    located_settings,
    run_of,
    settings_to_save,
    start_directory,
    without_folders,
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with text, data and a run in it, which is the working directory."""
    folder = tmp_path / "my project"
    for name in ("data/one", "runs/first", "elsewhere"):
        (folder / name).mkdir(parents=True)
    (folder / "book.txt").write_text("text", encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


def saved(run: Path, started_in: str | None, **data: str) -> RunConfig:
    config = RunConfig(GPTConfig(), TrainingConfig(out_dir=str(run)), DataConfig(**data), {})
    return replace(config, started_in=started_in)


DATA = {"source": "book.txt", "data_dir": "data/one", "tokenizer": "bytes"}


def test_a_new_run_says_where_it_was_started(project: Path) -> None:
    for run, started_in in (
        (Path("runs/first"), "../.."),
        (project / "runs" / "first", "../.."),
        (Path(), "."),
        (project.parent / "other", "../my project"),
    ):
        settings = saved(run, None, **DATA)
        assert settings_to_save(settings, run) == replace(settings, started_in=started_in)


def test_a_run_that_goes_on_elsewhere_says_what_it_said(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = saved(Path("runs/first"), "../..", **DATA)
    monkeypatch.chdir(project / "elsewhere")
    run = Path("../runs/first")
    here = located_settings(settings, run).with_values(
        {"train.out_dir": str(run)}, Origin(OriginKind.FLAG, "--out")
    )
    assert here.data != settings.data
    again = settings_to_save(here, run)
    assert (again.data, again.train, again.started_in) == (settings.data, settings.train, "../..")
    moved = here.with_values({"data.data_dir": str(project / "data/one")}, PREPARED)
    assert settings_to_save(moved, run).data.data_dir == str(project / "data/one")


@pytest.mark.parametrize("started_in", ["../..", None])
def test_from_the_same_folder_nothing_changes(project: Path, started_in: str | None) -> None:
    settings = saved(Path("runs/first"), started_in, **DATA)
    assert located_settings(settings, Path("runs/first")).data == settings.data


@pytest.mark.parametrize("started_in", ["../..", None])
@pytest.mark.parametrize("is_moved", [False, True])
def test_from_another_folder_and_after_a_move(
    project: Path, monkeypatch: pytest.MonkeyPatch, started_in: str | None, is_moved: bool
) -> None:
    settings = saved(Path("runs/first"), started_in, **DATA)
    if is_moved:
        monkeypatch.chdir(project.parent)
        project = project.rename(project.parent / "renamed")
    monkeypatch.chdir(project / "elsewhere")
    data = located_settings(settings, Path("../runs/first")).data
    assert data.source == "../book.txt"
    assert data.data_dir == "../data/one"
    assert data.tokenizer == "bytes"
    assert Path(data.data_dir).is_dir()


def test_a_link_to_the_run_leads_to_the_same(project: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    try:
        link.symlink_to(project / "runs" / "first", target_is_directory=True)
    except OSError:
        pytest.skip("links may not be made here")
    assert settings_to_save(saved(link, None), link).started_in == "../.."
    assert start_directory(link, started_in="../..", out_dir="x") == project.resolve()


def test_an_absolute_folder_of_an_earlier_program_says_nothing(project: Path) -> None:
    run = project / "runs" / "first"
    assert start_directory(run, started_in=None, out_dir=str(run)) is None
    assert start_directory(run, started_in=None, out_dir="../runs/first") is None
    assert start_directory(run, started_in=None, out_dir="/".join("abcdefghij" * 20)) is None
    assert start_directory(run, started_in=None, out_dir=".") == run.resolve()
    assert start_directory(run, started_in="a\0b", out_dir="runs/first") is None
    assert located({"data.source": "book.txt"}, None) == {}


def test_what_is_no_path_stays(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = project.resolve()
    for name in ("builtin", "bytes", "gpt2-8k"):
        (project / name).mkdir()
    monkeypatch.chdir(project / "elsewhere")
    values = {"data.source": "builtin", "data.tokenizer": "gpt2-8k", "train.out_dir": "runs/first"}
    assert located(values, start) == {}
    for source in ("roneneldan/TinyStories", "~/book.txt", str(start / "book.txt"), "a\0b", 3):
        assert located({"data.source": source}, start) == {}
    assert located({"data.source": "x" * 3000}, start) == {}
    assert located({"data.tokenizer": "builtin"}, start) == {"data.tokenizer": "../builtin"}


def test_data_that_are_gone_are_named_where_they_were(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "elsewhere")
    values = {"data.data_dir": "data/gone", "data.source": "gone.txt"}
    assert located(values, project.resolve()) == {"data.data_dir": "../data/gone"}
    Path("data/gone").mkdir(parents=True)  # where an earlier program looked for it
    assert located(values, project.resolve()) == {}


def test_checkpoints_are_in_a_run(project: Path) -> None:
    run = (project / "runs" / "first").resolve()
    for name in ("best", "checkpoints/step-000001"):
        (run / name).mkdir(parents=True)
        assert run_of(run / name) == run / name  # a run that is named so
        (run / name / "MANIFEST.json").write_text("{}", encoding="utf-8")
        assert run_of(run / name) == run
    assert run_of(run) == run
    relative = Path("runs", "first")
    assert run_of(relative) == relative
    assert run_of(relative / "best") == run


# -- settings to hand on -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ("builtin", "builtin"),
        ("roneneldan/TinyStories", "roneneldan/TinyStories"),
        ("/home/mia/book.txt", "book.txt"),
        ("~/texts/", "texts"),
        ("../secret/book.txt", "book.txt"),
        ("data/one", "one"),  # a folder here, not a dataset
        ("C:\\Users\\mia\\book.txt", "book.txt"),
        ("/", "."),
    ],
)
@pytest.mark.usefixtures("project")
def test_of_a_path_only_the_last_part_is_handed_on(source: str, left: str) -> None:
    settings = saved(Path("/runs/first"), "../mia", source=source, tokenizer="/t/tokenizer.json")
    settings = replace(settings, train=settings.train.changed(init_from="hf:a/b"))
    origin = Origin(OriginKind.FILE, "/home/mia/settings.toml")
    settings = replace(settings, origins={"model.n_layer": origin, "train.seed": PREPARED})
    bare = without_folders(settings)
    assert bare.data.source == left
    assert bare.data.tokenizer == "tokenizer.json"
    assert (bare.train.out_dir, bare.train.init_from) == ("first", "hf:a/b")
    assert bare.started_in is None
    assert bare.origin_of("model.n_layer") == Origin(OriginKind.FILE, "settings.toml")
    assert bare.origin_of("train.seed") == PREPARED
