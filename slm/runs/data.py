"""The data of a run: their directory, their source, and the vocabulary of the model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

from slm.config import DataConfig, RunConfig
from slm.config.origins import FROM_SOURCE, FROM_TOKENIZER, Origin, OriginKind
from slm.data.data_paths import DECISIVE, default_data_dir
from slm.data.prepare import PrepareProgress, is_made_from, prepare
from slm.data.shards import META_FILE, DataDirectory
from slm.data.sources import has_own_validation, source_of
from slm.errors import ConfigError, DataError, UsageError, WriteError
from slm.log import Log
from slm.tokenizer import load_tokenizer, parse_tokenizer
from slm.tokenizer.base import Tokenizer

Progress = Callable[[PrepareProgress], None]


def place_data(settings: RunConfig) -> RunConfig:
    """Settings with a data directory; the default if none is named, see `default_data_dir`."""
    if not _place_is_open(settings):
        return settings
    place = default_data_dir(settings.data)
    return settings.with_values({"data.data_dir": str(place)}, FROM_SOURCE)


def _place_is_open(settings: RunConfig) -> bool:
    """Whether no data directory is named."""
    return settings.origin_of("data.data_dir").kind in (OriginKind.DEFAULT, OriginKind.DERIVED)


def obtain_data(
    settings: RunConfig,
    *,
    as_they_are: bool = False,
    force: bool = False,
    locked: bool = False,
    progress: Progress | None = None,
    log: Log | None = None,
) -> DataDirectory:
    """Open the data directory of the settings; prepare it first if needed.

    Args:
        settings: of the run.
        as_they_are: accept any prepared data in the directory.
        force, locked, progress, log: see `prepare`.

    Raises:
        SlmError: the data cannot be obtained.
    """
    data = settings.data
    if settings.origin_of("data.data_dir").kind is OriginKind.PREPARED:
        return DataDirectory.open(data.data_dir)
    as_they_are = as_they_are or _only_data_dir_is_chosen(settings)
    if as_they_are and not force:
        with contextlib.suppress(DataError):
            return DataDirectory.open(data.data_dir)
    source = source_of(data, log=log)
    try:
        directory = prepare(
            source,
            data.tokenizer,
            data.data_dir,
            force=force,
            locked=locked,
            progress=progress,
            log=log,
        )
    except WriteError as error:
        if type(error) is WriteError and _place_is_open(settings):
            error.hint = "name a folder for the prepared text with --set data_dir=FOLDER"
        raise
    chosen = [
        key
        for key in ("validation_fraction", "corpus_seed")
        if settings.origin_of(f"data.{key}").is_on_command_line
    ]
    if log is not None and chosen and has_own_validation(source):
        log(f"note: {source.name} has a validation split: no effect of {' and '.join(chosen)}")
    return directory


def ready_data(settings: RunConfig) -> DataDirectory | None:
    """The prepared data that `obtain_data` would open; None: it would prepare them."""
    with contextlib.suppress(DataError):
        directory = DataDirectory.open(settings.data.data_dir)
        if _only_data_dir_is_chosen(settings) or not _are_others(settings.data, directory):
            return directory
    return None


def _only_data_dir_is_chosen(settings: RunConfig) -> bool:
    """Whether the user named a data directory but not its contents."""
    return not _place_is_open(settings) and all(
        settings.origin_of(name).is_open for name in DECISIVE
    )


def describe_source(settings: RunConfig, directory: DataDirectory, log: Log) -> RunConfig:
    """Settings with the source of existing prepared data.

    Args:
        settings: of the run.
        directory: the data.
        log: called with a sentence if the data differ from those of the settings.

    Raises:
        UsageError: the user named another tokenizer than the one that made the data.
        DataError: the metadata of the data is invalid.
    """
    is_given = settings.origin_of("data.data_dir").kind is OriginKind.PREPARED
    if not is_given and not (
        _only_data_dir_is_chosen(settings) and _are_others(settings.data, directory)
    ):
        return settings
    name, source = directory.meta.tokenizer.name, directory.meta.source
    wanted = settings.data.tokenizer
    if settings.origin_of("data.tokenizer").is_on_command_line and not _made(wanted, directory):
        raise UsageError(
            f"{directory.path} was prepared with the tokenizer {name}, not {wanted}",
            hint="leave out the tokenizer; to use another one, give the text with --source",
        )
    values = {"data.source": directory.meta.source_name, "data.tokenizer": name}
    for key, known_as in _KNOWN_AS.items():
        if known_as in source:
            values[f"data.{key}"] = source[known_as]
    try:
        described = settings.with_values(values, described_by(directory))
    except ConfigError as error:
        raise DataError(f"{directory.path / META_FILE}: {error.message}") from None
    if not is_given:
        log(
            f"note: {directory.path} contains {described.data.source} with the tokenizer {name}, "
            f"not {settings.data.source} with {wanted}: training on the data in it "
            "(name --source, --tokenizer or --preset to replace it)"
        )
    return described


def described_by(directory: DataDirectory) -> Origin:
    """The origin of settings from the metadata of prepared data."""
    return Origin(OriginKind.FILE, str(directory.path / META_FILE))


_KNOWN_AS = {
    "corpus_seed": "seed",
    "validation_fraction": "validation_fraction",
    "limit": "limit",
}
"""Settings of the data, and their names in the identity of a source."""


def others_than_named(
    settings: RunConfig, directory: DataDirectory, names: Collection[str]
) -> list[str]:
    """The settings among `names` whose values do not match the data in a directory.

    Raises:
        SlmError: a value is invalid.
    """
    data = settings.data
    differing = []
    if "data.tokenizer" in names and not _made(data.tokenizer, directory):
        differing.append("data.tokenizer")
    there, meant = directory.meta.source, source_of(data).identity()
    if "data.source" in names and _text_alone(meant) != _text_alone(there):
        differing.append("data.source")
    for key, known_as in _KNOWN_AS.items():
        if f"data.{key}" in names and getattr(data, key) != there.get(known_as, getattr(data, key)):
            differing.append(f"data.{key}")
    return differing


def _text_alone(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a source's identity that no other setting determines."""
    return {key: value for key, value in identity.items() if key not in _KNOWN_AS.values()}


def _are_others(data: DataConfig, directory: DataDirectory) -> bool:
    """Whether a directory contains other data than the settings would produce."""
    return not is_made_from(directory, source_of(data), data.tokenizer)


def _made(spec: str, directory: DataDirectory) -> bool:
    """Whether the specified tokenizer made the data."""
    recorded = directory.meta.tokenizer
    if spec in (recorded.name, directory.meta.request.get("tokenizer")):
        return True
    wanted = parse_tokenizer(spec)
    return wanted.kind == "file" and (
        load_tokenizer(wanted.path).fingerprint == recorded.fingerprint
    )


def fit_vocabulary(settings: RunConfig, tokenizer: Tokenizer) -> RunConfig:
    """Settings with the vocabulary size of the tokenizer, unless the user chose a size.

    A run that starts or learns from other models has their vocabulary.

    Raises:
        UsageError: one of these models was trained with another tokenizer.
    """
    source, model = settings.train.init_from, settings.parent
    if model is None and settings.teacher_models:  # all of them have the same tokenizer
        source, model = settings.train.teachers[0], settings.teacher_models[0]
    if model is not None and model.tokenizer_sha256 != tokenizer.fingerprint:
        raise UsageError(
            f"the data in {settings.data.data_dir} were prepared with the tokenizer "
            f"{tokenizer.name} ({tokenizer.fingerprint[:8]}), the model in "
            f"{source} has {model.tokenizer} ({model.tokenizer_sha256[:8]})",
            hint="give the text itself, with --source: it is tokenized with the model's tokenizer",
        )
    if model is not None or not settings.origin_of("model.vocab_size").is_open:
        return settings
    return settings.with_values({"model.vocab_size": tokenizer.vocab_size}, FROM_TOKENIZER)
