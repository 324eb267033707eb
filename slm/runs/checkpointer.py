"""The checkpoints of a run: its state written to the run directory and restored, bit for bit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slm.checkpoint import (
    Checkpoint,
    TrainState,
    flatten_optimizer_state,
    load_checkpoint,
    newest_checkpoint,
    restore_optimizer_state,
    write_best,
    write_run_checkpoint,
)
from slm.checkpoint.ladder import is_on_ladder, write_to_ladder
from slm.config import RunConfig
from slm.config.run_files import BEST
from slm.data.loader import DataLoader
from slm.errors import CheckpointError, DataError, TrainingError
from slm.log import Log
from slm.model import GPT
from slm.parallel.fsdp import gathered, load_whole, shares_of_state
from slm.runs.guarded_step import GuardedStep

Progress = tuple[int, int, int]


def progress_of(state: TrainState) -> Progress:
    """What a run has done: its steps, its evaluations, and its samples."""
    return state.step, state.evaluated_at, state.samples_written


class Checkpointer:
    """Writes and reads the checkpoints of a run.

    Only the main process writes. All processes call `save` and `save_best`, because a sharded model
    is gathered first.

    Args:
        out_dir: the run directory.
        model, step: their weights and optimizer state are saved and restored.
        settings: saved with each checkpoint.
        data_loader: its tokenizer is saved with each checkpoint; on resuming, its data must be
            the same.
        threads: of the run; on a busy machine it may temporarily use fewer.
    """

    def __init__(
        self,
        out_dir: Path,
        model: GPT,
        step: GuardedStep,
        settings: RunConfig,
        data_loader: DataLoader,
        *,
        threads: int,
    ) -> None:
        self.out_dir = out_dir
        self.model = model
        self.step = step
        self.settings = settings
        self.data_loader = data_loader
        self._names: dict[Tensor, str] = {p: name for name, p in model.named_parameters()}
        self._saved: tuple[Progress, Path] | None = None
        self._threads = threads

    def start_new_run(self) -> None:
        """Begin a run that has not saved anything yet."""
        self._saved = None

    def save(self, state: TrainState) -> Path:
        """Save a checkpoint to resume from, unless there is one; returns its directory.

        One of the same step is replaced if the step has been evaluated since.

        Processes other than the main one get the run directory instead.

        Raises:
            TrainingError: weights or optimizer state are non-finite; nothing is written.
            WriteError, NoSpaceError: earlier checkpoints are unchanged.
        """
        if self._saved is None or self._saved[0] != progress_of(state):
            tensors: dict[str, Tensor] = {}
            for optimizer in self.step.optimizers.values():
                tensors.update(flatten_optimizer_state(optimizer, self._names))
            tensors = gathered(tensors, self.step.process)
            content, path = self._content(state), self.out_dir
            if self.step.process.is_main:
                with self._naming_the_last_good(state):
                    _check_finite(tensors)
                    path = write_run_checkpoint(
                        self.out_dir,
                        **content,
                        optimizer_state=tensors,
                        keep=self.settings.train.keep_checkpoints,
                    )
            self._saved = progress_of(state), path
        return self._saved[1]

    def save_best(self, state: TrainState) -> None:
        """Replace the best model of the run.

        Raises:
            TrainingError: the weights are non-finite; nothing is written.
            WriteError, NoSpaceError: the earlier best model is unchanged.
        """
        content = self._content(state)
        if self.step.process.is_main:
            with self._naming_the_last_good(state):
                write_best(self.out_dir, **content)

    def save_to_ladder(self, state: TrainState) -> None:
        """Keep the weights of this step, with `train.keep=ladder` and if the step is one of it.

        Raises:
            TrainingError: the weights are non-finite; nothing is written.
            WriteError, NoSpaceError: nothing is left behind.
        """
        if self.settings.train.keep != "ladder" or not is_on_ladder(state.step):
            return
        content = self._content(state)
        if self.step.process.is_main:
            with self._naming_the_last_good(state):
                write_to_ladder(self.out_dir, **content)

    def best_weights(self) -> Mapping[str, Tensor]:
        """The saved weights of the best model.

        Raises:
            CheckpointError: they are damaged.
        """
        return load_checkpoint(self.out_dir / BEST).model_state

    def last_good(self) -> str:
        """The newest valid checkpoint, for a message about why no new one could be written."""
        with contextlib.suppress(CheckpointError):
            if (checkpoint := newest_checkpoint(self.out_dir)) is not None:
                return f"the last good checkpoint is {checkpoint.path}"
        return "there is no good checkpoint yet"

    @contextlib.contextmanager
    def _naming_the_last_good(self, state: TrainState) -> Iterator[None]:
        """Add the step and the last good checkpoint to an error in saving."""
        try:
            yield
        except CheckpointError as error:
            raise TrainingError(
                f"step {state.step} cannot be saved: {error.message}; {self.last_good()}",
                hint=error.hint or "continue from there: --resume",
            ) from error

    def restore(self, log: Log) -> TrainState | None:
        """Load the newest valid checkpoint into model and optimizers.

        Args:
            log: called with a sentence for each newer checkpoint that is damaged, and for
                conditions under which the last bits of the results may differ.

        Returns:
            The state of the run; None without a checkpoint.

        Raises:
            CheckpointError: every checkpoint is damaged, or has another model.
            DataError: the run was trained on other data.
        """
        checkpoint = newest_checkpoint(self.out_dir, log=log)
        if checkpoint is None:
            return None
        differing = ", ".join(
            f"{name} {getattr(checkpoint.config.model, name)}, not {value}"
            for name, value in self.model.config.__dict__.items()
            if getattr(checkpoint.config.model, name) != value and name != "dropout"
        )
        if differing:  # dropout has no weights, and may change
            raise CheckpointError(
                f"{checkpoint.path} has a model with {differing}",
                hint="resume without settings that change the model",
            )
        state = checkpoint.state
        if state.data_fingerprint != self.data_loader.directory.fingerprint:
            raise DataError(
                f"{checkpoint.path} was trained on other data than {self.data_loader.data_dir}",
                hint="prepare the same data again, or start a new run with --out",
            )
        load_whole(self.model, checkpoint.model_state)
        tensors = shares_of_state(checkpoint.optimizer_state, self.step.parameters)
        for optimizer in self.step.optimizers.values():
            restore_optimizer_state(optimizer, self._names, tensors)
        if state.gradient_scaler:
            self.step.execution.scaler.load_state_dict(state.gradient_scaler)
        self._saved = progress_of(state), checkpoint.path
        self._compare_conditions(checkpoint, log)
        return state

    def _conditions(self) -> dict[str, Any]:
        """Everything except the settings that determines the last bits of the results."""
        return {
            "torch": torch.__version__,
            "threads": self._threads,
            "processes": self.step.process.world_size,
            "device": self.step.device.partition(":")[0],
            "dtype": self.step.dtype,
            "CPU": torch.backends.cpu.get_cpu_capability(),
        }

    def _compare_conditions(self, checkpoint: Checkpoint, log: Log) -> None:
        before = checkpoint.state.conditions
        changes = [
            f"{name} {value} instead of {before.get(name)}"
            for name, value in self._conditions().items()
            if before.get(name) != value
        ]
        if changes:
            log(f"this run resumes with {', '.join(changes)}: the last bits may differ")
        there, here = checkpoint.config.train, self.settings.train
        sequences_there, sequences_here = (
            config.batch_size * config.gradient_accumulation_steps for config in (there, here)
        )
        if sequences_there != sequences_here or there.seed != here.seed:
            log(
                f"a step takes {sequences_here} sequences from seed {here.seed} instead of "
                f"{sequences_there} from seed {there.seed}: some text of this epoch is repeated or "
                "skipped"
            )

    def _content(self, state: TrainState) -> dict[str, Any]:
        return {
            "model_state": gathered(self.model.state_dict(), self.step.process),
            "config": self.settings,
            "tokenizer": self.data_loader.tokenizer,
            "state": replace(
                state,
                data_fingerprint=self.data_loader.directory.fingerprint,
                gradient_scaler=self.step.execution.scaler.state_dict(),
                conditions=self._conditions(),
            ),
        }


def _check_finite(optimizer_state: Mapping[str, Tensor]) -> None:
    """Reject non-finite optimizer state, which may occur with finite weights.

    Raises:
        CheckpointError: names the first such tensor.
    """
    for name, tensor in optimizer_state.items():
        if tensor.numel() and not all(e.isfinite() for e in torch.aminmax(tensor)):
            raise CheckpointError(f"the optimizer state {name} is non-finite")
