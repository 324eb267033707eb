"""From a time budget to all settings of a run.

`slm.planning.scaling_law` selects among a few model sizes: the one with the lowest expected bits
per byte after the steps that this machine performs in the time. The user's own settings are not
changed.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from slm.config import RunConfig
from slm.config.origins import Origin, OriginKind
from slm.data.data_paths import prepare_command
from slm.errors import ConfigError
from slm.model.costs import activation_bytes_per_token, model_costs, state_bytes
from slm.planning.scaling_law import (
    FEWEST_BYTES,
    MOST_BYTES,
    MOST_PARAMETERS,
    RELATIVE_ERROR,
    SCALING_LAW,
)
from slm.planning.steps import (
    EVALUATING_SHARE,
    STARTING_SECONDS,
    DatasetSize,
    MachineProfile,
    is_compiled,
    seconds_per_step,
    steps_in,
    tokens_per_step,
)
from slm.quantities import counted, duration, gigabytes
from slm.runs.disk_space import checkpoint_bytes
from slm.tokenizer import expected_size

WIDTHS = {128: 4, 192: 4, 256: 4, 320: 5, 384: 6, 448: 7, 512: 8}
HEAD_WIDTH = 64
"""The sizes to choose from: width of the residual stream, and its layers; heads are 64 wide."""

EVALUATIONS = 12
"""In a run, if they fit into their share of its time. To fit, evaluations become half as many, then
smaller, then fewer still."""
FEWEST_EVAL_TOKENS = 8192
"""Of an evaluation: bits per byte of fewer tokens differ too much from those of the whole split."""
EVALUATING_COST = 1 / 3
"""Of a token, as a share of a token's cost in training: there is no backward pass."""
SECONDS_BETWEEN_CHECKPOINTS = 120.0
ENOUGH_STEPS = 300
ENOUGH_STEPS_OF_FEW_WORDS = 1000
"""In fewer steps than these, each takes fewer tokens. In simple text most is learned soon, and what
remains, which name belongs where, takes a number of steps, rather than of tokens."""
FEWEST_TOKENS_PER_STEP = 1024
MANY_STEPS = 2000
"""In more steps than these, each takes twice as many tokens, and the learning rate falls from the
start: the same result in less time, without a plateau. Shorter runs would become worse."""
RATE_OF_HALF = 0.7
"""Learning rates of a batch of half the size, as a share: they follow the square root of the batch
(Malladi et al. 2022, https://arxiv.org/abs/2205.10287)."""
FEWEST_STEPS = 50
"""In fewer steps than these, a model hardly learns to spell."""
BYTES_PER_TOKEN = {257: 1.0, 512: 2.3, 1024: 3.2, 2048: 3.75, 4096: 4.05}
"""Of children's stories, by the size of a vocabulary: 257 are bytes, the others are byte pairs that
were fitted to them."""
VOCABULARIES = (512, 1024, 2048, 4096)
"""To choose from, where the user names no tokenizer."""
N_BYTE_TOKENS = 257
"""Entries of a vocabulary that are not words: the bytes, and end-of-text."""
BYTES_FOR_AN_ENTRY = 1000
"""Text that an entry of the vocabulary needs, to be worth its row."""
BYTES_FOR_A_PARAMETER = 4
"""Bytes of text per parameter in the blocks; the smallest size accepts less."""
ENOUGH = 1.25
"""Stories requested from a source without a fixed size, as a multiple of those needed."""
FINE_TUNING_RATE = 0.3
"""Peak learning rates of a run that starts from given weights, as a share of those from scratch."""
FINE_TUNING_WARMUP_STEPS = 50
"""The optimizer has no statistics of the given weights yet, and a large first step costs them."""
MANY_EPOCHS = 4.0
"""Reading the same text more often than this gives clearly less than new text would."""
MEMORY_SHARE = 0.8
"""Of a machine's memory: a plan that takes more is chosen only where none takes less."""
PROGRAM_BYTES = 500_000_000
"""What Python and PyTorch take by themselves."""


@dataclass(frozen=True, repr=False)
class Plan:
    """What a run will be, and what is expected of it; printed, it is a table."""

    minutes: float
    settings: RunConfig
    speed: float
    parameters: int
    non_embedding_parameters: int
    steps: int
    seconds_per_step: float
    """Without evaluations, checkpoints and the start."""
    tokens: int
    text_bytes: float
    """Text read in all epochs together."""
    epochs: float | None
    expected_bits_per_byte: float
    """Of held-out text: of stories like those of TinyStories, if nothing is known of the text."""
    expected_error: float
    """In bits per byte: two runs of three end within this of what is expected."""
    difficulty: float
    """Of the text, as far as it is known; see `DatasetSize`."""
    is_extrapolated: bool
    """Whether all runs that the law was fitted to are smaller, or all are larger."""
    memory_bytes: float
    disk_bytes: int
    """Of the checkpoints, with those of the ladder."""
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The figures by name, and the settings by group."""
        figures = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**figures, "settings": self.settings.to_json()}

    def __repr__(self) -> str:
        from slm.planning.describe import plan_lines

        return "\n".join(plan_lines(self))


def make_plan(base: RunConfig, minutes: float, machine: MachineProfile, text: DatasetSize) -> Plan:
    """The plan with the lowest expected bits per byte.

    Args:
        base: settings of a preset with the user's own, which are kept.
        minutes: from the command's start to its end.
        machine: that trains.
        text: the training text.

    Raises:
        ConfigError, TokenizerError: the user's tokenizer cannot be loaded.
        DeviceError: the settings require compiled blocks, and there is no compiler.
    """
    base = with_vocabulary(base, minutes, text)
    if not is_compiled(base, minutes, machine):
        base = with_free_values(base, {"train.compile": "off"}, minutes)
    if base.parent is not None:
        base = _for_given_weights(base, minutes)
    plans = [_plan_of(settings, minutes, machine, text) for settings in _sizes(base, minutes, text)]
    usable = math.inf if machine.memory_bytes is None else MEMORY_SHARE * machine.memory_bytes
    fitting = [plan for plan in plans if plan.memory_bytes <= usable]
    return min(fitting or plans[:1], key=lambda plan: plan.expected_bits_per_byte)


def _sizes(base: RunConfig, minutes: float, text: DatasetSize) -> list[RunConfig]:
    """Settings of every model size that is compatible with the user's settings."""
    if base.parent is not None:
        return [base]
    fitting: list[RunConfig] = []
    for width, n_layer in WIDTHS.items():
        shape = {
            "model.n_embd": width,
            "model.n_layer": n_layer,
            "model.n_head": width // HEAD_WIDTH,
            "model.mlp_dim": None,
            # An output head of its own takes no time, and is better than the embedding's matrix.
            "model.tie_embeddings": False,
        }
        with contextlib.suppress(ConfigError):  # a single head always fits
            fitting.append(with_free_values(base, shape, minutes))
    if text.n_bytes is None:
        return fitting
    # The law does not account for overfitting: a model with more weights than text memorizes it.
    most = text.n_bytes / BYTES_FOR_A_PARAMETER
    return [
        size for size in fitting if model_costs(size.model).non_embedding_parameters <= most
    ] or fitting[:1]


def _for_given_weights(base: RunConfig, minutes: float) -> RunConfig:
    """Settings for a model that is trained already: lower rates, warm-up, the whole context."""
    config = base.train
    values = {
        "train.learning_rate": FINE_TUNING_RATE * config.learning_rate,
        "train.muon_learning_rate": FINE_TUNING_RATE * config.muon_learning_rate,
        "train.warmup_steps": FINE_TUNING_WARMUP_STEPS,
        "train.seq_len_warmup": None,
    }
    return with_free_values(base, values, minutes)


def with_free_values(base: RunConfig, values: dict[str, Any], minutes: float) -> RunConfig:
    """Settings with other values, except where the user chose one."""
    free = {
        name: value
        for name, value in values.items()
        if base.origin_of(name).kind in (OriginKind.DEFAULT, OriginKind.PRESET, OriginKind.PLAN)
    }
    return base.with_values(free, Origin(OriginKind.PLAN, counted(minutes, "minute")))


def with_vocabulary(base: RunConfig, minutes: float, text: DatasetSize) -> RunConfig:
    """Settings with the largest vocabulary that the text fills and needs, except of prepared data.

    Raises:
        ConfigError, TokenizerError: the user's tokenizer cannot be loaded.
    """
    if text.bytes_per_token is not None:
        return base
    n_bytes = text.n_bytes or math.inf
    n_tokens = math.inf if text.words is None else N_BYTE_TOKENS + text.words
    filled = [
        size
        for size in VOCABULARIES
        if size * BYTES_FOR_AN_ENTRY <= n_bytes and size / 2 < n_tokens
    ]
    tokenizer = {"data.tokenizer": f"bpe:{max(filled, default=VOCABULARIES[0])}"}
    chosen = with_free_values(base, tokenizer, minutes)
    ids = {"model.vocab_size": expected_size(chosen.data.tokenizer)}
    return with_free_values(chosen, ids, minutes)


def _plan_of(
    settings: RunConfig, minutes: float, machine: MachineProfile, text: DatasetSize
) -> Plan:
    """The plan for one size of model."""
    settings, text = _with_enough_stories(settings, minutes, machine, text)
    settings = _with_enough_steps(settings, minutes, machine, text)
    steps = steps_in(settings, minutes, machine, text)
    if steps > MANY_STEPS:
        long = {"train.batch_size": 2 * settings.train.batch_size, "train.decay_fraction": 1.0}
        settings = with_free_values(settings, long, minutes)
        steps = steps_in(settings, minutes, machine, text)
    model, config = settings.model, settings.train
    costs = model_costs(model)
    tokens = steps * tokens_per_step(settings)
    seen = tokens * _bytes_per_token(settings, text)
    memory = (
        PROGRAM_BYTES
        + state_bytes(model)
        + config.batch_size * model.block_size * activation_bytes_per_token(model)
    )
    intervals = {
        "train.max_minutes": minutes,
        "train.max_steps": steps,
        **_evaluations(settings, steps),
        "train.checkpoint_interval": max(
            1, round(steps * min(1.0, SECONDS_BETWEEN_CHECKPOINTS / (60.0 * minutes)))
        ),
    }
    planned = with_free_values(settings, intervals, minutes)
    epochs = seen / text.n_bytes if text.n_bytes else None
    expected = text.difficulty * SCALING_LAW.bits_per_byte(
        costs.non_embedding_parameters, seen, text.n_bytes or math.inf
    )
    return Plan(
        minutes=minutes,
        settings=planned,
        speed=machine.relative_speed,
        parameters=costs.parameters,
        non_embedding_parameters=costs.non_embedding_parameters,
        steps=steps,
        seconds_per_step=seconds_per_step(settings, minutes, machine),
        tokens=tokens,
        text_bytes=seen,
        epochs=epochs,
        expected_bits_per_byte=expected,
        expected_error=RELATIVE_ERROR * expected,
        difficulty=text.difficulty,
        is_extrapolated=costs.non_embedding_parameters > MOST_PARAMETERS
        or not FEWEST_BYTES <= seen <= MOST_BYTES,
        memory_bytes=memory,
        disk_bytes=checkpoint_bytes(planned),
        warnings=(
            *_warnings_of_text(settings, minutes, text, epochs),
            *_warnings_of_machine(minutes, memory, machine, steps),
        ),
    )


def _evaluations(settings: RunConfig, steps: int) -> dict[str, int]:
    """Settings of evaluations that take at most `EVALUATING_SHARE` of the time, or of a single one.

    The last evaluation always takes place, and with given weights one before the first step.
    """
    tokens = settings.train.eval_tokens
    if tokens is None:  # the whole split, which only the user can ask for
        return {"train.eval_interval": max(1, round(steps / EVALUATIONS))}
    affordable = EVALUATING_SHARE * steps * tokens_per_step(settings) / EVALUATING_COST
    if settings.origin_of("train.eval_tokens").is_open:
        while tokens > FEWEST_EVAL_TOKENS and affordable < tokens * EVALUATIONS / 2:
            tokens = max(FEWEST_EVAL_TOKENS, tokens // 2)
    before = 0 if settings.parent is None else 1
    n = max(1, min(EVALUATIONS, int(affordable / tokens) - before))
    return {"train.eval_tokens": tokens, "train.eval_interval": max(1, round(steps / n))}


def _with_enough_stories(
    settings: RunConfig, minutes: float, machine: MachineProfile, text: DatasetSize
) -> tuple[RunConfig, DatasetSize]:
    """If the source has any number of stories: the number that the run will read, once each."""
    if text.n_bytes is not None or text.story_bytes is None:
        return settings, text
    tokens = steps_in(settings, minutes, machine, text) * tokens_per_step(settings)
    entries = 0 if settings.parent is not None else settings.model.vocab_size
    needed = max(ENOUGH * tokens * _bytes_per_token(settings, text), entries * BYTES_FOR_AN_ENTRY)
    n_stories = math.ceil(needed / text.story_bytes)
    settings = with_free_values(settings, {"data.limit": n_stories}, minutes)
    limit = settings.data.limit
    n_bytes = None if limit is None else round(limit * text.story_bytes)
    return settings, replace(text, n_bytes=n_bytes)


def _with_enough_steps(
    settings: RunConfig, minutes: float, machine: MachineProfile, text: DatasetSize
) -> RunConfig:
    """Where there is time for few steps only: smaller ones."""
    enough = ENOUGH_STEPS if text.words is None else ENOUGH_STEPS_OF_FEW_WORDS
    while (
        steps_in(settings, minutes, machine, text) < enough
        and settings.train.batch_size > 1
        and tokens_per_step(settings) > FEWEST_TOKENS_PER_STEP
    ):
        config = settings.train
        smaller = {
            "train.batch_size": config.batch_size // 2,
            "train.learning_rate": RATE_OF_HALF * config.learning_rate,
            "train.muon_learning_rate": RATE_OF_HALF * config.muon_learning_rate,
        }
        changed = with_free_values(settings, smaller, minutes)
        if changed.train.batch_size == config.batch_size:
            break  # the user's own
        settings = changed
    return settings


def _bytes_per_token(settings: RunConfig, text: DatasetSize) -> float:
    if text.bytes_per_token is not None:
        return text.bytes_per_token
    ids = min(settings.model.vocab_size, expected_size(settings.data.tokenizer))
    sizes, found = zip(*BYTES_PER_TOKEN.items(), strict=True)
    return float(np.interp(math.log(ids), np.log(sizes), found))


def _warnings_of_text(
    settings: RunConfig, minutes: float, text: DatasetSize, epochs: float | None
) -> Iterator[str]:
    if text.reading_seconds > 0.3 * 60.0 * minutes:
        yield (
            f"reading all the text takes about {duration(text.reading_seconds)} of the "
            f"{counted(minutes, 'minute')}: take less "
            f"with --limit, or do it before, with: {prepare_command(settings.data)}"
        )
    if text.n_bytes is None:
        return
    n_tokens = text.n_bytes / _bytes_per_token(settings, text)
    if n_tokens <= settings.model.block_size:
        yield (
            f"the text has about {counted(round(n_tokens), 'token')}, and a block "
            f"{settings.model.block_size}: that is too little to train on"
        )
    elif epochs is not None and epochs > MANY_EPOCHS:
        yield (
            f"the text will be read {counted(round(epochs), 'time')}; "
            "more text would give a better model in the same time"
        )


def _warnings_of_machine(
    minutes: float, memory: float, machine: MachineProfile, steps: int
) -> Iterator[str]:
    there = machine.memory_bytes
    if there is not None and memory > MEMORY_SHARE * there:
        yield (
            f"about {gigabytes(memory)} of memory are needed, of {gigabytes(there)} that this "
            "process may use: choose a smaller batch_size"
        )
    if 60.0 * minutes <= STARTING_SECONDS:
        yield f"a run needs about {STARTING_SECONDS:.0f} seconds before its first step"
    elif steps < FEWEST_STEPS:
        yield f"time for {counted(steps, 'step')} only: expect little"
