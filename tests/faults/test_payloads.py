"""A planted payload never runs, whatever file it lies in and whichever command meets it."""

from __future__ import annotations

import io
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from slm.checkpoint.manifest import Manifest, ManifestWriter
from slm.cli import main as slm
from slm.data.prepare import prepare
from tests.conftest import tell_stories
from tests.faults import tiny_run

LOADERS = {
    "zip": lambda content: torch.load(io.BytesIO(content), weights_only=False),
    "legacy": lambda content: pickle.loads(content),
    "npy": lambda content: np.load(io.BytesIO(content), allow_pickle=True),
}


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def payloads(marker: Path) -> dict[str, bytes]:
    contents = {"legacy": pickle.dumps(Payload(marker), protocol=2)}
    buffer = io.BytesIO()
    torch.save({"model": Payload(marker)}, buffer)
    contents["zip"] = buffer.getvalue()
    buffer = io.BytesIO()
    np.save(buffer, np.array([Payload(marker)], dtype=object), allow_pickle=True)
    contents["npy"] = buffer.getvalue()
    return contents


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "it-ran"


@pytest.fixture(autouse=True)
def nothing_unexpected(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """All refusals are errors of ours."""
    yield
    assert "unexpected" not in capsys.readouterr().err


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, prepared data and a text, to plant payloads in copies of."""
    folder = tmp_path_factory.mktemp("whole")
    tiny_run.write_step(folder / "run", 5)
    tiny_run.write_best_of(folder / "run", 5)
    (folder / "text.txt").write_text(tell_stories(30, seed=1), encoding="utf-8")
    prepare(str(folder / "text.txt"), "bytes", folder / "data", validation_fraction=0.3)
    return folder


@pytest.mark.parametrize("kind", LOADERS)
def test_the_payloads_are_alive(marker: Path, kind: str) -> None:
    """Else the other tests would prove nothing."""
    LOADERS[kind](payloads(marker)[kind])
    assert marker.exists()


def outcomes(*commands: list[str]) -> list[int]:
    return [slm(command) for command in commands]


def forge(checkpoint: Path, name: str, content: bytes) -> None:
    """Put content into a checkpoint, its checksums being right."""
    names = Manifest.read(checkpoint).files
    (checkpoint / name).unlink(missing_ok=True)
    old = {other: (checkpoint / other).read_bytes() for other in names if other != name}
    writer = ManifestWriter(checkpoint)
    for other, whole_content in {**old, name: content}.items():
        (checkpoint / other).unlink(missing_ok=True)
        with writer.open(other) as stream:
            stream.write(whole_content)
    writer.finish()


def planted_checkpoints(whole: Path, folder: Path, content: bytes) -> Iterator[Path]:
    for name in sorted(entry.name for entry in (whole / "run" / "best").iterdir()):
        run = Path(shutil.copytree(whole / "run", folder / f"run-{name}"))
        for checkpoint in (run / "best", *(run / "checkpoints").iterdir()):
            if name == "MANIFEST.json":
                (checkpoint / name).write_bytes(content)
            else:
                forge(checkpoint, name, content)
        yield run


@pytest.mark.parametrize("kind", LOADERS)
def test_in_every_file_of_a_checkpoint(
    whole: Path, tmp_path: Path, marker: Path, kind: str
) -> None:
    for run in planted_checkpoints(whole, tmp_path, payloads(marker)[kind]):
        codes = outcomes(
            ["generate", "--checkpoint", str(run), "Once", "--max-new-tokens", "2"],
            ["generate", "--checkpoint", str(run / "checkpoints"), "Once"],
            ["info", str(run)],
            ["train", "--resume", "--out", str(run), "--data", str(whole / "data")],
        )
        assert set(codes) <= {1, 2}, (run, codes)
        assert not marker.exists(), run


@pytest.mark.parametrize("kind", LOADERS)
def test_in_every_file_of_prepared_data(
    whole: Path, tmp_path: Path, marker: Path, kind: str
) -> None:
    for name in ("train.bin", "validation.bin", "meta.json", "tokenizer.json"):
        data = Path(shutil.copytree(whole / "data", tmp_path / f"data-{name}"))
        (data / name).write_bytes(payloads(marker)[kind])
        codes = outcomes(
            ["info", str(data)],
            ["train", "--data", str(data), "--out", str(tmp_path / "out"), "--steps", "1"],
            ["eval", "--checkpoint", str(whole / "run"), "--data", str(data)],
        )
        assert set(codes) <= {1, 2}, (name, codes)
        assert not marker.exists(), name


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv", "a.parquet"])
def test_in_every_kind_of_source(
    whole: Path, tmp_path: Path, marker: Path, kind: str, name: str, capsys: Any
) -> None:
    source = tmp_path / name
    source.write_bytes(payloads(marker)[kind])
    codes = outcomes(
        ["prepare", "--source", str(source), "--tokenizer", "bytes", "--out", str(tmp_path / "d")],
        ["eval", "--checkpoint", str(whole / "run"), "--source", str(source)],
    )
    assert set(codes) == {1}
    assert not marker.exists()
    said = {"zip": "a zip archive", "legacy": "a Python pickle", "npy": "a NumPy array"}[kind]
    said_of_both = capsys.readouterr().err
    assert said_of_both.count(said) == 2
    assert "unexpected" not in said_of_both


@pytest.mark.parametrize("kind", LOADERS)
def test_in_the_place_of_a_tokenizer_a_model_or_settings(
    whole: Path, tmp_path: Path, marker: Path, kind: str
) -> None:
    content = payloads(marker)[kind]
    for name in ("tokenizer.json", "model.safetensors", "model.bin", "model.pt", "config.json"):
        (tmp_path / name).write_bytes(content)
    text, out = str(whole / "text.txt"), str(tmp_path / "out")
    codes = outcomes(
        *(
            ["generate", "--checkpoint", str(tmp_path / n), "Once"]
            for n in ("model.pt", "model.bin")
        ),
        ["generate", "--checkpoint", str(tmp_path / "model.safetensors"), "Once"],
        ["generate", "--checkpoint", str(tmp_path), "Once"],
        ["info", str(tmp_path)],
        [
            "prepare",
            "--source",
            text,
            "--tokenizer",
            str(tmp_path / "tokenizer.json"),
            "--out",
            out,
        ],
        ["prepare", "--source", text, "--tokenizer", str(tmp_path), "--out", out],
        ["train", "--config", str(tmp_path / "config.json"), "--out", out],
    )
    assert set(codes) <= {1, 2}, codes
    assert not marker.exists()


def test_in_a_column_of_a_table(tmp_path: Path, marker: Path) -> None:
    """Text that looks like a pickle is text."""
    words = pickle.dumps(Payload(marker), protocol=0).decode("ascii")
    pq.write_table(pa.table({"text": [words] * 5}), tmp_path / "a.parquet")
    command = ["prepare", "--source", str(tmp_path / "a.parquet"), "--tokenizer", "bytes"]
    assert slm([*command, "--out", str(tmp_path / "d")]) == 0
    assert not marker.exists()
