"""The command line under `torchrun`, where one of the processes dies once.

Usage: torchrun ... torchrun_driver.py STEP WORDS..., where WORDS are those of `slm`. The second
process of the first start is killed as it begins the step after STEP; 0: none is.

The first process ignores the SIGTERM with which torchrun answers: it is to notice by itself, and
the signal may come sooner or later than that.
"""

from __future__ import annotations

import os
import signal
import sys

from slm.cli import main
from slm.terminal import signals
from slm.train_state import TrainState
from slm.training.trainer import Trainer


def die_after(last_step: int) -> None:
    """Let this process be killed as it begins a step."""
    make_step = Trainer._step

    def until_then(self: Trainer, state: TrainState, progress: float) -> None:
        if state.step == last_step:
            os.kill(os.getpid(), signal.SIGKILL)
        make_step(self, state, progress)

    Trainer._step = until_then  # type: ignore[method-assign]


def ignore_sigterm() -> None:
    """As `nohup` does with SIGHUP."""
    signals.NAMES = ("SIGINT",)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


if __name__ == "__main__":
    step = int(sys.argv.pop(1))
    if step and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        if os.environ["RANK"] == "1":
            die_after(step)
        else:
            ignore_sigterm()
    sys.exit(main())
