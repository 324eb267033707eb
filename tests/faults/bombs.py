"""Opens files that are made to take all memory or time, in a process that may have little of it.

    python -m tests.faults.bombs FOLDER MEGABYTES

Prints a line of JSON for each: its name, what was raised, how much processor time it took, and how
much more memory the process had at its peak.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import resource
import shutil
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from slm.checkpoint import load_checkpoint, save_checkpoint
from slm.checkpoint.manifest import HashingWriter
from slm.checkpoint.tensors import write_tensors
from slm.cli import main as slm
from slm.config.run import CONFIG_FORMAT
from slm.data.prepare import prepare
from slm.data.shards import DataDirectory
from slm.data.sources import open_source
from slm.errors import SlmError
from slm.model.costs import parameter_shapes
from slm.presets import settings_file
from slm.reporting.metrics import read_metrics
from slm.storage.safe_reading import sealed_json
from slm.tokenizer import load_tokenizer
from tests.conftest import tell_stories
from tests.faults import tiny_run
from tests.packing import PACK, PACKINGS

GIGABYTE = 1 << 30
Bomb = tuple[str, Callable[[], object]]


def deep(opening: bytes) -> bytes:
    return opening * 10_000


def sparse(path: Path, size: int = 10 * GIGABYTE, head: bytes = b"") -> Path:
    with path.open("wb") as stream:
        stream.write(head)
        stream.truncate(size)
    return path


# -- checkpoints ---------------------------------------------------------------------------------


class Forger:
    """Makes copies of a checkpoint of which one file is replaced, its checksums being right."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.whole = folder / "whole"
        save_checkpoint(
            self.whole, **tiny_run.content(5), optimizer_state=tiny_run.optimizer_state(5)
        )
        self.count = 0

    def copy(self) -> Path:
        self.count += 1
        place = self.folder / f"forged-{self.count}"
        place.mkdir()
        for file in self.whole.iterdir():
            (place / file.name).write_bytes(file.read_bytes())
        return place

    def manifest(self, place: Path, content: bytes) -> Path:
        (place / "MANIFEST.json").write_bytes(content)
        return place

    def describe(self, place: Path, name: str, record: dict[str, Any]) -> Path:
        table = json.loads((place / "MANIFEST.json").read_bytes())
        del table["checksum"]
        table["files"][name] = record
        return self.manifest(place, sealed_json(table))

    def replace(self, name: str, content: bytes, place: Path | None = None) -> Path:
        place = place or self.copy()
        (place / name).write_bytes(content)
        crc32 = [zlib.crc32(content[at : at + 2**20]) for at in range(0, len(content), 2**20)]
        digest = hashlib.sha256(content).hexdigest()
        return self.describe(place, name, {"bytes": len(content), "sha256": digest, "crc32": crc32})

    def header(self, header: Any, data: bytes = bytes(8)) -> Path:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return self.replace("model.safetensors", len(text).to_bytes(8, "little") + text + data)

    def sparse(self, name: str, size: int, head: bytes = b"") -> Path:
        """A file of zeros behind its head, whose checksums are right."""
        place = self.copy()
        sparse(place / name, size, head)
        zeros = bytes(2**20)
        headed = head + bytes(-len(head) % 2**20)
        crc32 = [zlib.crc32(headed[at : at + 2**20]) for at in range(0, len(headed), 2**20)]
        crc32 += [zlib.crc32(zeros)] * (size // 2**20 - len(crc32))
        return self.describe(place, name, {"bytes": size, "sha256": "0" * 64, "crc32": crc32})

    def config(self, place: Path | None = None, **model: Any) -> Path:
        config = json.loads((self.whole / "config.json").read_bytes())
        config["model"] |= model
        return self.replace("config.json", json.dumps(config).encode(), place)


def entry(shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}


def matching_header(n_embd: int) -> tuple[bytes, int]:
    """The beginning of the file that a large model would have, and the size of that file."""
    config = tiny_run.SHAPE.changed(n_embd=n_embd)
    header, at = {}, 0
    for name, shape in parameter_shapes(config).items():
        size = 4 * torch.Size(shape).numel()
        header[name] = entry(list(shape), at, at + size)
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text) + at) % 2**20)  # whole chunks are easier to forge
    return len(text).to_bytes(8, "little") + text, 8 + len(text) + at


def weights_that_are_not_finite(forger: Forger) -> Path:
    tensors = dict(tiny_run.content(5)["model_state"])
    tensors["final_norm.weight"] = torch.full((4,), float("nan"))
    place = forger.folder / "tensors"
    with place.open("wb") as stream:
        write_tensors(HashingWriter(stream), tensors)
    return forger.replace("model.safetensors", place.read_bytes())


def checkpoints(folder: Path) -> Iterator[Bomb]:
    forger = Forger(folder)

    def opening(place: Path) -> Callable[[], object]:
        return lambda: load_checkpoint(place).optimizer_state

    many = {f"t{k}": entry([0], 0, 0) for k in range(100_000)}
    yield "100,000 tensors", opening(forger.header(many))
    some = {f"t{k}": entry([2], 0, 8) for k in range(40_000)}
    yield "40,000 tensors in one place", opening(forger.header(some))
    yield "overlap", opening(forger.header({"a": entry([2], 0, 8), "b": entry([1], 4, 8)}))
    yield "wrong shape", opening(forger.header({"token_embedding.weight": entry([2], 0, 8)}))
    huge = {"token_embedding.weight": entry([2**61], 0, 2**63)}
    yield "huge size", opening(forger.header(huge))
    yield "huge and empty", opening(forger.header({"a": entry([0, 2**61, 2**61], 0, 0)}, b""))
    yield "header of 2^63 bytes", opening(forger.replace("model.safetensors", b"\xff" * 16))
    yield "header nested deep", opening(forger.header(deep(b"[")))
    yield "header of empty lists", opening(forger.header(b"[" + b"[]," * 2_700_000 + b"[]]"))
    yield "weights that are not finite", opening(weights_that_are_not_finite(forger))
    yield "model of 10 GB of zeros", opening(forger.sparse("model.safetensors", 10 * GIGABYTE))
    head, size = matching_header(n_embd=8192)
    place = forger.sparse("model.safetensors", size, head)
    yield "model of its config, larger than memory", opening(forger.config(place, n_embd=8192))
    yield "1,024 layers", opening(forger.config(n_layer=1024))
    yield "a huge config", opening(forger.config(n_layer=1024, n_embd=65536, n_head=1))
    place = forger.sparse("optimizer.safetensors", 10 * GIGABYTE)
    yield "optimizer state of 10 GB", opening(place)
    for name in ("config.json", "state.json", "tokenizer.json"):
        yield f"{name} nested deep", opening(forger.replace(name, deep(b'{"a":')))
        lists = b"[" + b"[]," * 5_000_000 + b"[]]"
        yield f"{name} of empty lists", opening(forger.replace(name, lists))
        yield f"{name} of 10 GB", opening(forger.sparse(name, 10 * GIGABYTE))
    yield "manifest nested deep", opening(forger.manifest(forger.copy(), deep(b"[")))
    place = forger.copy()
    sparse(place / "MANIFEST.json")
    yield "manifest of 10 GB", opening(place)
    files = {f"f{k}": {"bytes": 0, "sha256": "0" * 64, "crc32": []} for k in range(18_000)}
    table = {"format": "slm-checkpoint", "version": 1, "files": files}
    yield "manifest of many files", opening(forger.manifest(forger.copy(), sealed_json(table)))


# -- data, tokenizers, sources, settings ---------------------------------------------------------


def data_directories(folder: Path) -> Iterator[Bomb]:
    def tokenizer_of(path: Path) -> Callable[[], object]:
        return lambda: DataDirectory.open(path).tokenizer

    def made(name: str) -> Path:
        return Path(shutil.copytree(folder / "data", folder / name))

    (folder / "text.txt").write_text(tell_stories(20, seed=1), encoding="utf-8")
    prepare(str(folder / "text.txt"), "bytes", folder / "data")
    place = made("data-1")
    (place / "meta.json").write_bytes(deep(b'{"a":'))
    yield "meta.json nested deep", tokenizer_of(place)
    place = made("data-2")
    sparse(place / "meta.json")
    yield "meta.json of 10 GB", tokenizer_of(place)
    place = made("data-3")
    (place / "meta.json").write_bytes(b'{"a": [' + b"{}," * 2_500_000 + b"{}]}")
    yield "meta.json of empty tables", tokenizer_of(place)
    place = made("data-4")
    sparse(place / "train.bin")
    yield "train.bin of 10 GB", tokenizer_of(place)
    place = made("data-5")
    sparse(place / "tokenizer.json")
    yield "tokenizer.json of 10 GB beside data", tokenizer_of(place)


def tokenizers(folder: Path) -> Iterator[Bomb]:
    from slm.tokenizer.bpe import train_bpe

    described = train_bpe(["some words and some more words"], 260).to_json()
    tokens = described["tokens"]

    def opening(name: str, content: dict[str, Any] | bytes) -> Callable[[], object]:
        path = folder / f"tokenizer-{name}.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return lambda: load_tokenizer(path)

    many = {**described, "tokens": [*tokens, *["YQ=="] * 1_000_000]}
    yield "a million equal tokens", opening("equal", many)
    pairs = [*tokens, *["YWE="] * 2]
    yield "a token twice", opening("twice", {**described, "tokens": pairs})
    yield "more tokens than may be", opening("more", b'{"a": [' + b'"YQ==",' * 3_000_000 + b"1]}")
    yield (
        "a token of 10 MB",
        opening("long", {**described, "tokens": [*tokens, "YWFh" * 2_500_000]}),
    )
    yield "tokenizer nested deep", opening("deep", deep(b"["))
    yield "tokenizer of empty lists", opening("lists", b"[" + b"[]," * 8_000_000 + b"[]]")
    chars = {**described, "kind": "chars", "characters": "a" * 20_000_000}
    yield "20 million characters", opening("chars", chars)
    wide = {**described, "kind": "chars", "characters": "\U0001f600" + "a" * 20_000_000}
    yield "20 million wide characters", opening("wide", json.dumps(wide).encode())
    path = sparse(folder / "tokenizer-sparse.json")
    yield "tokenizer of 10 GB", lambda: load_tokenizer(path)


def sources(folder: Path) -> Iterator[Bomb]:
    def reading(path: Path) -> Callable[[], object]:
        return lambda: sum(1 for _ in open_source(str(path)).parts("train"))

    for kind in ("txt", "jsonl", "json", "csv", "tsv", "parquet", "arrow", "feather", "txt.gz"):
        yield f"{kind} of 10 GB", reading(sparse(folder / f"sparse.{kind}"))
    lines = b'"words"\n' * 5000
    yield "jsonl that ends in 10 GB", reading(sparse(folder / "tail.jsonl", head=lines))
    yield "csv that ends in 10 GB", reading(sparse(folder / "tail.csv", head=b"text\n" + lines))
    yield "txt that ends in 10 GB", reading(sparse(folder / "tail.txt", head=lines * 50))
    deep_line = folder / "deep.jsonl"
    deep_line.write_bytes(deep(b"["))
    yield "jsonl nested deep", reading(deep_line)
    for name, content in json_bombs().items():
        path = folder / f"{name.replace(' ', '-')}.json"
        path.write_bytes(content)
        yield f"json, {name}", reading(path)
    for name, content in archives().items():
        path = folder / name
        path.write_bytes(content)
        yield name, reading(path)
    for magic, kind in ((b"PK\3\4", "zip"), (b"ARROW1\0\0", "feather"), (b"\xff" * 4, "arrow")):
        path = sparse(folder / f"headed.{kind}", head=magic)
        yield f"{kind} of 10 GB with its magic", reading(path)


def json_bombs() -> dict[str, bytes]:
    return {
        "list nested deep": b'[{"a": ' + deep(b"["),
        "list of empty lists": b'[{"a": [' + b"[]," * 5_000_000,
        "string without an end": b'["' + b"words " * 8_000_000,
        "number without an end": b'[{"n": ' + b"1" * 40_000_000,
        "blanks without an end": b'["a",' + b" " * 100_000_000 + b"x",
    }


def archives() -> dict[str, bytes]:
    """Small files that unpack to gigabytes, or claim to."""
    made = {}
    part, parts = 2**20, 64
    words = b"a" * 100_000
    lines = {"txt": words + b"\n", "jsonl": b'"' + words + b'"\n', "csv": words}  # an endless field
    for extension, kind in PACKINGS.items():
        for inner, line in lines.items():
            content = line * (part // len(line))
            if kind == "zip":
                packed = PACK[kind](content * parts, f"a.{inner}")
            else:
                packed = PACK[kind](content, "") * parts
            made[f"bomb.{inner}.{extension}"] = packed
    forged = bytearray(PACK["zip"](b"words", "a.txt"))
    at = forged.index(b"PK\5\6")
    forged[at + 12 : at + 16] = (2**31).to_bytes(4, "little")  # the size of the directory
    made["forged.zip"] = bytes(forged)
    return made


def settings(folder: Path) -> Iterator[Bomb]:
    toml = sparse(folder / "settings.toml")
    yield "settings of 10 GB", lambda: settings_file(toml)
    config = folder / "config.json"
    config.write_bytes(b'{"format": "%s", "a": ' % CONFIG_FORMAT.encode() + deep(b"["))
    yield "settings nested deep", lambda: settings_file(config)
    metrics = sparse(folder / "metrics.jsonl")
    yield "metrics of 10 GB", lambda: read_metrics(metrics)
    prompts = sparse(folder / "prompts.txt")

    def generate() -> None:
        if slm(["generate", "--checkpoint", str(folder), "--file", str(prompts)]) in (1, 2):
            raise SlmError(f"{prompts} was refused")

    yield "prompts of 10 GB", generate


# ------------------------------------------------------------------------------------------------


def memory(key: str) -> int:
    """A number of /proc/self/status, in bytes: VmSize is what there is, VmHWM the peak in use."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise AssertionError(key)


def main(folder: Path, megabytes: int) -> None:
    groups = (checkpoints, data_directories, tokenizers, sources, settings)
    bombs = [bomb for group in groups for bomb in group(folder)]
    load_checkpoint(folder / "whole").build_model()  # all that is imported late is imported now
    limit = memory("VmSize") + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for name, detonate in bombs:
        with contextlib.suppress(OSError):  # the peak begins anew, where that may be asked for
            Path("/proc/self/clear_refs").write_text("5", "ascii")
        before, started_at = memory("VmHWM"), time.process_time()
        try:
            detonate()
            outcome, ours = "it was read", False
        except BaseException as error:
            outcome, ours = f"{type(error).__name__}: {error}", isinstance(error, SlmError)
        seconds = time.process_time() - started_at
        grown = memory("VmHWM") - before
        report = {"name": name, "ours": ours, "outcome": outcome[:400], "grown": grown}
        print(json.dumps({**report, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
