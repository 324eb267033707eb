"""Checkpoints to hand on: small, with a card, and without a word of the machine they come from."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from slm.checkpoint import load_checkpoint, verify_checkpoint
from slm.cli import main
from slm.errors import ConfigError, UsageError
from slm.interop.export import TARGETS, export
from slm.interop.source import ExportSource
from slm.native.engine import arrays_of
from tests.interop_models import model_of, source_of, tokenizer

DTYPES = TARGETS["slm"].dtypes


@pytest.mark.parametrize("shape", ["qwen3", "gpt2"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_can_be_read_again(shape: str, dtype: str, tmp_path: Path) -> None:
    model = model_of(shape, 257)
    export(source_of(model, tokenizer("bytes")), "slm", tmp_path / "m", dtype=dtype)
    verify_checkpoint(tmp_path / "m")
    loaded = load_checkpoint(tmp_path / "m")
    assert loaded.weights_dtype == dtype
    limit = {"float32": 0.0, "bfloat16": 2**-8, "float16": 2**-10, "int8": 1 / 127}[dtype]
    for name, values in arrays_of(model).items():
        error = abs(loaded.weights()[name] - values).max()
        assert error <= limit * abs(values).max(), name


def test_exporting_again_changes_no_byte(small_int8: Path, tmp_path: Path) -> None:
    source = ExportSource.of(load_checkpoint(small_int8))
    export(source, "slm", tmp_path / "again", dtype="int8")
    for file in small_int8.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes(), file.name


def test_no_folder_of_the_machine_is_told(small_int8: Path) -> None:
    for file in small_int8.glob("*.json"):
        assert "mia/" not in file.read_text("utf-8"), file
    settings = load_checkpoint(small_int8).config
    assert (settings.data.source, settings.data.data_dir) == ("book.txt", "data")
    assert settings.started_in is None


def test_the_card_goes_from_export_to_export(small_int8: Path, tmp_path: Path) -> None:
    card = load_checkpoint(small_int8).card
    assert card is not None
    assert (card.name, card.license, card.data) == ("mia", "MIT", "a book")
    out, file = tmp_path / "hf", tmp_path / "card.toml"
    file.write_text('summary = "It writes."\nname = "book-model"\n', encoding="utf-8")
    assert main(["export", str(small_int8), "hf", str(out), "--card", str(file)]) == 0
    readme = (out / "README.md").read_text("utf-8")
    for line in ("license: mit", "# book-model", "| training text | a book |", "It writes."):
        assert line in readme
    assert "2 bits per byte" in readme


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("summry = 'x'", "'summry' is not an entry of a model card: did you mean summary"),
        ("summary = 3", "summary is not a line"),
        ("summary = ", "cannot read the model card"),
        (None, "cannot read the model card .*: No such file"),
    ],
)
def test_a_wrong_card_is_refused_before_anything_is_written(
    content: str | None,
    problem: str,
    small_int8: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "card.toml"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    words = ["export", str(small_int8), "slm", str(tmp_path / "m"), "--card", str(file)]
    assert main(words) == 2
    assert re.search(problem, capsys.readouterr().err)
    assert not (tmp_path / "m").exists()


def test_a_target_without_a_card_says_so(
    small_int8: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "card.toml"
    file.write_text("summary = 'x'", encoding="utf-8")
    words = ["export", str(small_int8), "llama2c", str(tmp_path / "m"), "--card", str(file)]
    main(words)
    assert "--card has no effect: llama2c has no model card" in capsys.readouterr().err


def test_a_run_is_not_an_export_to_replace(small_int8: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(small_int8, run / "best")
    (run / "config.json").write_text("{}", encoding="utf-8")
    source = ExportSource.of(load_checkpoint(small_int8))
    with pytest.raises(UsageError, match="not an export to replace"):
        export(source, "slm", run, force=True)
    with pytest.raises(ConfigError, match="slm does not support the dtype 'q8_0'"):
        export(source, "slm", tmp_path / "m", dtype="q8_0")


def test_info_shows_the_card(small_int8: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(small_int8), "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["card"]["evaluation"] == "2 bits per byte"
    assert described["weights_dtype"] == "int8"
