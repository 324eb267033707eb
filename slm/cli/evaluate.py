"""`slm eval`: loss, perplexity and bits per byte of a text."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slm.cli.loading import LoadedModel, load_model
from slm.cli.options import Checkpoint, Device, Json, Source
from slm.cli.output import Display, print_json, print_table, say
from slm.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from slm.config import DataConfig
    from slm.data.documents import Piece
    from slm.evals import EvalResult

SPLITS = ("train", "validation", "all")


def evaluate(
    checkpoint: Checkpoint,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="A directory made by `slm prepare`."),
    ] = None,
    source: Source = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="SPLIT",
            help="train, validation or all.  [validation; for a single file: all]",
        ),
    ] = None,
    device: Device = None,
    dtype: Annotated[
        str,
        typer.Option(
            "--dtype",
            metavar="DTYPE",
            help="float32, bfloat16, float16, int8 (that of `slm generate`), or auto.",
        ),
    ] = "float32",
    as_json: Json = False,
) -> None:
    """Measure loss, perplexity and bits per byte on prepared data or on any text.

    Every token of every story is scored once, including the end-of-text token, with the start of
    the story as context. A single file is scored as a whole.
    """
    if (data is None) == (source is None):
        raise UsageError(
            "give the text to evaluate on: --data or --source"
            if data is None
            else "--data and --source are both given",
            hint="use --data for prepared token files, --source for any text",
        )
    if split is not None and split not in SPLITS:
        raise UsageError(
            f"unknown split {split!r}",
            hint=did_you_mean(split, SPLITS) or "use train, validation or all",
        )
    if data is not None and split == "all":
        raise UsageError("--split all needs --source", hint="evaluate train and validation in turn")
    # The native engine makes int8 weights from the float32 model.
    loaded = load_model(checkpoint, device=device, dtype="float32" if dtype == "int8" else dtype)
    if dtype == "int8":
        loaded = replace(loaded, dtype=dtype)
    pieces, scored = None, split or "validation"
    if source is not None:
        pieces, scored = _text(source, split, loaded.data)
    started_at = time.perf_counter()
    with Display() as display:
        result = _score(loaded, data, pieces, scored, display)
    seconds = time.perf_counter() - started_at
    _print(result, loaded, str(data or source), scored, seconds, as_json=as_json)


def _text(source: str, split: str | None, held_out: DataConfig) -> tuple[Iterator[Piece], str]:
    """The stories of a source to score, and the name of the split.

    A single file is scored as a whole. Folders, data sets and the built-in corpus have a validation
    split; if it is a held-out fraction, it is the one that the model did not see.
    """
    from slm.data.data_paths import identity_of
    from slm.data.file_source import existing_path
    from slm.data.readers import read_documents
    from slm.data.sources import source_of

    limit = held_out.limit if identity_of(source) == identity_of(held_out.source) else None
    opened = source_of(held_out.model_copy(update={"source": source, "limit": limit}), log=say)
    path = existing_path(source)
    if source != "builtin" and path is not None and path.is_file() and split in (None, "all"):
        say(f"scoring the whole of {source}")
        return read_documents(path, log=say), "all"
    if split == "all":
        both = itertools.chain(opened.pieces("train"), opened.pieces("validation"))
        return both, "all"
    if split == "train":
        return opened.pieces("train"), "train"
    say(f"scoring the validation split of {source}")
    return opened.pieces("validation"), "validation"


def _score(
    loaded: LoadedModel,
    data: Path | None,
    pieces: Iterator[Piece] | None,
    split: str,
    display: Display,
) -> EvalResult:
    from slm.data.shards import DataDirectory
    from slm.evals import NativeScorer, evaluate_pieces, evaluate_split
    from slm.generation.backend import build_int8_engine
    from slm.hardware.devices import autocast

    total: int | None = None

    def on_progress(tokens: int) -> None:
        display.show("scoring", tokens / total if total else None, tokens / 1e3, "K tokens")

    how: dict[str, Any] = {"on_progress": on_progress}
    if loaded.dtype == "int8":
        native = build_int8_engine(loaded.model, 1, say=lambda text: say(f"note: {text}"))
        how["scorer"] = NativeScorer(native)
    else:
        how["autocast"] = autocast(loaded.device, loaded.dtype)
    if data is None:
        assert pieces is not None
        return evaluate_pieces(loaded.model, loaded.tokenizer, pieces, **how)
    directory = DataDirectory.open(data)
    total = directory.split(split).tokens
    return evaluate_split(loaded.model, loaded.tokenizer, directory, split, **how)


def _print(
    result: EvalResult,
    loaded: LoadedModel,
    text: str,
    split: str,
    seconds: float,
    *,
    as_json: bool,
) -> None:
    if as_json:
        print_json(
            {
                **result.to_json(),
                "checkpoint": str(loaded.path),
                "text": text,
                "split": split,
                "step": loaded.state.step,
                "dtype": loaded.dtype,
                "seconds": seconds,
            }
        )
        return
    print_table(
        [
            ("loss", f"{result.loss:.4f} nats per token"),
            ("perplexity", f"{result.perplexity:.3f}"),
            ("bits per byte", f"{result.bits_per_byte:.4f}"),
            ("tokens", f"{result.tokens:,}"),
            ("bytes", f"{result.bytes:,}"),
            ("stories", f"{result.stories:,}"),
        ]
    )
    say(f"{loaded.path}, step {loaded.state.step:,}, in {seconds:.1f} s")
