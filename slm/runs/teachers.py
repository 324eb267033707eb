"""A run that learns from the predictions of other models: their tokenizer and their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from slm.config import GPTConfig, RunConfig
from slm.config.origins import FROM_TEACHERS
from slm.errors import UsageError
from slm.log import Log, silent
from slm.runs.source_models import names_its_tokenizer, open_model, open_recorded_model, record_of

if TYPE_CHECKING:
    from slm.checkpoint import Checkpoint
    from slm.model import GPT
    from slm.tokenizer import Tokenizer


def with_teachers(settings: RunConfig, words: Mapping[str, str], note: Log) -> RunConfig:
    """Settings with the vocabulary of the models that `train.teachers` names, where it is open.

    An open `block_size` becomes at most theirs.

    Args:
        settings: of a new run that has teachers.
        words: settings of the command line, and how each is given there.
        note: called with what takes long, and with a sentence about a damaged checkpoint.

    Raises:
        UsageError: there is no such model, the user's vocabulary or context does not fit it, or two
            have different tokenizers.
        HubError, ConfigError, CheckpointError, TokenizerError: a model cannot be loaded.
    """
    sources = settings.train.teachers
    checkpoints = [open_model(source, note) for source in sources]
    first = checkpoints[0]
    owner, expected = f"the teacher {sources[0]}", record_of(first)
    if settings.parent is not None:
        owner, expected = f"the model in {settings.train.init_from}", settings.parent
    for source, checkpoint in zip(sources, checkpoints, strict=True):
        _require_tokenizer(checkpoint, source, owner, expected.tokenizer, expected.tokenizer_sha256)
    shortest = min(checkpoint.config.model.block_size for checkpoint in checkpoints)
    theirs = {
        "model.vocab_size": first.config.model.vocab_size,
        "model.block_size": min(shortest, settings.model.block_size),
    }
    if settings.parent is None:  # which has values of its own
        values: dict[str, Any] = {k: v for k, v in theirs.items() if settings.origin_of(k).is_open}
        if not names_its_tokenizer(settings, first, sources[0], words):
            values["data.tokenizer"] = first.tokenizer_file.as_posix()
        settings = settings.with_values(values, FROM_TEACHERS)
    for source, checkpoint in zip(sources, checkpoints, strict=True):
        _require_shape(checkpoint.config.model, source, settings)
    return replace(settings, teacher_models=tuple(map(record_of, checkpoints)))


def teacher_shapes(settings: RunConfig) -> tuple[GPTConfig, ...]:
    """The shapes of a run's teachers.

    Raises:
        SlmError: a teacher cannot be loaded.
    """
    return tuple(open_model(source, silent).config.model for source in settings.train.teachers)


def load_teachers(settings: RunConfig, tokenizer: Tokenizer, device: str) -> list[GPT]:
    """The models that a run learns from; none for most runs.

    Args:
        settings: of the run; if they record the weights of its teachers, these are checked.
        tokenizer: of the run's data.
        device: of the models.

    Raises:
        CheckpointError: a teacher is damaged, or no longer has the recorded weights.
        UsageError: there is no such model, or its vocabulary or its context does not fit.
        HubError, ConfigError, TokenizerError: a teacher cannot be loaded.
    """
    models = []
    for number, source in enumerate(settings.train.teachers):
        if settings.teacher_models:
            checkpoint = open_recorded_model(source, settings.teacher_models[number], "learns from")
        else:
            checkpoint = open_model(source, silent)
        name, fingerprint = tokenizer.name, tokenizer.fingerprint
        _require_tokenizer(checkpoint, source, "the data of the run", name, fingerprint)
        _require_shape(checkpoint.config.model, source, settings)
        models.append(checkpoint.build_model(device))
    return models


def _require_tokenizer(
    checkpoint: Checkpoint, source: str, owner: str, name: str, fingerprint: str
) -> None:
    theirs = checkpoint.tokenizer
    if theirs.fingerprint != fingerprint:
        raise UsageError(
            f"the teacher {source} has the tokenizer {theirs.name} ({theirs.fingerprint[:8]}), "
            f"but {owner} has {name} ({fingerprint[:8]}): their tokens differ",
            hint=f"leave out {source}: all models of a run need the same tokenizer",
        )


def _require_shape(theirs: GPTConfig, source: str, settings: RunConfig) -> None:
    ours = settings.model
    if theirs.vocab_size != ours.vocab_size:
        raise UsageError(
            f"the teacher {source} has vocab_size={theirs.vocab_size}, but the model has "
            f"{ours.vocab_size}: they predict different tokens",
            hint=f"set vocab_size={theirs.vocab_size}; if another teacher has a different one, "
            f"leave out {source}"
            if settings.parent is None
            else f"leave out {source}: with init_from, the vocabulary is that of the initial model",
        )
    if theirs.block_size < ours.block_size:
        raise UsageError(
            f"the teacher {source} has block_size={theirs.block_size}, which is shorter than "
            f"{ours.block_size}, the model's",
            hint=f"set block_size={theirs.block_size}",
        )
