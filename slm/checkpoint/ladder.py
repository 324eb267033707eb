"""The ladder of a run: its weights at log-spaced steps, to see later how it learned.

    RUN/ladder/step-000100/     after 10, 20, 30, 50, 70, 100, 200, 300, ... steps

With `train.keep=ladder`, a run writes these besides the checkpoints to resume from. Each has the
weights in bfloat16, without optimizer state. Which steps are kept depends on the step alone, so a
run that is resumed, made longer or limited by time keeps the same ones: 5 in each tenfold of steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from slm.checkpoint.run import step_directories, step_directory, step_of
from slm.checkpoint.store import save_checkpoint
from slm.config import RunConfig
from slm.config.run_files import LADDER
from slm.storage.files import remove_directory
from slm.tokenizer.base import Tokenizer
from slm.train_state import TrainState

if TYPE_CHECKING:
    from torch import Tensor

FIRST = 10
"""Before this step, a model has learned nothing."""
LEADING = (1, 2, 3, 5, 7)
"""First digits of the steps that are kept; all others are 0."""


def is_on_ladder(step: int) -> bool:
    """Whether the weights after this step are kept."""
    digits = str(step)
    return step >= FIRST and int(digits[0]) in LEADING and not int(digits[1:])


def ladder_steps(last: int) -> list[int]:
    """The steps up to `last` that are kept."""
    powers = (10**n for n in range(1, len(str(last))))
    return [step for power in powers for digit in LEADING if (step := digit * power) <= last]


def ladder_directories(run: Path) -> list[Path]:
    """The checkpoints on a run's ladder, valid or not, newest first."""
    return step_directories(run, LADDER)


def write_to_ladder(
    run: Path,
    *,
    model_state: Mapping[str, Tensor],
    config: RunConfig,
    tokenizer: Tokenizer | None,
    state: TrainState,
) -> Path:
    """Write the weights of a step, in bfloat16, and return the path of the checkpoint.

    Raises:
        CheckpointError: the weights do not fit the config or are non-finite; nothing is written.
        WriteError, NoSpaceError: nothing is left behind.
    """
    path = step_directory(run, state.step, LADDER)
    save_checkpoint(
        path,
        model_state={name: tensor.bfloat16() for name, tensor in model_state.items()},
        config=config,
        tokenizer=tokenizer,
        state=state,
    )
    return path


def cut_ladder(run: Path, step: int) -> None:
    """Remove the checkpoints of later steps, which a run that resumes at `step` makes again.

    Raises:
        WriteError: one of them cannot be removed.
    """
    for directory in ladder_directories(run):
        if step_of(directory) > step:
            remove_directory(directory)


def kept_checkpoints(run: Path) -> dict[int, Path]:
    """All that a run has kept, valid or not: the ladder and the checkpoints to resume from.

    Returns:
        Steps, the first one first, and the checkpoint of each.
    """
    found = {step_of(path): path for path in step_directories(run)}
    found |= {step_of(path): path for path in ladder_directories(run)}
    return dict(sorted(found.items()))
