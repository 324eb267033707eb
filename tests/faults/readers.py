"""The readers that are fuzzed: what each is fed with, and how far into the program that goes.

An input's first line names the file (or command) that the rest is for. Checksums are made to agree
where the reader would look no further otherwise: they find damage, not forgery.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slm.config.origins import PREPARED
from slm.errors import DataError
from tests.conftest import MODERN, TINY, tell_stories
from tests.packing import PACK, PACKINGS

Read = Callable[[bytes], None]
"""Reads one input; only errors of `slm` may come out."""

STORIES = tell_stories(12, seed=1)


@dataclass(frozen=True)
class Target:
    """A reader, and good inputs to begin with."""

    name: str
    reader: Callable[[Path], AbstractContextManager[tuple[list[bytes], Read]]]
    """Given an empty folder, the seeds and the reader that uses it."""


def resealed(raw: bytes) -> bytes:
    """A JSON object with the checksum that belongs to it, where it has one; other bytes as is."""
    from slm.storage.safe_reading import sealed_json

    try:
        content = json.loads(raw)
        if not isinstance(content, dict) or "checksum" not in content or len(content) < 2:
            return raw
        return sealed_json({key: item for key, item in content.items() if key != "checksum"})
    except (ValueError, RecursionError):
        return raw


def _inputs(files: Mapping[str, bytes]) -> list[bytes]:
    return [name.encode() + b"\n" + content for name, content in files.items()]


def _parts(content: bytes, known: Mapping[str, object]) -> tuple[str, bytes]:
    """The name and the rest of an input; what the name of another target has is for the first."""
    name, _, rest = content.partition(b"\n")
    text = name.decode("ascii", "replace")
    return (text if text in known else next(iter(known))), rest


# -- prepared data ---------------------------------------------------------------------------------


@contextlib.contextmanager
def _data(place: Path) -> Iterator[tuple[list[bytes], Read]]:
    from slm.data.loader import DataLoader
    from slm.data.prepare import prepare
    from slm.data.shards import DataDirectory
    from slm.presets import resolve
    from slm.runs.data import describe_source, fit_vocabulary

    source = place / "stories.txt"
    source.write_text(STORIES, encoding="utf-8", newline="\n")
    folder = prepare(str(source), "bytes", place / "data", validation_fraction=0.3).path
    good = {name: (folder / name).read_bytes() for name in ("meta.json", "train.bin")}
    flags = {"data.data_dir": (str(folder), PREPARED)}
    settings = resolve("tiny", flags=flags)

    def read(content: bytes) -> None:
        name, rest = _parts(content, good)
        for other, whole in good.items():
            (folder / other).write_bytes(whole)
        (folder / name).write_bytes(resealed(rest))
        if name == "train.bin":  # a forger's, whose checksums are right
            meta = json.loads(good["meta.json"])
            split = meta["splits"]["train"]
            split |= {"size": len(rest), "tokens": len(rest) // 2, "crc32": [zlib.crc32(rest)]}
            (folder / "meta.json").write_bytes(resealed(json.dumps(meta).encode()))
        directory = DataDirectory.open(folder)
        for split in ("train", "validation"):
            directory.tokens(split)
            directory.bytes_per_token(split)
        tokenizer = directory.tokenizer
        fit_vocabulary(describe_source(settings, directory, lambda note: None), tokenizer)
        loader = DataLoader(2, 16, data_dir=folder)
        loader.batch_at(3)
        next(loader.validation_batches(1), None)

    yield _inputs(good), read


# -- checkpoints -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _run(place: Path) -> Iterator[tuple[Path, Any]]:
    """A run of two steps in `place`, and a function that goes on with the run in a folder."""
    from slm.api import Trainer
    from slm.config import GPTConfig
    from slm.data.loader import DataLoader
    from slm.data.prepare import prepare
    from slm.model import GPT
    from slm.parallel.processes import Process
    from slm.runs.checkpointer import Checkpointer
    from slm.runs.guard import spike_limit
    from slm.runs.guarded_step import GuardedStep
    from slm.seeds import seed_everything
    from slm.training.budget import Budget

    source = place / "stories.txt"
    source.write_text(STORIES, encoding="utf-8", newline="\n")
    data = prepare(str(source), "bytes", place / "data", validation_fraction=0.3)
    config = GPTConfig(**{**TINY, **MODERN, "vocab_size": 257, "n_layer": 1, "n_embd": 16})
    settings = {
        **{"batch_size": 2, "gradient_accumulation_steps": 1, "max_steps": 2, "warmup_steps": 1},
        **{"sample_prompts": (), "eval_tokens": 64, "device": "cpu", "dtype": "float32"},
        **{"compile": "off", "out_dir": str(place / "run"), "optimizer": "muon"},
    }
    seed_everything(0)
    loader = DataLoader(2, config.block_size, data_dir=data.path)
    trainer = Trainer(GPT(config), loader, settings, callbacks=[])
    trainer.train()
    model = GPT(config)

    def go_on(run: Path) -> None:
        stepper = GuardedStep(
            model, trainer.config, device="cpu", dtype="float32", process=Process()
        )
        saver = Checkpointer(run, model, stepper, trainer.settings, loader, threads=1)
        state = saver.restore(log=lambda text: None)
        if state is not None:  # as the next steps use it
            Budget(trainer.config, time_state=state.time).progress(state.step)
            for loss in (3.0, 2.5):
                _ = spike_limit(state.running_loss)
                state.record_loss(loss)
            state.record_evaluation(2.5)
            json.dumps(state.to_json(), allow_nan=False)

    yield place / "run", go_on


@contextlib.contextmanager
def _manifest(place: Path) -> Iterator[tuple[list[bytes], Read]]:
    from slm.checkpoint import open_checkpoint, prune, verify_checkpoint
    from slm.checkpoint.run import step_directory

    with _run(place) as (run, go_on):
        step = step_directory(run, 2)
        good = {"MANIFEST.json": (step / "MANIFEST.json").read_bytes()}
        shutil.rmtree(run / "best")

        def read(content: bytes) -> None:
            (step / "MANIFEST.json").write_bytes(resealed(_parts(content, good)[1]))
            prune(run, 1)
            verify_checkpoint(step)
            open_checkpoint(run)
            go_on(run)

        yield _inputs(good), read


@contextlib.contextmanager
def _checkpoint(place: Path) -> Iterator[tuple[list[bytes], Read]]:
    from slm.checkpoint import load_checkpoint
    from slm.checkpoint.int8 import quantized_state
    from slm.checkpoint.manifest import HashingWriter, ManifestWriter
    from slm.checkpoint.run import step_directory
    from slm.checkpoint.tensors import write_tensors
    from slm.model_card import ModelCard

    with _run(place) as (run, go_on):
        step = step_directory(run, 2)
        good = {
            path.name: path.read_bytes()
            for path in sorted(step.iterdir())
            if path.name != "MANIFEST.json" and not path.name.startswith(".")
        }
        good["card.json"] = json.dumps(ModelCard("m", data="stories").to_json()).encode()
        int8 = io.BytesIO()
        write_tensors(HashingWriter(int8), quantized_state(load_checkpoint(step).weights()))
        shutil.rmtree(run / "best")

        def read(content: bytes) -> None:
            name, rest = _parts(content, good)
            for path in step.iterdir():
                path.unlink()
            writer = ManifestWriter(step)
            for other, whole in good.items():
                with writer.open(other) as stream:
                    stream.write(rest if other == name else whole)
            writer.finish()
            checkpoint = load_checkpoint(step)
            tokenizer = checkpoint.tokenizer
            tokenizer.decode(tokenizer.encode("Once"))
            checkpoint.build_model()
            _ = checkpoint.optimizer_state
            go_on(run)

        yield [*_inputs(good), b"model.safetensors\n" + int8.getvalue()], read


# -- settings --------------------------------------------------------------------------------------


@contextlib.contextmanager
def _settings(place: Path) -> Iterator[tuple[list[bytes], Read]]:
    from slm.config import RunConfig
    from slm.data.data_paths import default_data_dir
    from slm.presets import preset_table, resolve
    from slm.runs.launch import check_memory
    from slm.runs.settings import new_run, resumed_run

    run = resolve("tiny", assignments=["sample_prompts=['a']"])
    toml = ['preset = "tiny"\nlog_interval = 3']
    for group, values in preset_table("shakespeare-char").items():
        if isinstance(values, dict):
            toml.append(f"[{group}]")
            toml += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    good = {
        "toml": "\n".join(toml).encode(),
        "json": json.dumps(run.to_json(), indent=2).encode(),
        "run": json.dumps(run.to_json(), indent=2).encode(),
        "set": b"n_layer=2\nmodel.n_embd=64\nsource=builtin\nsample_prompts=['a', 'b']\nbias=true",
    }

    def use(settings: RunConfig) -> None:
        # A device that has all the memory there is: what is absurd is refused nevertheless.
        check_memory(settings, "cpu")
        default_data_dir(settings.data)
        assert RunConfig.from_json(settings.to_json(), where="here") == settings

    def read(content: bytes) -> None:
        name, rest = _parts(content, good)
        if name == "set":
            words = rest.decode("utf-8", "surrogateescape").split("\n")
            use(new_run("tiny", None, {}, words))
            return
        if name == "run":
            (place / "config.json").write_bytes(rest)
            resumed = resumed_run(place, None, None, {}, [])
            assert resumed is not None
            use(resumed)
            return
        file = place / f"settings.{name}"
        file.write_bytes(rest)
        use(new_run(None, file, {}, []))

    yield _inputs(good), read


# -- tokenizers ------------------------------------------------------------------------------------


@contextlib.contextmanager
def _tokenizer(place: Path) -> Iterator[tuple[list[bytes], Read]]:
    from slm.tokenizer import build_tokenizer, load_tokenizer

    texts = [STORIES, "é ü 1e999 \U0001f600"]
    made = {spec: build_tokenizer(spec, lambda: texts) for spec in ("chars", "bytes", "bpe:280")}
    good = {spec: json.dumps(one.to_json(), indent=1).encode() for spec, one in made.items()}
    file = place / "tokenizer.json"

    def read(content: bytes) -> None:
        file.write_bytes(_parts(content, good)[1])
        tokenizer = load_tokenizer(file)
        for text in ("", "Once upon a time, Tom\n", "<|endoftext|>\0é\U0001f600"):
            ids = tokenizer.encode(text)
            assert tokenizer.decode(ids) == text
            assert [list(batch) for batch in tokenizer.encode_batch([text])] == [ids]
        assert len(tokenizer.fingerprint) == 64
        if hasattr(tokenizer, "merges"):
            tokenizer.merges()

    yield _inputs(good), read


# -- text ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _text(place: Path) -> Iterator[tuple[list[bytes], Read]]:
    from slm.data.sources import open_source

    stories = STORIES.split("\n<|endoftext|>\n")[:6]
    rows = [json.dumps({"text": story, "n": k}) for k, story in enumerate(stories)]
    table = ["n,text", *(f'{k},"{story}"' for k, story in enumerate(stories))]
    good = {
        "txt": STORIES.encode(),
        "jsonl": "\n".join(rows).encode(),
        "csv": "\n".join(table).encode(),
        "tsv": "\n".join(table).replace(",", "\t").encode(),
        "json": json.dumps([json.loads(row) for row in rows]).encode(),
        **_tables(stories),
    }
    for extension, kind in PACKINGS.items():
        for inner in ("txt", "jsonl", "csv"):
            good[f"{inner}.{extension}"] = PACK[kind](good[inner], f"a.{inner}")
    others = [  # in other ways than those above
        b"csv\n" + b"sep=;\n" + good["csv"].replace(b",", b";"),
        b"csv\n" + good["csv"].partition(b"\n")[2],  # without names
        b"json\n" + "\n".join(json.dumps(json.loads(row), indent=1) for row in rows).encode(),
    ]
    numbers = itertools.count()

    def read(content: bytes) -> None:
        kind, rest = _parts(content, good)
        file = place / f"{next(numbers)}.{kind}"  # a new name: readers may remember the last one
        file.write_bytes(rest)
        try:
            source = open_source(str(file), limit=50, validation_fraction=0.3)
            json.dumps(source.identity(), allow_nan=False)
            _ = (source.expected_bytes, source.expected_stories)
            for split in ("train", "validation"):
                for part in itertools.islice(source.parts(split), 100):
                    part.text.encode("utf-8")
        finally:
            file.unlink()

    yield [*_inputs(good), *others], read


@contextlib.contextmanager
def _encodings(place: Path) -> Iterator[tuple[list[bytes], Read]]:
    from slm.storage.encodings import conversion_hint, encoding_of

    good = [STORIES.encode(codec) for codec in ("utf-16", "utf-16-be", "utf-32-le")]
    good.append(STORIES.replace("a", "\u2019").encode("cp1252"))
    good.append(STORIES.replace("a", "\u4ece").encode("gb18030"))

    def read(content: bytes) -> None:
        encoding = encoding_of(io.BytesIO(content))
        if encoding is None:
            raise DataError("this is UTF-8, or no text at all")
        assert encoding.name.isascii()
        assert conversion_hint(encoding, place / "a.txt")

    yield good, read


def _tables(stories: list[str]) -> dict[str, bytes]:
    """Stories in Parquet and Arrow, each in other types of text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "parquet": pa.array(stories),
        "pq": pa.array([{"text": story, "n": k} for k, story in enumerate(stories)]),
        "arrow": pa.array(stories).cast(pa.string_view()),
        "feather": pa.array(stories).dictionary_encode(),
    }
    found = {}
    for extension, column in columns.items():
        stream = io.BytesIO()
        table = pa.table({"text": column})
        if extension in ("parquet", "pq"):
            pq.write_table(table, stream)
        else:
            new = pa.ipc.new_stream if extension == "arrow" else pa.ipc.new_file
            with new(stream, table.schema) as writer:
                writer.write_table(table)
        found[extension] = stream.getvalue()
    return found


# -- models of other projects ----------------------------------------------------------------------


def _imported(place: Path, files: Mapping[str, bytes], start: str) -> Read:
    """Imports a folder of which one file is an input, and uses what comes of it."""
    from slm.interop.importing import import_model, write_checkpoint

    place.mkdir(exist_ok=True)
    for other, whole in files.items():
        (place / other).write_bytes(whole)

    def read(content: bytes) -> None:
        name, rest = _parts(content, files)
        try:
            (place / name).write_bytes(rest)
            model = import_model(str(place / start))
            tokenizer = model.tokenizer
            tokenizer.decode(tokenizer.encode("Once upon a time, Tom\n\0é\U0001f600"))
            write_checkpoint(model, place.with_name("ours"))
        finally:
            (place / name).write_bytes(files[name])

    return read


def _exported(place: Path, target: str, *, shape: str = "llama", spec: str = "bytes") -> Path:
    """A small model of ours in another program's format."""
    from slm.interop.export import export
    from slm.tokenizer import build_tokenizer
    from tests.interop_models import model_of, source_of

    tokenizer = build_tokenizer(spec, lambda: [STORIES])
    small = {"n_embd": 16, "n_head": 2, "n_layer": 1, "block_size": 16}
    mlp = {} if shape == "gpt2" else {"mlp_dim": 16}
    source = source_of(model_of(shape, tokenizer.vocab_size, **small, **mlp), tokenizer)
    export(source, target, place / f"{target}-{spec}", dtype="float32")
    return place / f"{target}-{spec}"


@contextlib.contextmanager
def _transformers(place: Path) -> Iterator[tuple[list[bytes], Read]]:
    good: dict[str, bytes] = {}
    for spec in ("bytes", "chars", "bpe:280"):
        folder = _exported(place, "hf", spec=spec)
        good = {path.name: path.read_bytes() for path in sorted(folder.iterdir())} | good
        tokenizer = (folder / "tokenizer.json").read_bytes()
        good.setdefault(f"tokenizer.json of {spec}", tokenizer)
    tokenizers = [good.pop(name) for name in list(good) if " " in name]
    good.pop("README.md")
    read = _imported(place / "m", good, "")
    yield [*_inputs(good), *(b"tokenizer.json\n" + content for content in tokenizers[:1])], read


@contextlib.contextmanager
def _gguf(place: Path) -> Iterator[tuple[list[bytes], Read]]:
    files = [
        _exported(place, "gguf", spec=spec).read_bytes() for spec in ("bytes", "chars", "bpe:280")
    ]
    read = _imported(place / "m", {"m.gguf": files[0]}, "m.gguf")
    yield [b"m.gguf\n" + content for content in files], read


@contextlib.contextmanager
def _llama2c(place: Path) -> Iterator[tuple[list[bytes], Read]]:
    folder = _exported(place, "llama2c")
    good = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    yield _inputs(good), _imported(place / "m", good, "model.bin")


@contextlib.contextmanager
def _nanogpt(place: Path) -> Iterator[tuple[list[bytes], Read]]:
    folder = _exported(place, "nanogpt", shape="gpt2", spec="chars")
    good = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    yield _inputs(good), _imported(place / "m", good, "ckpt.pt")


TARGETS = (
    Target("data", _data),
    Target("manifest", _manifest),
    Target("checkpoint", _checkpoint),
    Target("settings", _settings),
    Target("tokenizer", _tokenizer),
    Target("text", _text),
    Target("encodings", _encodings),
    Target("transformers", _transformers),
    Target("gguf", _gguf),
    Target("llama2c", _llama2c),
    Target("nanogpt", _nanogpt),
)
