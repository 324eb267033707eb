"""A run that starts from the weights of another model: its shape, its tokenizer, its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from slm.config import GPTConfig, RunConfig
from slm.config.origins import FROM_PARENT
from slm.errors import UsageError
from slm.log import Log
from slm.runs.source_models import (
    names_its_tokenizer,
    open_model,
    open_recorded_model,
    record_of,
    word_for,
)

if TYPE_CHECKING:
    from torch import Tensor

POSITIONS = "position_embedding.weight"


def with_parent(settings: RunConfig, words: Mapping[str, str], note: Log) -> RunConfig:
    """Settings with the shape and the tokenizer of the model that `train.init_from` names.

    The user may choose a shorter `block_size`, whose positions the model has learned as well, and
    another `dropout`, which has no weights. Everything else of the shape is fixed.

    Args:
        settings: of a new run.
        words: settings of the command line, and how each is given there.
        note: called with what takes long, and with a sentence about a damaged checkpoint.

    Raises:
        UsageError: there is no such model, or the user chose another shape or tokenizer.
        HubError, ConfigError, CheckpointError, TokenizerError: the model cannot be loaded.
    """
    source = settings.train.init_from
    assert source is not None
    checkpoint = open_model(source, note)
    shape = checkpoint.config.model
    values: dict[str, Any] = {}
    for key in GPTConfig.setting_names():
        name, theirs = f"model.{key}", getattr(shape, key)
        if settings.origin_of(name).is_open:
            values[name] = theirs
        elif not _is_possible(key, settings.value_of(name), theirs):
            raise UsageError(
                f"{word_for(settings, name, words)} is not possible: the model in {source}, with "
                f"which the run starts, has {key}={theirs}",
                hint="block_size may be smaller, but not larger"
                if key == "block_size"
                else f"leave out {key}, or leave out init_from to train such a model from scratch",
            )
    if not names_its_tokenizer(settings, checkpoint, source, words):
        values["data.tokenizer"] = checkpoint.tokenizer_file.as_posix()
    return replace(settings.with_values(values, FROM_PARENT), parent=record_of(checkpoint))


def initial_weights(settings: RunConfig) -> dict[str, Tensor]:
    """The weights with which a new run starts, by name.

    A learned position embedding is cut to the run's `block_size`.

    Args:
        settings: of the run; they name the model and record its weights.

    Raises:
        CheckpointError: the model is damaged, or no longer has the recorded weights.
        UsageError, HubError: there is no such model.
    """
    source = settings.train.init_from
    assert source is not None
    assert settings.parent is not None
    checkpoint = open_recorded_model(source, settings.parent, "starts from")
    weights = dict(checkpoint.model_state)
    if POSITIONS in weights:
        weights[POSITIONS] = weights[POSITIONS][: settings.model.block_size]
    return weights


def _is_possible(key: str, value: Any, theirs: Any) -> bool:
    if key == "block_size":
        return bool(value <= theirs)
    return key == "dropout" or value == theirs
