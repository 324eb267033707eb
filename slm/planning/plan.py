"""From a time budget to all settings of a run.

`slm.planning.choices` has a few model sizes to choose from. `slm.planning.scaling_law` says what to
expect of each after the steps that this machine performs in the time; the plan has the smallest one
that is nearly as good as the best.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from slm.config import GPTConfig, RunConfig
from slm.config.origins import OriginKind
from slm.data.data_paths import prepare_command
from slm.data.shards import DataDirectory
from slm.log import silent
from slm.model.costs import activation_bytes_per_token, model_costs, state_bytes
from slm.planning.choices import (
    bytes_per_token,
    epochs,
    evaluations,
    for_given_weights,
    model_sizes,
    with_batch,
    with_free_values,
    with_regularization,
    with_stories,
    with_vocabulary,
)
from slm.planning.dataset_size import DatasetSize, known_of, text_of
from slm.planning.machine import probe_machine
from slm.planning.scaling_law import (
    FEWEST_BYTES,
    MOST_BYTES,
    MOST_PARAMETERS,
    RELATIVE_ERROR,
    SCALING_LAW,
)
from slm.planning.steps import (
    STARTING_SECONDS,
    MachineProfile,
    Resources,
)
from slm.quantities import counted, duration, gigabytes
from slm.runs.data import describe_source, fit_vocabulary, place_data, ready_data
from slm.runs.disk_space import TIMED_STEPS, checkpoint_bytes
from slm.runs.teachers import teacher_shapes

FEWEST_STEPS = 50
"""In fewer steps than these, a model hardly learns to spell, whatever its size."""
SECONDS_BETWEEN_CHECKPOINTS = 120.0
MANY_EPOCHS = 4.0
"""Reading the same text more often than this gives clearly less than new text would."""
NEARLY_BEST = 1.01
"""Ratio to the fewest bits per byte within which the smallest model is chosen. It generates faster,
and models with few layers turned out better than the law says."""
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


def plan_run(settings: RunConfig, minutes: float, *, owns_process: bool = False) -> Plan:
    """Choose the settings that the user left open, for a run of this length on this machine.

    Args:
        settings: of a preset, with the user's settings over them.
        minutes: from the command's start to its end.
        owns_process: see `slm.runs.run_trainer.RunTrainer`.

    Raises:
        SlmError: the data or the device are not available.
    """
    settings, text = with_text(settings, minutes)
    machine = probe_machine(settings, minutes, owns_process=owns_process)
    teachers = teacher_shapes(settings)
    return make_plan(settings, minutes, machine, text, teachers=teachers)


def with_text(settings: RunConfig, minutes: float) -> tuple[RunConfig, DatasetSize]:
    """The size of a run's text, as far as it is known, and settings with its vocabulary.

    Raises:
        SlmError: the text does not exist or cannot be read.
    """
    if settings.origin_of("data.data_dir").kind is OriginKind.PREPARED:
        directory = DataDirectory.open(settings.data.data_dir)
        settings = describe_source(settings, directory, log=silent)
    else:
        text = text_of(settings.data)
        settings = with_vocabulary(settings, minutes, text)
        # Without a limit the plan chooses the number of stories, so it is unknown here.
        is_placed = text.n_bytes is not None or "data.data_dir" in settings.origins
        ready = ready_data(place_data(settings)) if is_placed else None
        if ready is None:
            return settings, text
        directory = ready
    text = replace(
        known_of(settings.data),
        n_bytes=directory.split("train").bytes,
        bytes_per_token=directory.bytes_per_token("train"),
    )
    return fit_vocabulary(settings, directory.tokenizer), text


def make_plan(
    base: RunConfig,
    minutes: float,
    machine: MachineProfile,
    text: DatasetSize,
    *,
    teachers: tuple[GPTConfig, ...] = (),
) -> Plan:
    """The plan with the smallest model that is expected to be nearly as good as the best.

    Args:
        base: settings of a preset with the user's own, which are kept.
        minutes: from the command's start to its end.
        machine: that trains.
        text: the training text.
        teachers: shapes of the models that the run learns from.

    Raises:
        ConfigError, TokenizerError: the user's tokenizer cannot be loaded.
        DeviceError: the settings require compiled blocks, and there is no compiler.
    """
    base = with_vocabulary(base, minutes, text)
    if base.parent is not None:
        base = for_given_weights(base, minutes)
    resources = Resources(minutes, machine, text, teachers)
    plans = [
        _plan_of(*sized)
        for settings in model_sizes(base, minutes, text)
        for sized in with_stories(settings, resources)
    ]
    usable = math.inf if machine.memory_bytes is None else MEMORY_SHARE * machine.memory_bytes
    fitting = [plan for plan in plans if plan.memory_bytes <= usable and plan.steps >= FEWEST_STEPS]
    candidates = fitting or plans[:1]
    enough = NEARLY_BEST * min(plan.expected_bits_per_byte for plan in candidates)
    return min(
        (plan for plan in candidates if plan.expected_bits_per_byte <= enough),
        key=lambda plan: (plan.non_embedding_parameters, plan.expected_bits_per_byte),
    )


def _plan_of(settings: RunConfig, resources: Resources) -> Plan:
    """The plan for one size of model, and one of text."""
    settings = with_batch(with_regularization(settings, resources), resources)
    minutes, machine, text = resources.minutes, resources.machine, resources.text
    model, config = settings.model, settings.train
    costs = model_costs(model)
    steps = resources.steps(settings)
    seen = resources.tokens(settings) * bytes_per_token(settings, text)
    memory = (
        PROGRAM_BYTES
        + state_bytes(model)
        + config.batch_size * model.block_size * activation_bytes_per_token(model)
    )
    chosen: dict[str, Any] = {
        "train.max_minutes": minutes,
        "train.max_steps": steps,
        **evaluations(settings, steps),
        "train.checkpoint_interval": _checkpoint_interval(steps, minutes),
    }
    if not resources.compiles(settings):
        chosen["train.compile"] = "off"
    planned = with_free_values(settings, chosen, minutes)
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
        seconds_per_step=resources.seconds_per_step(settings),
        tokens=resources.tokens(settings),
        text_bytes=seen,
        epochs=epochs(settings, resources),
        expected_bits_per_byte=expected,
        expected_error=RELATIVE_ERROR * expected,
        difficulty=text.difficulty,
        is_extrapolated=costs.non_embedding_parameters > MOST_PARAMETERS
        or not FEWEST_BYTES <= seen <= MOST_BYTES,
        memory_bytes=memory,
        disk_bytes=checkpoint_bytes(planned),
        warnings=(
            *_warnings_of_text(settings, resources),
            *_warnings_of_machine(resources, memory, steps),
        ),
    )


def _checkpoint_interval(steps: int, minutes: float) -> int:
    """In steps; a short run has no checkpoint before its end, even if it makes more steps."""
    share = SECONDS_BETWEEN_CHECKPOINTS / (60.0 * minutes)
    return max(1, round(steps * share)) if share < 1.0 else max(TIMED_STEPS * steps, FEWEST_STEPS)


def _warnings_of_text(settings: RunConfig, resources: Resources) -> Iterator[str]:
    minutes, text = resources.minutes, resources.text
    is_limited = settings.origin_of("data.limit").kind is OriginKind.PLAN
    if text.reading_seconds > 0.3 * 60.0 * minutes and not is_limited:
        yield (
            f"reading all the text takes about {duration(text.reading_seconds)} of the "
            f"{counted(minutes, 'minute')}: take less "
            f"with --limit, or do it before, with: {prepare_command(settings.data)}"
        )
    if text.n_bytes is None:
        return
    n_tokens = text.n_bytes / bytes_per_token(settings, text)
    if n_tokens <= settings.model.block_size:
        yield (
            f"the text has about {counted(round(n_tokens), 'token')}, and a block "
            f"{settings.model.block_size}: that is too little to train on"
        )
    elif (n_epochs := epochs(settings, resources) or 0.0) > MANY_EPOCHS:
        yield (
            f"the text will be read {counted(round(n_epochs), 'time')}; "
            "more text would give a better model in the same time"
        )


def _warnings_of_machine(resources: Resources, memory: float, steps: int) -> Iterator[str]:
    there = resources.machine.memory_bytes
    if there is not None and memory > MEMORY_SHARE * there:
        yield (
            f"about {gigabytes(memory)} of memory are needed, of {gigabytes(there)} that this "
            "process may use: choose a smaller batch_size"
        )
    if 60.0 * resources.minutes <= STARTING_SECONDS:
        yield f"a run needs about {STARTING_SECONDS:.0f} seconds before its first step"
    elif steps < FEWEST_STEPS:
        yield f"time for {counted(steps, 'step')} only: expect little"
