"""The script that makes the shipped model: from a finished run to a checkpoint with its card."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
import shipped_model

from slm.checkpoint import load_checkpoint
from slm.cli import main as slm
from slm.errors import ConfigError, UsageError
from slm.presets import resolve
from tests.conftest import tell_stories
from tests.fixtures.make_fixtures import HERE

RUN = HERE / "v1" / "run"


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in this process, which saves a start of Python for each."""

    def command(*words: str | Path) -> str:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = slm([str(word) for word in words])
        if code != 0:
            raise UsageError(f"exit code {code}")
        return out.getvalue()

    monkeypatch.setattr(shipped_model, "command", command)


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Arguments for the run of the fixtures."""
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "validation.txt").write_text("One day Mia saw a dog.", encoding="utf-8")
    (tmp_path / "tiny.toml").write_text("[model]\nn_embd = 4\n[train]\nmax_steps = 4\n")
    out = ["--source", tmp_path / "text", "--run", RUN, "--out", tmp_path / "model"]
    return [str(word) for word in (*out, "--settings", tmp_path / "tiny.toml")]


def test_a_finished_run_becomes_a_checkpoint_with_its_card(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped_model.main([*words, "--machine", "a machine", "--samples"])
    made = load_checkpoint(tmp_path / "model")
    assert made.weights_dtype == "int8"
    card = made.card
    assert card is not None
    assert all(card.lines().get(name) for name in card.__dataclass_fields__)
    assert "4 steps, " in card.training
    assert "minutes of slm train with bench/tiny.toml on a machine" in card.training
    assert "prediction" not in card.training  # it had no teachers
    text = tmp_path / "text" / "validation.txt"
    bits = shipped_model.measured(tmp_path / "model", text, "int8")["bits_per_byte"]
    assert card.evaluation.startswith(f"{bits:.4f} bits per byte of 1 held-out stories (0.00 MB)")
    assert capsys.readouterr().out.count("One day, Lily") == 2
    shipped_model.main([*words, "--machine", "another"])  # replaces it
    assert "on another" in str(load_checkpoint(tmp_path / "model").card)


def test_a_run_with_other_settings_is_not_shipped(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.toml").write_text("[train]\nmax_steps = 5\n", encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        shipped_model.main(words)
    assert caught.value.code == 2
    assert "train.max_steps is 4, not 5" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_a_model_that_is_too_large_is_not_shipped(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(shipped_model, "LARGEST", 1000)
    with pytest.raises(SystemExit):
        shipped_model.main(words)
    assert "more than 1,000" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_the_settings_are_ones_that_there_are() -> None:
    settings = shipped_model.settings_in(shipped_model.SETTINGS)
    assignments = [f"{name}={value}" for name, value in settings.items()]
    resolved = resolve("modern-12m", assignments=assignments)
    assert resolved.value_of("model.mlp_dim") == 640
    with pytest.raises(ConfigError):
        resolve("modern-12m", assignments=["train.no_such=1"])


def test_of_a_processor_its_name_is_left() -> None:
    assert "(R)" not in shipped_model.processor()
    assert shipped_model.processor()


def test_teachers_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped_model, "TOKENIZER", "bytes")
    monkeypatch.setattr(shipped_model, "LENGTH_OF_A_TEACHER", ("--steps", "2"))
    (tmp_path / "text").mkdir()
    for name in ("train", "validation"):
        text = tell_stories(60, seed=len(name))
        (tmp_path / "text" / f"{name}.txt").write_text(text, encoding="utf-8")
    file = tmp_path / "tiny.toml"
    file.write_text(
        'preset = "tiny"\n[train]\nmax_steps = 2\neval_tokens = 64\nteacher_weight = 0.5\n',
        encoding="utf-8",
    )
    work = tmp_path / "work"
    run = shipped_model.trained(tmp_path / "text", file, (), work)
    settings = shipped_model.settings_of(run, file)
    taught_by = [load_checkpoint(work / f"teacher-{seed}" / "best") for seed in (1, 2)]
    assert [teacher.config.train.seed for teacher in taught_by] == [1, 2]
    recorded = [facts.weights_sha256 for facts in settings.teacher_models]
    assert recorded == [teacher.weights_sha256 for teacher in taught_by]
    finished = [work / "teacher-2", work / "teacher-1"]
    again = shipped_model.trained(tmp_path / "text", file, finished, tmp_path / "again")
    other = shipped_model.settings_of(again, file)
    assert [facts.weights_sha256 for facts in other.teacher_models] == recorded[::-1]
    words = ["--source", tmp_path / "text", "--run", run, "--settings", file]
    shipped_model.main([*map(str, words), "--out", str(tmp_path / "model"), "--machine", "this"])
    card = load_checkpoint(tmp_path / "model").card
    assert card is not None
    assert "the mean prediction of 2 models trained on the same text, with " in card.training
