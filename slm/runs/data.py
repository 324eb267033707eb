"""The data of a run: where they are, what they were made from, and what follows for the model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

from slm.config import (
    ORIGIN_OF_SOURCE,
    ORIGIN_PLAN,
    ORIGIN_PREPARED,
    ORIGIN_TOKENIZER,
    DataConfig,
    RunConfig,
)
from slm.data.data_paths import DECISIVE, default_data_dir
from slm.data.prepare import PrepareProgress, is_made_from, prepare
from slm.data.shards import META_FILE, DataDirectory
from slm.data.sources import has_own_validation, source_of
from slm.errors import ConfigError, DataError, UsageError, WriteError
from slm.tokenizer import load_tokenizer, parse_tokenizer
from slm.tokenizer.base import Tokenizer

CHOSEN_BY_US = ("preset ", ORIGIN_PLAN, ORIGIN_TOKENIZER)
"""How the origins of settings begin that the user has left open."""

Progress = Callable[[PrepareProgress], None]
Note = Callable[[str], None]


def place_data(settings: RunConfig) -> RunConfig:
    """Choose the data directory, where nobody has: see `default_data_dir`."""
    if settings.origins.get("data.data_dir", ORIGIN_OF_SOURCE) != ORIGIN_OF_SOURCE:
        return settings
    place = default_data_dir(settings.data)
    return settings.with_values({"data.data_dir": str(place)}, ORIGIN_OF_SOURCE)


def obtain_data(
    settings: RunConfig,
    *,
    as_they_are: bool = False,
    force: bool = False,
    progress: Progress | None = None,
    note: Note | None = None,
) -> DataDirectory:
    """Open the data directory of the settings, and prepare it first where that is needed.

    Args:
        settings: their `data`.
        as_they_are: prepare only if nothing is there.
        force, progress, note: for `prepare`.

    Raises:
        SlmError: the data cannot be had.
    """
    data, place = settings.data, settings.origins.get("data.data_dir")
    if place == ORIGIN_PREPARED:
        return DataDirectory.open(data.data_dir)
    as_they_are = as_they_are or _only_the_place_is_chosen(settings)
    if as_they_are and not force:
        with contextlib.suppress(DataError):
            return DataDirectory.open(data.data_dir)
    source = source_of(data, note=note)
    try:
        directory = prepare(
            source, data.tokenizer, data.data_dir, force=force, progress=progress, note=note
        )
    except WriteError as error:
        if type(error) is WriteError and place == ORIGIN_OF_SOURCE:  # a place that nobody named
            error.hint = "name a folder for the prepared text with --set data_dir=FOLDER"
        raise
    chosen = [
        key
        for key in ("validation_fraction", "corpus_seed")
        if settings.origins.get(f"data.{key}", "").startswith("--")
    ]
    if note is not None and chosen and has_own_validation(source):
        note(f"note: {source.name} has a validation split: no effect of {' and '.join(chosen)}")
    return directory


def ready_data(settings: RunConfig) -> DataDirectory | None:
    """The data in their directory that `obtain_data` would take; None: it would prepare them."""
    with contextlib.suppress(DataError):
        directory = DataDirectory.open(settings.data.data_dir)
        if _only_the_place_is_chosen(settings) or not _are_others(settings.data, directory):
            return directory
    return None


def _only_the_place_is_chosen(settings: RunConfig) -> bool:
    """Whether somebody named a data directory but nothing of what should be in it."""
    place = settings.origins.get("data.data_dir", ORIGIN_OF_SOURCE)
    origins = [settings.origins.get(name, CHOSEN_BY_US[0]) for name in DECISIVE]
    return place != ORIGIN_OF_SOURCE and all(origin.startswith(CHOSEN_BY_US) for origin in origins)


def describe_source(settings: RunConfig, directory: DataDirectory, note: Note) -> RunConfig:
    """Say in the settings where prepared data that were taken as they are came from.

    Args:
        settings: of the run.
        directory: the data.
        note: told where they are others than the settings say.

    Raises:
        UsageError: another tokenizer was asked for than the one that made the data.
        DataError: the description of the data makes no sense.
    """
    is_given = settings.origins.get("data.data_dir") == ORIGIN_PREPARED
    if not is_given and not (
        _only_the_place_is_chosen(settings) and _are_others(settings.data, directory)
    ):
        return settings
    name, source = directory.meta.tokenizer.name, directory.meta.source
    asked = settings.data.tokenizer
    chosen = settings.origins.get("data.tokenizer", "").startswith("--")
    if chosen and not _made(asked, directory):
        raise UsageError(
            f"{directory.path} was prepared with the tokenizer {name}, not {asked}",
            hint="leave out the tokenizer; for another one give the text, with --source",
        )
    values = {"data.source": directory.meta.source_name, "data.tokenizer": name}
    for key, known_as in _KNOWN_AS.items():
        if known_as in source:
            values[f"data.{key}"] = source[known_as]
    try:
        described = settings.with_values(values, f"data in {directory.path}")
    except ConfigError as error:
        raise DataError(f"{directory.path / META_FILE}: {error.message}") from None
    if not is_given:
        note(
            f"note: {directory.path} holds {described.data.source} with the tokenizer {name}, not "
            f"{settings.data.source} with {asked}: training on what is there "
            "(name --source, --tokenizer or --preset to replace it)"
        )
    return described


_KNOWN_AS = {
    "corpus_seed": "seed",
    "validation_fraction": "validation_fraction",
    "limit": "limit",
}
"""Settings of the data, and what the identity of a source calls them."""


def others_than_named(
    settings: RunConfig, directory: DataDirectory, names: Collection[str]
) -> list[str]:
    """Those of the settings in `names` that mean other data than a directory holds.

    Raises:
        SlmError: they mean nothing.
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
    """What a source's identity says about the text, without what settings of their own say."""
    return {key: value for key, value in identity.items() if key not in _KNOWN_AS.values()}


def _are_others(data: DataConfig, directory: DataDirectory) -> bool:
    """Whether a directory holds other data than the settings would make."""
    return not is_made_from(directory, source_of(data), data.tokenizer)


def _made(spec: str, directory: DataDirectory) -> bool:
    """Whether the tokenizer that a specification means made the data."""
    recorded = directory.meta.tokenizer
    if spec in (recorded.name, directory.meta.request.get("tokenizer")):
        return True
    wanted = parse_tokenizer(spec)
    return wanted.kind == "file" and (
        load_tokenizer(wanted.path).fingerprint == recorded.fingerprint
    )


def fit_vocabulary(settings: RunConfig, tokenizer: Tokenizer) -> RunConfig:
    """Give the model as many ids as the tokenizer has, unless the user chose a number."""
    origin = settings.origins.get("model.vocab_size", CHOSEN_BY_US[0])
    if not origin.startswith(CHOSEN_BY_US):
        return settings
    return settings.with_values({"model.vocab_size": tokenizer.vocab_size}, ORIGIN_TOKENIZER)
