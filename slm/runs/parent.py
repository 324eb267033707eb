"""A run that starts from the weights of another model: its shape, its tokenizer, its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from slm.config import GPTConfig, RunConfig
from slm.config.origins import FROM_PARENT, OriginKind
from slm.errors import UsageError, shown
from slm.log import Log
from slm.runs.source_models import facts_of, opened, opened_again
from slm.tokenizer import Tokenizer, build_tokenizer, needs_corpus

if TYPE_CHECKING:
    from torch import Tensor

    from slm.checkpoint import Checkpoint

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
    checkpoint = opened(source, note)
    shape = checkpoint.config.model
    values: dict[str, Any] = {}
    for key in GPTConfig.setting_names():
        name, theirs = f"model.{key}", getattr(shape, key)
        if settings.origin_of(name).is_open:
            values[name] = theirs
        elif not _is_possible(key, settings.value_of(name), theirs):
            raise UsageError(
                f"{_word(settings, name, words)} is not possible: the model in {source}, with "
                f"which the run starts, has {key}={theirs}",
                hint="block_size may be smaller, but not larger"
                if key == "block_size"
                else f"leave out {key}, or leave out init_from to train such a model from scratch",
            )
    if not _names_its_tokenizer(settings, checkpoint, words):
        values["data.tokenizer"] = checkpoint.tokenizer_file.as_posix()
    facts = facts_of(checkpoint)
    return replace(settings.with_values(values, FROM_PARENT), parent=facts)


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
    checkpoint = opened_again(source, settings.parent, "starts from")
    weights = dict(checkpoint.model_state)
    if POSITIONS in weights:
        weights[POSITIONS] = weights[POSITIONS][: settings.model.block_size]
    return weights


def _is_possible(key: str, value: Any, theirs: Any) -> bool:
    if key == "block_size":
        return bool(value <= theirs)
    return key == "dropout" or value == theirs


def _names_its_tokenizer(
    settings: RunConfig, checkpoint: Checkpoint, words: Mapping[str, str]
) -> bool:
    """Whether the user named the tokenizer of the model.

    Raises:
        UsageError: the user named another one.
    """
    spec, origin = settings.data.tokenizer, settings.origin_of("data.tokenizer")
    if origin.is_open:
        return False
    tokenizer = checkpoint.tokenizer
    if origin.kind is OriginKind.FILE and spec in (
        tokenizer.name,
        checkpoint.config.data.tokenizer,
    ):
        return False  # such as the settings of the run that trained the model
    if _is_same(spec, tokenizer):
        return True
    word = _word(settings, "data.tokenizer", words)
    raise UsageError(
        f"{word} is not possible: the model in {settings.train.init_from}, with which the run "
        f"starts, has its own tokenizer {tokenizer.name}",
        hint="leave out the tokenizer: the text is tokenized with the model's tokenizer",
    )


def _is_same(spec: str, tokenizer: Tokenizer) -> bool:
    """Whether a specification means this tokenizer; one that is trained on the new text is not."""
    if needs_corpus(spec):
        return False
    return build_tokenizer(spec, lambda: ()).fingerprint == tokenizer.fingerprint


def _word(settings: RunConfig, name: str, words: Mapping[str, str]) -> str:
    """A setting as the user gave it."""
    value = shown(settings.value_of(name))
    word = words.get(name)
    if word is None:
        return f"{name} = {value} ({settings.origin_of(name)})"
    return word if "=" in word else f"{word} {value}"
