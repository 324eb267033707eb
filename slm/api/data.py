"""`slm.prepare` and `slm.evaluate`: from text to token files, and measuring a model on text."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from slm.api.language_model import LanguageModel
from slm.api.loading import known_dtype, load
from slm.config import DEFAULT_SOURCE, DataConfig
from slm.errors import UsageError, did_you_mean
from slm.log import Log, as_notes
from slm.presets import Flags, resolve
from slm.reporting.display import preparation_progress, say, scoring_progress
from slm.runs.idle_settings import no_effect
from slm.storage.user_paths import user_path

if TYPE_CHECKING:
    from slm.data.documents import DocumentPart
    from slm.data.shards import DataDirectory
    from slm.evals import EvalResult

DEFAULT_TOKENIZER = "bpe:4096"
Split = Literal["train", "validation", "all"]


def prepare(
    source: str | Path = DEFAULT_SOURCE,
    *,
    tokenizer: str | Path = DEFAULT_TOKENIZER,
    out: str | Path | None = None,
    limit: int | None = None,
    validation_fraction: float | None = None,
    seed: int | None = None,
    force_reload: bool = False,
    progress: bool = True,
    log: Log | None = None,
) -> DataDirectory:
    """Read text, make or load a tokenizer, and write checked token files.

        data = slm.prepare("book.txt", tokenizer="bpe:1024", out="data/book")
        slm.train(data=data, steps=100)

    Preparing the same data again returns at once.

    Args:
        source: "builtin", a Hugging Face dataset, a file, or a folder of files.
        tokenizer: gpt2-8k, gpt2, bpe:SIZE, bytes, chars, or the path of a saved tokenizer.
        out: the data directory; None: one in ./data, which `slm.train` finds again.
        limit: use only this many documents of the training text.
        validation_fraction: share of the documents that is held out, where the source has no
            validation split; None: 0.05.
        seed: determines what is held out, and the built-in stories; None: 0.
        force_reload: fetch and tokenize again, even if nothing has changed.
        progress: show the progress.
        log: called with each note; None: it is printed.

    Returns:
        The data directory, with `path`, `meta`, `tokenizer` and `tokens(split)`.

    Raises:
        DataError, HubError: the text cannot be read or fetched.
        TokenizerError: the tokenizer cannot be made or loaded.
        WriteError, NoSpaceError: the files cannot be written.
        ConfigError: a value is out of its range.
    """
    given: Flags = {
        "data.source": (str(source), "source"),
        "data.tokenizer": (str(user_path(tokenizer)), "tokenizer"),
        "data.data_dir": (None if out is None else str(user_path(out)), "out"),
        "data.limit": (limit, "limit"),
        "data.validation_fraction": (validation_fraction, "validation_fraction"),
        "data.corpus_seed": (seed, "seed"),
    }
    flags = {name: value for name, value in given.items() if value[0] is not None}
    return prepare_data(flags, force_reload=force_reload, progress=progress, log=log or say)


def prepare_data(
    flags: Flags, *, force_reload: bool, progress: bool = True, log: Log
) -> DataDirectory:
    """Prepare the data that settings describe; see `prepare`.

    Args:
        flags: settings of the data.
        force_reload, progress, log: see `prepare`.

    Raises:
        SlmError: see `prepare`.
    """
    from slm.data.data_paths import default_data_dir
    from slm.data.prepare import prepare
    from slm.data.sources import has_own_validation, source_of

    data = resolve(flags=flags).data
    text = source_of(data, log=log)
    with preparation_progress(shown=progress) as report:
        directory = prepare(
            text,
            data.tokenizer,
            data.data_dir if "data.data_dir" in flags else default_data_dir(data),
            force=force_reload,
            progress=report,
            log=log,
        )
    held_out = ("data.validation_fraction", "data.corpus_seed")
    idle = [str(flags[name][1]) for name in held_out if name in flags]
    if idle and has_own_validation(text):
        log(f"note: {no_effect(idle, f'{text.name} has a validation split')}")
    return directory


def evaluate(
    model: LanguageModel | str | Path,
    *,
    source: str | Path | None = None,
    data: DataDirectory | str | Path | None = None,
    split: Split | None = None,
    dtype: str = "float32",
    progress: bool = True,
    log: Log | None = None,
) -> EvalResult:
    """Measure loss, perplexity and bits per byte on any text, or on prepared data.

        result = slm.evaluate(lm, source="book.txt")
        print(result.bits_per_byte)

    Every token of every document is scored once, with the start of its own document as context, and
    so is the end-of-text token after it. The numbers are those of `slm eval`.

    Args:
        model: a model, or the path of one.
        source: the text: "builtin", a Hugging Face dataset, a file, or a folder of files.
        data: prepared data, such as `slm.prepare` returns, instead of a source.
        split: train, validation or all; None: validation, and all of a single file.
        dtype: of the computation: float32, bfloat16, float16, int8 or auto.
        progress: show the progress.
        log: called with each note; None: it is printed.

    Raises:
        UsageError: not exactly one of source and data is given, or the split is unknown.
        DataError: the text cannot be read.
        DeviceError, ConfigError: the dtype is not available or unknown.
    """
    refuse_contradictions(data, source, split)
    dtype, log = known_dtype(dtype), log or say
    if not isinstance(model, LanguageModel):
        model = load(model, log=log)
    with scoring_progress(shown=progress) as report:
        scored = score(model, data, source, split, dtype=dtype, report=report, log=log)
    return scored.result


def refuse_contradictions(
    data: object, source: object, split: str | None, *, dashes: str = ""
) -> None:
    """Refuse what cannot be evaluated together.

    Args:
        data, source, split: see `evaluate`.
        dashes: what comes before these names where the user gives them.

    Raises:
        UsageError: it says what to give.
    """
    if (data is None) == (source is None):
        raise UsageError(
            f"give the text to evaluate on: {dashes}data or {dashes}source"
            if data is None
            else f"{dashes}data and {dashes}source are both given",
            hint=f"use {dashes}data for prepared token files, {dashes}source for any text",
        )
    splits = get_args(Split)
    if split is not None and split not in splits:
        raise UsageError(
            f"unknown split {split!r}",
            hint=did_you_mean(split, splits) or "use train, validation or all",
        )
    if data is not None and split == "all":
        raise UsageError(
            f"{dashes}split all needs {dashes}source", hint="evaluate train and validation in turn"
        )


@dataclass(frozen=True)
class Scored:
    """An evaluation, and what was left open before it."""

    result: EvalResult
    split: str
    dtype: str


def score(
    lm: LanguageModel,
    data: DataDirectory | str | Path | None,
    source: str | Path | None,
    split: str | None,
    *,
    dtype: str,
    report: Callable[[float | None, int], None],
    log: Log,
) -> Scored:
    """Evaluate a model on prepared data, or else on a source; see `evaluate`.

    Args:
        report: called with the share that is done, where it is known, and the tokens scored.
    """
    from slm.data.shards import DataDirectory
    from slm.evals import NativeScorer, evaluate_parts, evaluate_split
    from slm.generation.backend import build_int8_engine
    from slm.hardware.devices import autocast, resolve_dtype

    total: int | None = None

    def on_progress(tokens: int) -> None:
        report(tokens / total if total else None, tokens)

    device = str(lm.model.device)
    how: dict[str, Any] = {"on_progress": on_progress}
    if dtype == "int8":
        native = build_int8_engine(lm.model, 1, log=as_notes(log))
        how["scorer"] = NativeScorer(native)
    else:
        dtype = resolve_dtype(dtype, device)
        how["autocast"] = autocast(device, dtype)
    if data is None:
        assert source is not None
        parts, scored = text_to_score(str(source), split, lm.settings.data, log)
        result = evaluate_parts(lm.model, lm.tokenizer, parts, **how)
        return Scored(result, scored, dtype)
    directory = data if isinstance(data, DataDirectory) else DataDirectory.open(data)
    scored = split or "validation"
    total = directory.split(scored).tokens
    result = evaluate_split(lm.model, lm.tokenizer, directory, scored, **how)
    return Scored(result, scored, dtype)


def text_to_score(
    source: str, split: str | None, held_out: DataConfig, log: Log
) -> tuple[Iterator[DocumentPart], str]:
    """The documents of a source that are to be scored, and the name of their split.

    A file that somebody names to evaluate on is meant as a whole. Folders, datasets and the
    built-in corpus have a validation split; where it is a held-out share, it is the one that the
    model did not see.

    Args:
        source: see `evaluate`.
        split: None: the one that is meant.
        held_out: the data settings of the model.
        log: called with what is scored.

    Raises:
        DataError: the text cannot be read.
    """
    from slm.data.data_paths import identity_of
    from slm.data.file_source import existing_path
    from slm.data.readers import read_documents
    from slm.data.sources import is_builtin, source_of

    limit = held_out.limit if identity_of(source) == identity_of(held_out.source) else None
    settings = held_out.model_copy(update={"source": source, "limit": limit})
    opened = source_of(settings, log=log)
    path = existing_path(source)
    if not is_builtin(source) and path is not None and path.is_file() and split in (None, "all"):
        log(f"scoring the whole of {source}")
        return read_documents(path, log=log), "all"
    if split == "all":
        return itertools.chain(opened.parts("train"), opened.parts("validation")), "all"
    if split == "train":
        return opened.parts("train"), "train"
    log(f"scoring the validation split of {source}")
    return opened.parts("validation"), "validation"
