"""How many steps fit into a time, on a machine and with a text that may have to be read first."""

from __future__ import annotations

from dataclasses import dataclass

from slm.config import GPTConfig, RunConfig
from slm.model.costs import model_costs
from slm.planning.dataset_size import DatasetSize
from slm.planning.scaling_law import seconds_per_token
from slm.training.compiling import should_compile

STARTING_SECONDS = 6.0
"""Until the first step of a run whose data are ready: imports, the first evaluation. This time and
the next are of the reference machine of the scaling law; a slower or busy one takes longer."""
COMPILING_SECONDS = 25.0
"""Of blocks for two lengths of context, the first time: later runs find most of it in a cache."""
SLOWER_THAN_PROBED = 1.12
"""Time of a run's step, as a multiple of what the probe suggests: 1.04 to 1.2 in six runs, whose
shapes differ from the probe's, and which mask documents."""
DROPOUT_COST = {"eager": 1.4, "compiled": 1.15}
"""Time of a step with dropout, as a multiple of one without, like the probe's; see docs/LOG.md."""
EVALUATING_SHARE = 0.03
"""Share of a run's time that its evaluations take."""


@dataclass(frozen=True)
class MachineProfile:
    """The properties of a machine that a plan depends on."""

    device: str
    dtype: str
    relative_speed: float
    """Training speed, relative to the reference machine."""
    has_compiler: bool
    memory_bytes: int | None


@dataclass(frozen=True)
class Resources:
    """What a run has: time, a machine, and text."""

    minutes: float
    """From the command's start to its end."""
    machine: MachineProfile
    text: DatasetSize
    teachers: tuple[GPTConfig, ...] = ()
    """Shapes of the models that the run learns from."""

    def steps(self, settings: RunConfig) -> int:
        """Number of steps that fit into the time; at least one."""
        before = STARTING_SECONDS + self.text.reading_seconds
        if self.compiles(settings):
            before += COMPILING_SECONDS
        before /= min(1.0, self.machine.relative_speed)
        seconds = (60.0 * self.minutes - before) * (1.0 - EVALUATING_SHARE)
        return max(1, int(seconds / self.seconds_per_step(settings)))

    def tokens(self, settings: RunConfig) -> int:
        """Tokens of all steps."""
        return self.steps(settings) * tokens_per_step(settings)

    def seconds_per_step(self, settings: RunConfig) -> float:
        """Training time of a step, without evaluations."""
        compiled = self.compiles(settings)
        flops = model_costs(settings.model).training_flops_per_token
        speed = self.machine.relative_speed
        token_seconds = seconds_per_token(flops, compiled=compiled) / speed
        if settings.model.dropout > 0.0:
            token_seconds *= DROPOUT_COST["compiled" if compiled else "eager"]
        for teacher in self.teachers:
            flops = model_costs(teacher).forward_flops_per_token  # it has no backward pass
            token_seconds += seconds_per_token(flops, compiled=compiled) / speed
        return SLOWER_THAN_PROBED * token_seconds * tokens_per_step(settings)

    def compiles(self, settings: RunConfig) -> bool:
        """See `plan_should_compile`."""
        return plan_should_compile(settings, self.minutes, self.machine)


def plan_should_compile(settings: RunConfig, minutes: float, machine: MachineProfile) -> bool:
    """Whether a run compiles its blocks; `auto` does not where this takes longer than it saves.

    Raises:
        DeviceError: the settings require it, and there is no compiler.
    """
    choice, seconds = settings.train.compile, 60.0 * minutes
    flops = model_costs(settings.model).training_flops_per_token
    eager, compiled = (seconds_per_token(flops, compiled=how) for how in (False, True))
    saved = seconds * (1.0 - compiled / eager)
    if choice == "auto" and saved * machine.relative_speed < COMPILING_SECONDS:
        return False
    return should_compile(choice, machine.device, seconds, has_compiler=machine.has_compiler)


def tokens_per_step(settings: RunConfig) -> int:
    """Tokens of all micro-batches of a step."""
    config = settings.train
    return config.batch_size * config.gradient_accumulation_steps * settings.model.block_size
