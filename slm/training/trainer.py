"""The training loop: steps, evaluations, checkpoints and samples, in an order that repeats exactly.

A run is a pure function of its settings, its data and the step: batches come from
`DataLoader.batch_at`, learning rates from `lr_scale`, dropout from a seed of the step. So a few
numbers, with the weights and the optimizer state, continue it bit for bit.

The loop touches no file and no signal: what saves, guards, reports and stops a run is handed in.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from torch import Tensor

from slm.config import TrainingConfig
from slm.data.loader import DataLoader
from slm.model.costs import FORWARD_PASSES_OF_A_STEP
from slm.quantities import counted
from slm.seeds import seed_everything
from slm.train_state import TrainState
from slm.training.budget import Budget
from slm.training.callbacks import CallbackList
from slm.training.events import (
    AnomalyRecord,
    EvaluationRecord,
    SampleRecord,
    StepRecord,
    TrainingResult,
)
from slm.training.schedule import context_length_at, lr_scale, split_windows

Item = TypeVar("Item")


class Stepper(Protocol):
    """Makes optimizer steps."""

    def step(
        self, micro_batches: Iterable[tuple[Tensor, Tensor]], n_micro_batches: int, lr_scale: float
    ) -> Any:
        """Make a step; the result has `loss` and `grad_norm`, as in `StepMetrics`."""


class Checkpointer(Protocol):
    """Saves the state of a run with the weights and the optimizer state."""

    def save(self, state: TrainState) -> Path:
        """Save a checkpoint to resume from, unless this step has one."""

    def save_best(self, state: TrainState) -> None:
        """Save the weights as the best of the run."""

    def save_to_ladder(self, state: TrainState) -> None:
        """Keep the weights of this step for good, if it is one of those that the run keeps."""


class Guard(Protocol):
    """Inspects every step."""

    def review(
        self, outcome: Any, state: TrainState, save: Callable[[], Path]
    ) -> Sequence[AnomalyRecord]:
        """The anomalies of the step after `state.step`.

        Raises:
            TrainingError: the run cannot continue.
        """


class Stop(Protocol):
    """Ends a run early on request."""

    signal_number: int | None
    """The signal that requested it; None if there is no request."""

    def watch(self, items: Iterable[Item], *, at_once: bool = False) -> Iterable[Item]:
        """Yield the items; raises StopRequested between two of them."""

    def excusing_errors(self) -> contextlib.AbstractContextManager[None]:
        """Entered for a step: an error of a step may be due to the request."""


class StopRequested(BaseException):
    """Raised between two items of work when a stop was requested; nothing is lost."""


class NeverStop:
    """The run never ends early; see `Stop`."""

    signal_number: int | None = None

    def watch(self, items: Iterable[Item], *, at_once: bool = False) -> Iterable[Item]:
        """The items themselves."""
        return items

    def excusing_errors(self) -> contextlib.AbstractContextManager[None]:
        """Excuses nothing."""
        return contextlib.nullcontext()


class Trainer:
    """Trains a model from a state to the end of its budget.

    Args:
        stepper: makes the steps; it has the model and the optimizers.
        data_loader: provides the batches.
        config: the training settings.
        evaluate: returns the mean validation loss in nats per token, and the number of tokens.
        checkpointer, guard: see the protocols.
        callbacks: called with every event.
        budget: steps or time; None: those of the config, from now on.
        write_sample: continues a prompt; None: no samples are written.
        micro_batches: per step, in this process; None: all of `gradient_accumulation_steps`.
        agree: the largest of each value over the processes that train together.
        stop: ends the run early.
        compiles_first: whether the first step compiles and may be broken off at any point.
    """

    def __init__(
        self,
        stepper: Stepper,
        data_loader: DataLoader,
        config: TrainingConfig,
        *,
        evaluate: Callable[[], tuple[float, int]],
        checkpointer: Checkpointer,
        guard: Guard,
        callbacks: CallbackList,
        budget: Budget | None = None,
        write_sample: Callable[[str], str] | None = None,
        micro_batches: int | None = None,
        agree: Callable[[list[float]], list[float]] = lambda values: values,
        stop: Stop | None = None,
        compiles_first: bool = False,
    ) -> None:
        self.stepper = stepper
        self.data_loader = data_loader
        self.config = config
        self.evaluate = evaluate
        self.checkpointer = checkpointer
        self.guard = guard
        self.callbacks = callbacks
        self.budget = budget or Budget(config)
        self.write_sample = write_sample
        self.micro_batches = micro_batches or config.gradient_accumulation_steps
        self.agree = agree
        self.stop: Stop = stop or NeverStop()
        self.compiles_first = compiles_first
        sequences = data_loader.batch_size * self.micro_batches * data_loader.world_size
        self.tokens_per_step = sequences * data_loader.block_size

    def run(self, state: TrainState, *, max_steps: int | None = None) -> TrainingResult:
        """Train until the budget is used up or the validation loss stops falling.

        Args:
            state: of the run so far; it is updated in place.
            max_steps: save and return after this many steps; the learning rate still follows the
                whole budget.

        Raises:
            StopRequested: a stop was requested; `state` is consistent and not yet saved.
            TrainingError: losses, gradients or weights are non-finite.
        """
        config = self.config
        first_step = state.step
        last_step = None if max_steps is None else first_step + max_steps
        last: EvaluationRecord | None = None
        stopped_early = False
        while True:
            state.time = self.budget.time_state
            if state.step % config.eval_interval == 0:
                last = self._evaluate_once(state) or last
                patience = config.early_stopping_patience
                stopped_early = patience is not None and state.evaluations_since_best >= patience
            self.checkpointer.save_to_ladder(state)
            progress = self._progress(state)
            if stopped_early:
                self.callbacks.note(
                    f"no improvement for {counted(patience or 0, 'evaluation')}: stopped early"
                )
            if stopped_early or progress is None:
                last = self._evaluate_once(state) or last
                break
            if state.step == last_step:
                break
            if state.step % config.checkpoint_interval == 0 and state.step:
                self.save(state)
            self._step(state, progress)
        self.save(state)
        return TrainingResult(
            step=state.step,
            train_loss=state.train_loss if last is None else last.train_loss,
            validation_loss=None if last is None else last.loss,
            best_validation_loss=state.best_validation_loss,
            stopped_early=stopped_early,
            tokens=state.tokens_seen,
            elapsed_seconds=self.budget.elapsed_seconds,
            out_dir=Path(config.out_dir),
            first_step=first_step,
        )

    def save(self, state: TrainState) -> Path:
        """Save everything needed to resume from this step; returns the checkpoint's directory.

        Raises:
            TrainingError: weights or optimizer state are non-finite; nothing is written.
        """
        state.time = self.budget.time_state
        return self.checkpointer.save(state)

    def _progress(self, state: TrainState) -> float | None:
        """Share of the run done, the same in all processes; None where the run is over.

        Raises:
            StopRequested: in all processes, where it was requested of any of them.
        """
        signal_number, is_over, progress = self.agree(
            [
                float(self.stop.signal_number or 0),
                float(self.budget.is_over(state.step)),
                self.budget.progress(state.step),
            ]
        )
        if signal_number:
            self.stop.signal_number = int(signal_number)
            raise StopRequested
        return None if is_over else progress

    def _step(self, state: TrainState, progress: float) -> None:
        """Make one optimizer step and report it."""
        started_at = time.perf_counter()
        self.budget.begin_step()
        seed_everything(self.config.seed, state.step, self.data_loader.rank)
        first = state.step * self.micro_batches
        length = context_length_at(progress, self.config, self.data_loader.block_size)
        batches = (
            split_windows(self.data_loader.batch_at(first + k), length)
            for k in range(self.micro_batches)
        )
        scale = lr_scale(state.step, progress, self.config)
        # Compiling takes long, and a step that was not yet applied leaves nothing behind.
        watched = self.stop.watch(batches, at_once=self.compiles_first)
        with self.stop.excusing_errors():
            outcome = self.stepper.step(watched, self.micro_batches, scale)
        compiled, self.compiles_first = self.compiles_first, False
        for anomaly in self.guard.review(outcome, state, lambda: self.save(state)):
            self.callbacks.note(anomaly.text)
            self.callbacks.emit("on_anomaly", anomaly)
        self.budget.end_step()
        if state.best_validation_loss is None and not compiled:
            # Until one was timed, by its cost.
            whole = self.data_loader.directory.split("validation").tokens
            tokens = min(self.config.eval_tokens or whole, whole)
            step_seconds = self.budget.time_state.step_seconds / FORWARD_PASSES_OF_A_STEP
            self.budget.reserve(step_seconds * tokens / self.tokens_per_step)
        state.step += 1
        state.tokens_seen += self.tokens_per_step
        if math.isfinite(outcome.loss):
            state.record_loss(outcome.loss)
        record = StepRecord(
            step=state.step,
            loss=outcome.loss,
            lr_scale=scale,
            learning_rate=self.config.learning_rate * scale,
            grad_norm=outcome.grad_norm,
            tokens=state.tokens_seen,
            tokens_per_second=self.tokens_per_step / (time.perf_counter() - started_at),
            elapsed_seconds=self.budget.elapsed_seconds,
            progress=self.budget.progress(state.step),
        )
        self.callbacks.emit("on_step", record)

    def _evaluate_once(self, state: TrainState) -> EvaluationRecord | None:
        """Evaluate and write samples, unless this step has that; keep the best weights."""
        if state.is_evaluated:
            self._write_samples(state)  # those that an interruption left out
            return None
        if state.step == 0 and self.config.init_from is None:
            return None  # of random weights: ln(vocabulary)
        began_at = self.budget.elapsed_seconds
        loss, tokens = self.evaluate()
        train_loss, is_best = state.record_evaluation(loss)
        bytes_per_token = self.data_loader.directory.bytes_per_token("validation")
        record = EvaluationRecord(
            step=state.step,
            loss=loss,
            bits_per_byte=loss / math.log(2) / bytes_per_token,
            tokens=tokens,
            train_loss=train_loss,
            is_best=is_best,
            elapsed_seconds=self.budget.elapsed_seconds,
        )
        if is_best:
            self.checkpointer.save_best(state)
        self.callbacks.emit("on_evaluation", record)
        self._write_samples(state)
        # When the time is up, one more evaluation will be needed.
        self.budget.reserve(1.2 * (self.budget.elapsed_seconds - began_at))
        return record

    def _write_samples(self, state: TrainState) -> None:
        if self.write_sample is None:
            return
        for prompt in self.config.sample_prompts[state.samples_written :]:
            text = self.write_sample(prompt)
            state.samples_written += 1
            self.callbacks.emit("on_sample", SampleRecord(state.step, prompt, text))
