"""Runs inside another program, such as a notebook, without changing its process state.

The command line owns its process, which `owns_process=True` declares: signals then end a run
cleanly, freed memory is kept for the next step, and the run's threads and random state remain.
Called from Python, a run restores them.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from slm.hardware.devices import set_threads
from slm.runs.guarded_step import GuardedStep, StepOutcome, WeightsCopy, restore_weights
from slm.train_state import TrainState
from slm.training.trainer import NeverStop


@contextlib.contextmanager
def restored_torch() -> Iterator[None]:
    """Restore PyTorch's number of threads and random states after the block."""
    threads, states = torch.get_num_threads(), _random_states()
    try:
        yield
    finally:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        for restore, state in states:
            restore(state)


@contextlib.contextmanager
def borrowed_process(threads: int) -> Iterator[NeverStop]:
    """Set the number of threads for a run, and restore it afterwards; handles no signals."""
    with restored_torch():
        set_threads(threads)
        yield NeverStop()


def _random_states() -> list[tuple[Callable[[Any], None], Any]]:
    """The setter and the random state of each kind of device."""
    states: list[tuple[Callable[[Any], None], Any]] = [
        (torch.set_rng_state, torch.get_rng_state()),
    ]
    if torch.cuda.is_available():
        states.append((torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()))
    if torch.backends.mps.is_available():
        states.append((torch.mps.set_rng_state, torch.mps.get_rng_state()))
    return states


class RevocableStep:
    """Steps of a run that an exception may interrupt anywhere, such as Ctrl-C in Python.

    `KeyboardInterrupt` may occur between any two instructions: during an update, or between the
    update and the increment of the step. So the state of the run is copied at the start of each
    step, and the weights and the optimizer state just before the update.

    Args:
        step: makes the steps.
        state: of the run; the loop updates it in place.
    """

    def __init__(self, step: GuardedStep, state: TrainState) -> None:
        self._step = step
        self._state = state
        self._kept = self._now()

    def _now(self) -> tuple[TrainState, dict[str, Any], list[WeightsCopy]]:
        """The run state and the gradient scaler's state, without weights.

        A single value, so that its parts never belong to different steps.
        """
        scaler = self._step.execution.scaler
        return copy.deepcopy(self._state), scaler.state_dict(), []

    def step(
        self, micro_batches: Iterable[tuple[Tensor, Tensor]], n_micro_batches: int, lr_scale: float
    ) -> StepOutcome:
        """See `GuardedStep.step`."""
        self._kept = self._now()
        self._step.before_update = self._keep
        try:
            return self._step.step(micro_batches, n_micro_batches, lr_scale)
        finally:
            self._step.before_update = None

    def _keep(self) -> None:
        state, scaler, _ = self._kept
        self._kept = state, scaler, self._step.weights_copies()

    def revoke(self) -> None:
        """Return to the start of the interrupted step; `state` is then consistent."""
        state, scaler, copies = self._kept
        restore_weights(copies)
        self._step.renew_scaler(scaler)
        for entry in fields(state):
            setattr(self._state, entry.name, getattr(state, entry.name))
