"""Models in the programs that they leave for, and models of other programs here.

    python bench/interop.py --stories stories.txt --export runs/demo [RUN ...]
        [--targets hf gguf ...] [--llama2c CHECKOUT] [--nanogpt CHECKOUT]
    python bench/interop.py --stories stories.txt --import FOLDER model.gguf model.bin ckpt.pt
        [--tokenizer tok512.bin] [--scored-tokens 0] [--llama2c CHECKOUT] [--nanogpt CHECKOUT]

Every run is exported to every target that can hold it, read by a program of the target, and
imported again where that is possible. Every other model is imported, and read by its own program.
Either way, both sides tokenize the first `--count` stories of a file (separated by lines
`<|endoftext|>`), give the logits of the windows in which `slm eval` scores stories, until there are
`--scored-tokens` of them (0: all of `--scored`), and continue a prompt with the most likely tokens.

`gguf` is written in float32, and then in q8_0. llama.cpp reports log-probabilities, so these are
compared, where ours are above -10. It computes once with keys, values and attention in float32, and
once as it does by default, which is its note "by default". Targets of checkouts that are not given
are left out. nanoGPT's GELU differs from that of runs from here: see docs/how-to/use-elsewhere.md.

A line of JSON is printed for each comparison, and all of them as a table at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from consumers.consumer import Array, Consumer, until

from slm.checkpoint import load_checkpoint, resolve_checkpoint
from slm.errors import SlmError
from slm.evals.scoring import Window, story_windows
from slm.interop.export import export
from slm.interop.imported import ImportedModel
from slm.interop.importing import import_model
from slm.interop.llama2c import renumbered
from slm.interop.source import ExportSource
from slm.model import GPT
from slm.tokenizer.base import Tokenizer

PROMPT = "Once upon a time"
GREEDY_TOKENS = 40
LIKELY = -10.0
"""Log-probabilities below this one are not compared."""
TARGETS = ("hf", "gguf", "gguf q8_0", "onnx", "llama2c", "nanogpt")


@dataclass
class Texts:
    """What both sides read."""

    stories: Sequence[str]
    """To tokenize."""
    scored: Sequence[str]
    scored_tokens: int
    """How many of these are enough; 0: all."""


@dataclass
class Model:
    """A model here."""

    name: str
    gpt: GPT
    tokenizer: Tokenizer

    @classmethod
    def imported(cls, model: ImportedModel) -> Model:
        gpt = GPT(model.config).eval()
        gpt.load_state_dict({name: values.float() for name, values in model.weights.items()})
        return cls(model.name, gpt, model.tokenizer)

    @cached_property
    def some_letter(self) -> int:
        """An id that is a whole character."""
        return self.tokenizer.encode("a")[-1]

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [ids.tolist() for ids in self.tokenizer.encode_batch(list(texts))]

    def scored(
        self, texts: Texts, prefix: str = "", *, n_reserved: int = 0
    ) -> tuple[list[Window], int]:
        """The windows of `slm eval`, of stories until enough tokens are scored, and their bytes."""
        tokenizer, pieces, n_tokens, n_bytes = self.tokenizer, [], 0, 0
        for story in texts.scored:
            if texts.scored_tokens and n_tokens >= texts.scored_tokens:
                break
            ids = tokenizer.encode(prefix + story)
            pieces.append(np.array([*ids, tokenizer.eot_id], np.uint32))
            n_tokens += len(pieces[-1])
            n_bytes += len(story.encode())
        size = self.gpt.config.block_size - n_reserved
        windows = story_windows(pieces, tokenizer.eot_id, size, bos_id=tokenizer.bos_id)
        return list(windows), n_bytes

    def logits(self, ids: Sequence[int]) -> torch.Tensor:
        """[T, vocab_size] after each id."""
        with torch.inference_mode():
            logits, _ = self.gpt(torch.tensor([ids]))
        assert logits is not None
        return logits[0]

    def continuation(self, prompt: str, n_tokens: int) -> str:
        ids = [self.tokenizer.bos_id, *self.tokenizer.encode(prompt)]
        written = self.gpt.generate(torch.tensor([ids]), n_tokens, temperature=0)[0].tolist()
        return prompt + self.tokenizer.decode(until(written[len(ids) :], self.tokenizer.eot_id))


@dataclass
class Row:
    """A line of the table: a model here and in another program."""

    model: str
    direction: str
    """The target of an export, or `import`."""
    program: str
    megabytes: float
    ids_equal: str = ""
    largest_difference: float = 0.0
    """Of logits, or of log-probabilities."""
    greedy_equal: bool = False
    argmax_equal: str = ""
    bits_per_byte: tuple[float, float] = (0.0, 0.0)
    """Here and there."""
    again: str = ""
    """What an import of the export has of it."""
    notes: dict[str, float] = field(default_factory=dict)


def equal(found: Sequence[list[int] | None], expected: Sequence[list[int]]) -> str:
    """How many sequences are equal of those that exist, such as `10,000 of 10,000`."""
    pairs = [(a, b) for a, b in zip(found, expected, strict=True) if a is not None]
    return f"{sum(a == b for a, b in pairs):,} of {len(pairs):,}"


def compare(model: Model, consumer: Consumer, texts: Texts, row: Row) -> None:
    """Ask both sides the same, and fill the row."""
    prefix = consumer.text_prefix
    row.program = consumer.name
    row.ids_equal = equal(
        consumer.ids(texts.stories), model.ids([prefix + story for story in texts.stories])
    )
    compare_scores(model, consumer, texts, row)
    room = model.gpt.config.block_size - len(model.tokenizer.encode(prefix + PROMPT)) - 1
    n_tokens = min(GREEDY_TOKENS, room)
    ours = model.continuation(prefix + PROMPT, n_tokens).removeprefix(prefix)
    row.greedy_equal = consumer.continuation(PROMPT, n_tokens) == ours


def compare_scores(model: Model, consumer: Consumer, texts: Texts, row: Row) -> None:
    """The largest difference, and the bits per byte on both sides."""
    windows, n_bytes = model.scored(texts, consumer.text_prefix, n_reserved=consumer.n_reserved)
    nats, n_same, n_positions = [0.0, 0.0], 0, 0
    row.largest_difference = 0.0
    theirs = consumer.scores([window.ids[:-1].tolist() for window in windows])
    for window, found in zip(windows, theirs, strict=True):
        ids = torch.from_numpy(window.ids.astype(np.int64))
        logits = model.logits(ids[:-1].tolist())
        ours = logits.log_softmax(dim=-1) if consumer.scores_are_normalized else logits
        other = torch.full_like(logits, -math.inf)
        n_ids = min(found.shape[1], ours.shape[1])
        other[:, :n_ids] = torch.from_numpy(found[:, :n_ids].copy())
        above = LIKELY if consumer.scores_are_normalized else -math.inf
        largest = difference(ours.numpy(), other.numpy(), above)
        row.largest_difference = max(row.largest_difference, largest)
        n_same += int((other.argmax(-1) == ours.argmax(-1)).sum())
        n_positions += len(ours)
        for side, values in enumerate((logits, other)):
            chosen = values.double().log_softmax(-1).gather(1, ids[1:, None])
            nats[side] -= float(chosen[window.n_context :].sum())
    row.argmax_equal = f"{n_same:,} of {n_positions:,}"
    row.bits_per_byte = (nats[0] / math.log(2) / n_bytes, nats[1] / math.log(2) / n_bytes)


def difference(ours: Array, theirs: Array, above: float) -> float:
    """The largest one, where ours is above a limit and theirs is known."""
    is_compared = (ours > above) & np.isfinite(theirs)
    return float(np.abs(ours - theirs)[is_compared].max())


# -- out -------------------------------------------------------------------------------------


def exports(run: str, options: argparse.Namespace, texts: Texts) -> Iterator[Row]:
    """A row per target that can hold the model and whose program is there."""
    checkpoint = load_checkpoint(resolve_checkpoint(Path(run)))
    source = ExportSource.of(checkpoint)
    model = Model(source.name, checkpoint.build_model(), source.tokenizer)
    for target in options.targets:
        if target in ("llama2c", "nanogpt") and getattr(options, target) is None:
            continue
        kind, _, quantized = target.partition(" ")
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch, "model.gguf" if kind == "gguf" else "model")
            try:
                written = export(source, kind, path, dtype=quantized or "float32")
            except SlmError as error:
                print(f"{model.name}, {target}: {error.message}", file=sys.stderr)
                continue
            row = Row(model.name, target, "", written.bytes / 1e6)
            read_elsewhere(model, kind, path, options, texts, row)
            if kind != "onnx":
                again = Model.imported(import_model(str(main_file(kind, path))))
                row.again = differences(model, again, texts, is_renumbered=kind == "llama2c")
        yield row


def main_file(kind: str, path: Path) -> Path:
    """What an import of an export is given."""
    names = {"llama2c": "model.bin", "nanogpt": "ckpt.pt"}
    return path / names[kind] if kind in names else path


def read_elsewhere(
    model: Model, kind: str, path: Path, options: argparse.Namespace, texts: Texts, row: Row
) -> None:
    """Compare an export in its program."""
    config, tokenizer = model.gpt.config, model.tokenizer
    ends = {"bos_id": tokenizer.bos_id, "eot_id": tokenizer.eot_id}
    if kind == "hf":
        from consumers.hugging_face import Transformers

        compare(model, Transformers(path, model.tokenizer.bos_id), texts, row)
    elif kind == "onnx":
        from consumers.onnx_runtime import OnnxRuntime

        shape = (config.kv_heads, config.head_width)
        compare(model, OnnxRuntime(path, shape, tokenizer.eot_id), texts, row)
    elif kind == "gguf":
        in_llama_cpp(model, path, texts, row)
    elif kind == "llama2c":
        from consumers.llama2c import Llama2C

        files = (path / "model.bin", path / "tokenizer.bin", path.parent)
        order = renumbered(tokenizer)[1]
        theirs = Llama2C(options.llama2c, *files, order=order, text_prefix=" ")
        compare(model, theirs, texts, row)
    else:
        from consumers.nanogpt import NanoGPT

        compare(model, NanoGPT(options.nanogpt, path, **ends), texts, row)


def in_llama_cpp(model: Model, path: Path, texts: Texts, row: Row) -> None:
    """Compare in llama.cpp, in float32 and by default."""
    from consumers.llama_cpp import EXACT, LlamaCpp

    config = model.gpt.config
    for settings in ({}, EXACT):
        server = LlamaCpp(
            path,
            positions=config.block_size,
            vocab_size=config.vocab_size,
            some_letter=model.some_letter,
            begins_with=model.tokenizer.bos_id,
            settings=settings,
        )
        with contextlib.closing(server):
            if settings:
                compare(model, server, texts, row)
                continue
            compare_scores(model, server, texts, row)
            row.notes["largest difference by default"] = row.largest_difference
            row.notes["bits per byte by default"] = row.bits_per_byte[1]


def differences(model: Model, again: Model, texts: Texts, *, is_renumbered: bool) -> str:
    """What differs after a model has left and come back."""
    if is_renumbered:  # its ids are not ours, so only the number of weights can be compared
        return f"{sum(p.numel() for p in again.gpt.parameters()):,} weights"
    ids = equal(again.ids(texts.stories), model.ids(texts.stories))
    (window, *_), _ = model.scored(texts)
    logits = [m.logits(window.ids[:-1].tolist()).numpy() for m in (model, again)]
    return f"ids of {ids}, logits to {difference(*logits, -math.inf):.1g}"


# -- in --------------------------------------------------------------------------------------


def imports(source: str, options: argparse.Namespace, texts: Texts) -> Row:
    """A model of another program here."""
    path = Path(source)
    model = Model.imported(import_model(source, tokenizer=options.tokenizer))
    files = path.rglob("*") if path.is_dir() else [path]
    size = sum(file.stat().st_size for file in files if file.is_file())
    row = Row(model.name, "import", "", size / 1e6)
    if path.is_dir():
        from consumers.hugging_face import Transformers

        compare(model, Transformers(path, model.tokenizer.bos_id), texts, row)
    elif path.suffix == ".gguf":
        in_llama_cpp(model, path, texts, row)
    elif path.suffix == ".pt":
        from consumers.nanogpt import NanoGPT

        ends = {"bos_id": model.tokenizer.bos_id, "eot_id": model.tokenizer.eot_id}
        compare(model, NanoGPT(options.nanogpt, path.parent, **ends), texts, row)
    else:
        from consumers.llama2c import Llama2C

        words = Path(options.tokenizer or path.with_name("tokenizer.bin"))
        with tempfile.TemporaryDirectory() as scratch:
            compare(model, Llama2C(options.llama2c, path, words, Path(scratch)), texts, row)
    return row


def table(rows: Sequence[Row]) -> Iterator[str]:
    """The rows in Markdown."""
    yield "| model | to or from | program | largest difference | equal ids | greedy equal | size |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        cells = [row.model, row.direction, row.program, f"{row.largest_difference:.1g}"]
        cells += [row.ids_equal, "yes" if row.greedy_equal else "no", f"{row.megabytes:.1f} MB"]
        yield f"| {' | '.join(cells)} |"


def stories_of(path: Path) -> list[str]:
    """The stories of a text file."""
    text = path.read_text(encoding="utf-8")
    return [story.strip() for story in text.split("<|endoftext|>") if story.strip()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--export", nargs="+", default=[], metavar="RUN")
    parser.add_argument("--import", nargs="+", default=[], metavar="SOURCE", dest="sources")
    parser.add_argument("--stories", type=Path, required=True)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--scored", type=Path, help="stories to score; --stories if absent")
    parser.add_argument("--scored-tokens", type=int, default=200)
    parser.add_argument("--targets", nargs="+", default=TARGETS, choices=TARGETS)
    parser.add_argument("--tokenizer", help="of the models to import; their own if absent")
    parser.add_argument("--llama2c", type=Path, help="a checkout of llama2.c")
    parser.add_argument("--nanogpt", type=Path, help="a checkout of nanoGPT")
    options = parser.parse_args()
    stories = stories_of(options.stories)[: options.count]
    scored = stories_of(options.scored) if options.scored else stories
    texts = Texts(stories, scored, options.scored_tokens)
    leaving = itertools.chain.from_iterable(exports(run, options, texts) for run in options.export)
    rows: list[Row] = []
    for row in itertools.chain(leaving, (imports(s, options, texts) for s in options.sources)):
        rows.append(row)
        print(json.dumps(asdict(row)), flush=True)
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
