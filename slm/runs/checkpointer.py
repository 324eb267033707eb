"""Where a run stands, and how that gets to the disk and back, bit for bit."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slm.checkpoint import (
    Checkpoint,
    TrainingState,
    flatten_optimizer_state,
    load_checkpoint,
    newest_checkpoint,
    restore_optimizer_state,
    write_best,
    write_run_checkpoint,
)
from slm.checkpoint.run import BEST
from slm.config import RunConfig
from slm.data.loader import DataLoader
from slm.errors import CheckpointError, DataError, TrainingError, shown
from slm.model import GPT
from slm.parallel.fsdp import gathered, load_whole, shares_of_state
from slm.runs.spikes import LossWatch
from slm.training.budget import Pace
from slm.training.step import Stepper


@dataclass
class Standing:
    """How far a run has come: with weights and optimizer state, all that the next step needs."""

    step: int = 0
    """Optimizer steps done."""
    tokens_seen: int = 0
    best_validation_loss: float | None = None
    evaluations_since_best: int = 0
    evaluated_at: int = 0
    """The step of the last evaluation; 0: none yet."""
    stories_told: int = 0
    """Samples told after that evaluation."""
    loss_sum: float = 0.0
    """Of the training losses since the last evaluation, and how many there are:"""
    n_losses: int = 0
    watch: LossWatch = field(default_factory=LossWatch)
    skipped_in_a_row: int = 0
    """Steps that were just skipped because they were not finite."""
    pace: Pace = field(default_factory=Pace)

    @property
    def train_loss(self) -> float:
        """Mean training loss since the last evaluation; NaN where no step was made."""
        return self.loss_sum / self.n_losses if self.n_losses else math.nan

    def count_loss(self, loss: float) -> None:
        """Note the finite training loss of a step."""
        self.loss_sum += loss
        self.n_losses += 1
        self.watch.take_in(loss)

    def take_in(self, loss: float) -> tuple[float, bool]:
        """Note a validation loss at this step.

        Returns:
            The training loss since the evaluation before, and whether this one is the best so far;
            a loss that is NaN never is.
        """
        train_loss, best = self.train_loss, self.best_validation_loss
        is_best = math.isfinite(loss) and (best is None or loss < best)
        self.evaluated_at, self.stories_told = self.step, 0
        self.loss_sum, self.n_losses = 0.0, 0
        self.best_validation_loss = loss if is_best else best
        self.evaluations_since_best = 0 if is_best else self.evaluations_since_best + 1
        return train_loss, is_best


_ANY_SIGN = {"mean", "loss_sum"}
_MOST = 2.0**63


def _check_numbers(found: Mapping[str, Any], like: Mapping[str, Any]) -> None:
    """Refuse numbers of a standing that no run has, as counts below zero.

    Raises:
        TypeError: naming the first of them.
    """
    for name, example in like.items():
        value = found[name]
        if isinstance(example, dict):
            _check_numbers(value, example)
        elif example is not None and (
            type(value) not in {type(example), int}
            or not (-_MOST if name in _ANY_SIGN else 0) <= value < _MOST
        ):
            raise TypeError(f"{name} is no possible number")


class RunSaver:
    """Writes and reads the checkpoints of a run.

    The main process alone writes. All call `save` and `save_best`, as a sharded model has to be
    gathered first.

    Args:
        out_dir: the run directory.
        model, stepper: whose weights and optimizer state are saved and restored.
        settings: saved along.
        data_loader: its tokenizer is saved along, and its data must be the same when going on.
    """

    def __init__(
        self,
        out_dir: Path,
        model: GPT,
        stepper: Stepper,
        settings: RunConfig,
        data_loader: DataLoader,
    ) -> None:
        self.out_dir = out_dir
        self.model = model
        self.stepper = stepper
        self.settings = settings
        self.data_loader = data_loader
        self._names: dict[Tensor, str] = {p: name for name, p in model.named_parameters()}
        self._saved: tuple[int, Path] | None = None
        self._threads = torch.get_num_threads()  # a busy machine may lend fewer for a while

    def forget(self) -> None:
        """A new run begins: nothing of it is saved yet."""
        self._saved = None

    def save(self, standing: Standing) -> Path:
        """Save a checkpoint to go on from, unless this step's is there; returns its directory.

        Other processes than the main one get the run directory instead.

        Raises:
            TrainingError: weights or optimizer state are not finite; nothing is written.
            WriteError, NoSpaceError: the checkpoints before are untouched.
        """
        if self._saved is None or self._saved[0] != standing.step:
            tensors: dict[str, Tensor] = {}
            for optimizer in self.stepper.optimizers.values():
                tensors.update(flatten_optimizer_state(optimizer, self._names))
            tensors = gathered(tensors, self.stepper.process)
            content, path = self._content(standing), self.out_dir
            if self.stepper.process.is_main:
                with self._naming_the_last_good(standing):
                    _check_finite(tensors)
                    path = write_run_checkpoint(
                        self.out_dir,
                        **content,
                        optimizer_state=tensors,
                        keep=self.settings.train.keep_checkpoints,
                    )
            self._saved = standing.step, path
        return self._saved[1]

    def save_best(self, standing: Standing) -> None:
        """Replace the best model of the run.

        Raises:
            TrainingError: the weights are not finite; nothing is written.
            WriteError, NoSpaceError: the best model before is untouched.
        """
        content = self._content(standing)
        if self.stepper.process.is_main:
            with self._naming_the_last_good(standing):
                write_best(self.out_dir, **content)

    def best_weights(self) -> Mapping[str, Tensor]:
        """The best model's weights, as they were saved.

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
    def _naming_the_last_good(self, standing: Standing) -> Iterator[None]:
        """Say of what cannot be saved at which step that is, and what there is to go on from."""
        try:
            yield
        except CheckpointError as error:
            raise TrainingError(
                f"step {standing.step} cannot be saved: {error.message}; {self.last_good()}",
                hint=error.hint or "go on from there: --resume",
            ) from error

    def restore(self, warn: Callable[[str], None]) -> Standing | None:
        """Load the newest valid checkpoint into model and optimizers.

        Args:
            warn: is told of newer checkpoints that are damaged, and of what keeps the run from
                going on bit for bit as it would have.

        Returns:
            Where the run stands; None where there is no checkpoint.

        Raises:
            CheckpointError: every checkpoint is damaged, or is of another model.
            DataError: the run was trained on other data.
        """
        checkpoint = newest_checkpoint(self.out_dir, warn=warn)
        if checkpoint is None:
            return None
        if checkpoint.config.model != self.model.config:
            differing = ", ".join(
                f"{name} {getattr(checkpoint.config.model, name)}, not {value}"
                for name, value in self.model.config.__dict__.items()
                if getattr(checkpoint.config.model, name) != value
            )
            raise CheckpointError(
                f"{checkpoint.path} holds a model with {differing}",
                hint="resume without settings that change the model",
            )
        state = checkpoint.state
        if state.data_fingerprint != self.data_loader.directory.fingerprint:
            raise DataError(
                f"{checkpoint.path} was trained on other data than {self.data_loader.data_dir}",
                hint="prepare the data as it was, or start a new run with --out",
            )
        load_whole(self.model, checkpoint.model_state)
        tensors = shares_of_state(checkpoint.optimizer_state, self.stepper.parameters)
        for optimizer in self.stepper.optimizers.values():
            restore_optimizer_state(optimizer, self._names, tensors)
        extra: dict[str, Any] = dict(state.extra)
        try:
            standing = Standing(
                step=state.step,
                tokens_seen=state.tokens_seen,
                best_validation_loss=state.best_validation_loss,
                evaluations_since_best=state.evaluations_since_best,
                evaluated_at=extra["evaluated_at"],
                stories_told=extra["stories_told"],
                loss_sum=extra["loss_sum"],
                n_losses=extra["n_losses"],
                watch=LossWatch(**extra["watch"]),
                skipped_in_a_row=extra["skipped_in_a_row"],
                pace=Pace(elapsed_seconds=state.elapsed_seconds, **extra["pace"]),
            )
            _check_numbers(asdict(standing), asdict(Standing()))
            if extra["gradient_scaler"]:
                self.stepper.scaler.load_state_dict(extra["gradient_scaler"])
        except (KeyError, TypeError) as error:
            raise CheckpointError(
                f"the state in {checkpoint.path} is not that of a run: {shown(str(error))}"
            ) from None
        self._saved = standing.step, checkpoint.path
        self._compare_conditions(checkpoint, warn)
        return standing

    def _conditions(self) -> dict[str, Any]:
        """All besides the settings that decides the last bits of what a run computes."""
        return {
            "torch": torch.__version__,
            "threads": self._threads,
            "processes": self.stepper.process.world_size,
            "device": self.stepper.device.partition(":")[0],
            "dtype": self.stepper.dtype,
            "CPU": torch.backends.cpu.get_cpu_capability(),
        }

    def _compare_conditions(self, checkpoint: Checkpoint, warn: Callable[[str], None]) -> None:
        before = checkpoint.state.extra.get("conditions")
        before = before if isinstance(before, dict) else {}
        changes = [
            f"{name} {value} instead of {before.get(name)}"
            for name, value in self._conditions().items()
            if before.get(name) != value
        ]
        if changes:
            warn(f"this run goes on with {', '.join(changes)}: the last bits may differ")
        there, here = checkpoint.config.train, self.settings.train
        rows_there, rows_here = (
            config.batch_size * config.gradient_accumulation_steps for config in (there, here)
        )
        if rows_there != rows_here or there.seed != here.seed:
            warn(
                f"a step takes {rows_here} rows from seed {here.seed} instead of {rows_there} from "
                f"seed {there.seed}: some stories of this epoch come twice or not at all"
            )

    def _content(self, standing: Standing) -> dict[str, Any]:
        return {
            "model_state": gathered(self.model.state_dict(), self.stepper.process),
            "config": self.settings,
            "tokenizer": self.data_loader.tokenizer,
            "state": TrainingState(
                step=standing.step,
                tokens_seen=standing.tokens_seen,
                elapsed_seconds=standing.pace.elapsed_seconds,
                best_validation_loss=standing.best_validation_loss,
                evaluations_since_best=standing.evaluations_since_best,
                data_fingerprint=self.data_loader.directory.fingerprint,
                extra={
                    "evaluated_at": standing.evaluated_at,
                    "stories_told": standing.stories_told,
                    "loss_sum": standing.loss_sum,
                    "n_losses": standing.n_losses,
                    "watch": standing.watch.to_json(),
                    "skipped_in_a_row": standing.skipped_in_a_row,
                    "pace": {
                        "step_seconds": standing.pace.step_seconds,
                        "reserved_seconds": standing.pace.reserved_seconds,
                    },
                    "gradient_scaler": self.stepper.scaler.state_dict(),
                    "conditions": self._conditions(),
                },
            ),
        }


def _check_finite(optimizer_state: Mapping[str, Tensor]) -> None:
    """Refuse a state that is not finite: it may have left the weights as they were.

    Raises:
        CheckpointError: naming the first such tensor.
    """
    for name, tensor in optimizer_state.items():
        if tensor.numel() and not all(e.isfinite() for e in torch.aminmax(tensor)):
            raise CheckpointError(f"the optimizer state {name} is not finite")
