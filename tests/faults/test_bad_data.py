"""Data that no model can be trained on are refused before the first step, and nothing is begun.

Every case is a prepared directory whose checksums are right: what is wrong with it is what it says.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slm.api import Trainer
from slm.data.loader import DataLoader
from slm.data.shards import META_FILE, TOKENIZER_FILE
from slm.errors import DataError, SlmError, TokenizerError
from slm.model import GPT
from slm.storage.files import CHUNK_BYTES
from slm.storage.safe_reading import sealed_json
from slm.tokenizer import build_tokenizer, save_tokenizer
from slm.training import Callback, StepRecord

Change = Callable[["Data"], None]
EOT = 256


@dataclass
class Data:
    """A data directory that is being spoiled; `store` makes all its checksums right again."""

    folder: Path
    meta: dict[str, Any] = field(default_factory=dict)
    vocab_size: int = 257
    """Of the model that is to be trained on it."""
    block_size: int = 16

    def __post_init__(self) -> None:
        self.meta = json.loads((self.folder / META_FILE).read_text("utf-8"))

    def split(self, name: str) -> dict[str, Any]:
        split: dict[str, Any] = self.meta["splits"][name]
        return split

    def put_tokens(self, name: str, ids: Any, dtype: str = "<u2") -> None:
        """Other ids in a split."""
        raw = np.asarray(ids).astype(dtype).tobytes()
        split = self.split(name)
        (self.folder / split["file"]).write_bytes(raw)
        split["tokens"] = len(ids)
        split["size"] = len(raw)
        split["crc32"] = [
            zlib.crc32(raw[start : start + CHUNK_BYTES])
            for start in range(0, len(raw), CHUNK_BYTES)
        ]

    def tokens(self, name: str) -> np.ndarray[Any, Any]:
        return np.fromfile(self.folder / self.split(name)["file"], "<u2")

    def store(self) -> None:
        self.meta.pop("checksum")
        with contextlib.suppress(FileNotFoundError):
            raw = (self.folder / TOKENIZER_FILE).read_bytes()
            digest = hashlib.sha256(raw).hexdigest()
            self.meta["tokenizer"] |= {"size": len(raw), "sha256": digest}
        (self.folder / META_FILE).write_bytes(sealed_json(self.meta))


def set_in(*path: str, to: Any) -> Change:
    """A change of one entry of the description."""

    def change(data: Data) -> None:
        place: Any = data.meta
        for key in path[:-1]:
            place = place[key]
        assert path[-1] in place
        place[path[-1]] = to

    return change


def ids(split: str, make: Callable[[Any], Any]) -> Change:
    return lambda data: data.put_tokens(split, make(data.tokens(split)))


def other_tokenizer(data: Data) -> None:
    save_tokenizer(build_tokenizer("chars", lambda: ["abc"]), data.folder / TOKENIZER_FILE)


def broken_tokenizer(data: Data) -> None:
    content = (data.folder / TOKENIZER_FILE).read_bytes()
    (data.folder / TOKENIZER_FILE).write_bytes(content[: len(content) // 2])


def vocabularies_that_differ(data: Data) -> None:
    data.meta["tokenizer"]["vocab_size"] = data.vocab_size = 300


def longer_blocks(data: Data) -> None:
    data.block_size = 32


def swapped_bytes(data: Data) -> None:
    for name in ("train", "validation"):
        data.put_tokens(name, data.tokens(name), dtype=">u2")


def with_one(id_: int) -> Callable[[Any], Any]:
    def change(tokens: Any) -> Any:
        tokens[len(tokens) // 2] = id_
        return tokens

    return change


CASES: dict[str, tuple[Change, str]] = {
    "another tokenizer": (other_tokenizer, "tokenizer"),
    "a broken tokenizer": (broken_tokenizer, "tokenizer"),
    "no tokenizer": (lambda data: (data.folder / TOKENIZER_FILE).unlink(), "tokenizer"),
    "another fingerprint": (set_in("tokenizer", "fingerprint", to="0" * 64), "tokenizer"),
    "more ids than the model": (set_in("tokenizer", "vocab_size", to=300), "300|299"),
    "more ids than the tokenizer": (vocabularies_that_differ, "tokenizer"),
    "fewer ids than the tokenizer": (set_in("tokenizer", "vocab_size", to=257 - 1), "vocabulary"),
    "another end of text": (set_in("tokenizer", "eot_id", to=32), "tokenizer"),
    "no bytes to train on": (set_in("splits", "train", "bytes", to=0), "no text"),
    "no bytes to validate on": (set_in("splits", "validation", "bytes", to=0), "no text"),
    "no stories": (set_in("splits", "train", "stories", to=0), "no text"),
    "more stories than tokens": (set_in("splits", "train", "stories", to=10**9), "stories"),
    "no token to train on": (ids("train", lambda tokens: tokens[:0]), "0 tokens"),
    "one token to train on": (ids("train", lambda tokens: tokens[:1]), "1 token,"),
    "one token to validate on": (ids("validation", lambda tokens: tokens[:1]), "1 token,"),
    "one id to train on": (ids("train", lambda tokens: tokens * 0 + 65), "times the id 65"),
    "one id to validate on": (ids("validation", lambda tokens: tokens * 0 + EOT), "times the id"),
    "an id beyond the vocabulary": (ids("train", with_one(257)), "id 257 at position"),
    "the same in validation": (ids("validation", with_one(65_535)), "id 65535 at position"),
    "swapped bytes": (swapped_bytes, "expected ids below"),
    "longer blocks than the context": (longer_blocks, "exceed the model's context"),
    "a wider number format": (set_in("dtype", to="uint32"), "disagree"),
}


class Silent(Callback):
    def on_step(self, record: StepRecord) -> None:
        pytest.fail("a step was made")


def train_on(data: Data, out_dir: Path, tiny_model: Callable[..., GPT]) -> None:
    settings = {
        "batch_size": 4,
        "max_steps": 1,
        "eval_tokens": 64,
        "sample_prompts": (),
        "device": "cpu",
        "dtype": "float32",
        "compile": "off",
        "threads": 1,
        "out_dir": str(out_dir),
    }
    model = tiny_model("modern", vocab_size=data.vocab_size)
    loader = DataLoader(4, data.block_size, data_dir=data.folder)
    Trainer(model, loader, settings, callbacks=[Silent()]).train()


@pytest.fixture
def data(tmp_path: Path, data_dir: Path) -> Data:
    shutil.copytree(data_dir, tmp_path / "data")
    return Data(tmp_path / "data")


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_before_the_first_step(
    data: Data, tmp_path: Path, tiny_model: Callable[..., GPT], case: str
) -> None:
    spoil, message = CASES[case]
    spoil(data)
    data.store()
    with pytest.raises((DataError, TokenizerError), match=message) as caught:
        train_on(data, tmp_path / "run", tiny_model)
    assert str(data.folder) in caught.value.message or "blocks" in caught.value.message
    assert not (tmp_path / "run").exists()


def test_the_data_as_they_are_would_be_taken(
    data: Data, tmp_path: Path, tiny_model: Callable[..., GPT]
) -> None:
    """So that no case above is refused for the way it was made."""
    for name in ("train", "validation"):
        data.put_tokens(name, data.tokens(name))
    data.store()
    with pytest.raises(pytest.fail.Exception, match="a step was made"):
        train_on(data, tmp_path / "run", tiny_model)


@pytest.mark.parametrize("name", ["train", "validation"])
@pytest.mark.parametrize("what", ["flipped", "cut", "longer", "missing"])
def test_damage_is_refused_too(
    data: Data, tmp_path: Path, tiny_model: Callable[..., GPT], name: str, what: str
) -> None:
    file = data.folder / data.split(name)["file"]
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    changed = {"flipped": content, "cut": content[:-2], "longer": content + b"\0\0"}
    if what == "missing":
        file.unlink()
    else:
        file.write_bytes(changed[what])
    with pytest.raises(SlmError, match=name):
        train_on(data, tmp_path / "run", tiny_model)
    assert not (tmp_path / "run").exists()
