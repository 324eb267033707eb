"""A model of the hub is imported into the cache once, and again if its files are damaged."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from slm.checkpoint import load_checkpoint
from slm.interop import hub, named_model
from slm.interop.export import export
from slm.interop.imported import ImportedModel
from slm.interop.importing import import_model
from slm.interop.named_model import local_checkpoint
from slm.log import silent
from tests.interop_models import model_of, source_of, tokenizer


@pytest.fixture
def imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The imports of a model that is downloaded already."""
    words = tokenizer("bytes")
    export(source_of(model_of("llama-tied", words.vocab_size), words), "hf", tmp_path / "m")
    found: list[str] = []

    def count(name: str, *, log: object) -> ImportedModel:
        found.append(name)
        return import_model(str(tmp_path / "m"))

    monkeypatch.setattr(named_model, "import_model", count)
    monkeypatch.setattr(named_model, "users_cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(hub, "download_model", lambda name, *, log: tmp_path / "m")
    return found


def test_of_several_programs_one_imports(imports: list[str]) -> None:
    ready = threading.Barrier(3)

    def load(_: int) -> Path:
        ready.wait()
        return local_checkpoint("hf:mia/stories", log=silent)

    with ThreadPoolExecutor(3) as pool:
        paths = set(pool.map(load, range(3)))
    assert imports == ["hf:mia/stories"]
    assert load_checkpoint(paths.pop()).state.step == 0
    assert not paths


@pytest.mark.parametrize("file", ["MANIFEST.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_import_is_made_again(imports: list[str], file: str) -> None:
    path = local_checkpoint("hf:mia/stories", log=silent)
    local_checkpoint("hf:mia/stories", log=silent)
    assert len(imports) == 1
    (path / file).write_bytes(b"{")
    assert local_checkpoint("hf:mia/stories", log=silent) == path
    assert len(imports) == 2
    assert load_checkpoint(path).state.step == 0
