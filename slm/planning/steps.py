"""How many steps fit into a time, on a machine and with a text that may have to be read first."""

from __future__ import annotations

from dataclasses import dataclass

from slm.config import RunConfig
from slm.model.costs import model_costs
from slm.planning.scaling_law import seconds_per_token
from slm.training.compiling import compiles

STARTING_SECONDS = 6.0
"""Until the first step of a run whose data are ready: imports, the first evaluation. This time and
the next two are of the reference machine; a slower or busy one takes longer."""
COMPILING_SECONDS = 15.0
COMPILING_SHARE = 0.2
"""Of a run's time: where compiling would take more, it would gain nothing."""
READING_BYTES_PER_SECOND = 5e6
"""Of text that becomes token ids, a vocabulary fitted to it included."""
SLOWER_THAN_PROBED = 1.12
"""Time of a run's step, as a multiple of what the probe suggests: 1.04 to 1.2 in six runs, whose
shapes differ from the probe's, and which mask documents."""
EVALUATING_SHARE = 0.03
"""Share of a run's time that its evaluations take."""


@dataclass(frozen=True)
class MachineProfile:
    """The properties of a machine that a plan depends on."""

    device: str
    dtype: str
    relative_speed: float
    """Training speed, relative to the machine of docs/explanation/scaling-law.md."""
    has_compiler: bool
    memory_bytes: int | None


@dataclass(frozen=True)
class DatasetSize:
    """The size of the training text; None for what is unknown before the text is read."""

    n_bytes: int | None
    """Of the training split; None also where the plan chooses it."""
    bytes_per_token: float | None
    """Of prepared data."""
    story_bytes: float | None = None
    """Mean size of a story of a source that has any number of them; the plan limits them."""
    bytes_per_second: float = READING_BYTES_PER_SECOND
    """Speed of the conversion to token ids, if the data are not prepared."""
    words: int | None = None
    """Distinct words of the text, where they are known to be few."""
    difficulty: float = 1.0
    """Bits per byte of this text, as a multiple of those of TinyStories."""

    @property
    def reading_seconds(self) -> float:
        """Time to convert the text to token ids; 0 if it is prepared or its size is unknown."""
        if self.bytes_per_token is not None or self.n_bytes is None:
            return 0.0
        return self.n_bytes / self.bytes_per_second


def steps_in(
    settings: RunConfig, minutes: float, machine: MachineProfile, text: DatasetSize
) -> int:
    """Number of steps that fit between start and end; at least one."""
    compiled = is_compiled(settings, minutes, machine)
    before = STARTING_SECONDS + text.reading_seconds + (COMPILING_SECONDS if compiled else 0.0)
    before /= min(1.0, machine.relative_speed)
    seconds = (60.0 * minutes - before) * (1.0 - EVALUATING_SHARE)
    return max(1, int(seconds / seconds_per_step(settings, minutes, machine)))


def seconds_per_step(settings: RunConfig, minutes: float, machine: MachineProfile) -> float:
    """Training time of a step, without evaluations."""
    compiled = is_compiled(settings, minutes, machine)
    flops = model_costs(settings.model).training_flops_per_token
    token_seconds = seconds_per_token(flops, compiled=compiled) / machine.relative_speed
    return SLOWER_THAN_PROBED * token_seconds * tokens_per_step(settings)


def is_compiled(settings: RunConfig, minutes: float, machine: MachineProfile) -> bool:
    """Whether a run compiles its blocks, as its settings have it.

    `auto` compiles nothing where this alone would take more than `COMPILING_SHARE` of the time.

    Raises:
        DeviceError: the settings require it, and there is no compiler.
    """
    choice, seconds = settings.train.compile, 60.0 * minutes
    if choice == "auto" and COMPILING_SHARE * seconds * machine.relative_speed < COMPILING_SECONDS:
        return False
    return compiles(choice, machine.device, seconds, has_compiler=machine.has_compiler)


def tokens_per_step(settings: RunConfig) -> int:
    """Tokens of all micro-batches of a step."""
    config = settings.train
    return config.batch_size * config.gradient_accumulation_steps * settings.model.block_size
