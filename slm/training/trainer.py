"""The training loop: steps, evaluations, checkpoints, and an exact way back into all of them.

A run is a pure function of its settings, its data and the step: batches come from
`DataLoader.batch_at`, learning rates from `lr_scale`, dropout from a seed of the step. So a
checkpoint needs the weights, the optimizer state and a few numbers, and a resumed run repeats an
uninterrupted one bit for bit. Progress bars, files of metrics and plots are callbacks.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from slm.checkpoint import clean_run
from slm.config import ORIGIN_AUTO, ORIGIN_PREPARED, DataConfig, RunConfig, TrainingConfig
from slm.data.loader import DataLoader
from slm.errors import Interrupted
from slm.files import atomic_write, directory_lock
from slm.generation import GenerationOptions
from slm.model import GPT, model_costs
from slm.parallel.collectives import (
    copy_from_main,
    largest_over_processes,
    naming_lost_processes,
    share_of_micro_batches,
)
from slm.reporting.callbacks import default_callbacks
from slm.runs.checkpointer import RunSaver, Standing
from slm.runs.data_check import check_data, describe_data
from slm.runs.disk_space import require_space_for
from slm.runs.guard import FaultPolicy, spike_at
from slm.runs.layout import CONFIG_FILE, Existing, make_room, note_starter
from slm.runs.stop import Item, StopRequested, StopSignals
from slm.runs.trained import TrainedModel
from slm.runtime import Process, seed_everything
from slm.training.budget import Budget
from slm.training.callbacks import Listeners
from slm.training.compiling import compile_blocks, worth_compiling
from slm.training.events import (
    AnomalyRecord,
    Callback,
    EvaluationRecord,
    RunStart,
    SampleRecord,
    StepRecord,
    TrainingResult,
)
from slm.training.schedule import lr_scale
from slm.training.step import Stepper
from slm.training.windows import check_contexts, context_at, cut


class Trainer(TrainedModel):
    """Trains a model.

    Args:
        model: the model; it is moved to the device that the settings name.
        data_loader: gives the batches, from now on to that device; its `batch_size` and
            `block_size` count.
        config: the training settings as a mapping, such as `training_config.__dict__`.
        settings: all settings with their origins, to be saved; None: made from the three above.
        process: this process among those that train together; None: alone.
        callbacks: who listens; None: the progress display, metrics, loss plot and `best_model.pt`.
        locked: the caller holds the lock of the run directory, so that `train` need not.
        began_at: when the command began, by `time.monotonic`, for a budget of minutes; None: when
            `train` is called.

    Raises:
        ConfigError: a training setting is unknown or impossible.
        DeviceError: the device is not there.
    """

    def __init__(
        self,
        model: GPT,
        data_loader: DataLoader,
        config: Mapping[str, Any],
        *,
        settings: RunConfig | None = None,
        process: Process | None = None,
        callbacks: Sequence[Callback] | None = None,
        locked: bool = False,
        began_at: float | None = None,
    ) -> None:
        super().__init__(model, data_loader, TrainingConfig(**config), process or Process())
        check_contexts(self.config, data_loader.block_size)
        self.out_dir = Path(self.config.out_dir)
        self.micro_batches = share_of_micro_batches(self.config, self.process)
        rows_per_step = data_loader.batch_size * self.micro_batches * self.process.world_size
        self.tokens_per_step = rows_per_step * data_loader.block_size
        self.compiled = worth_compiling(self.config, model, self.device, self.tokens_per_step)
        self._describe_data = settings is None
        if settings is None:
            data = DataConfig(data_dir=str(data_loader.data_dir))
            settings = RunConfig(
                model.config, self.config, data, {"data.data_dir": ORIGIN_PREPARED}
            )
        # A resumed run computes as this one does, whatever `auto` would come to then.
        choices = {"dtype": self.dtype, "compile": "on" if self.compiled else "off"}
        found = {f"train.{k}": v for k, v in choices.items() if getattr(self.config, k) == "auto"}
        self.settings = settings.with_values(found, ORIGIN_AUTO)
        self.stepper = Stepper(
            self.model, self.config, device=self.device, dtype=self.dtype, process=self.process
        )
        self.saver = RunSaver(
            self.out_dir, self.model, self.stepper, self.settings, self.data_loader
        )
        self.fault_policy = FaultPolicy(
            self.stepper, self.data_loader, self.micro_batches, self.saver
        )
        self.standing = Standing()
        self._began_at = began_at
        self.budget = Budget(self.config)
        self.listeners = Listeners(
            default_callbacks(self) if callbacks is None else callbacks, self.process
        )
        self._locks = self.process.is_main and not locked
        self._evaluation: EvaluationRecord | None = None
        self._stop: StopSignals | None = None
        self._compiles_now = False

    # -- the run ---------------------------------------------------------------------------------

    def train(
        self, *, existing: Existing = "set-aside", stop_after: int | None = None
    ) -> TrainingResult:
        """Train until the budget is used up or the validation loss stops falling.

        Args:
            existing: what to do with a run that is already in `out_dir`.
            stop_after: save and return after this many steps of this call, the learning rate
                following the whole run's budget all the same.

        Raises:
            Interrupted: a signal came; the current step is saved.
            NoSpaceError: the disk has not, or no longer, the room that the run needs.
            TrainingError: losses, gradients or weights are not finite; the last good weights are
                saved.
            DataError: the data cannot be used with this model.
            RunLockedError: another process trains in this directory.
            UsageError: there is a run already and `existing` is "refuse".
        """
        check_data(self.data_loader, self.model.config, self.process)
        self.stepper.eot_id = self.eot_id
        if self._describe_data:
            self.settings = describe_data(self.settings, self.data_loader)
            self.saver.settings = self.settings
        lock = directory_lock(self.out_dir) if self._locks else contextlib.nullcontext()
        with lock, StopSignals() as self._stop:
            start = self._start(existing)
            try:
                self.listeners.tell("on_start", start)
                with naming_lost_processes():
                    result = self._loop(stop_after)
            except StopRequested:
                interrupted = self._interrupted("the same command with --resume goes on", "stopped")
                self.listeners.tell("on_end", None, failed=True)
                raise interrupted from None
            except BaseException:
                self.listeners.tell("on_end", None, failed=True)
                raise
            self.listeners.tell("on_end", result)
            if self._stop.signal_number is not None:
                raise self._interrupted("the signal came when all was done", "finished")
        return result

    def _interrupted(self, hint: str, what: str) -> Interrupted:
        """Save, unless that is done, and say so."""
        assert self._stop is not None
        assert self._stop.signal_number is not None
        return Interrupted(
            f"{what} at step {self.standing.step}, saved in {self._save()}",
            signal_number=self._stop.signal_number,
            hint=hint,
        )

    def _start(self, existing: Existing) -> RunStart:
        """Take up what is in the directory, as `existing` says."""
        if self.process.is_main:
            clean_run(self.out_dir)
            previous = make_room(self.out_dir, existing)
            if previous is not None:
                self.note(f"the earlier run was moved to {previous}")
        self._agree([])
        self.standing, self._evaluation, self._tokenizer = Standing(), None, None
        self.stepper.forget()
        self.saver.forget()
        self.model.train()
        if existing == "resume":
            restored = self.saver.restore(warn=self.note)
            if restored is None:
                self.note(f"{self.out_dir} holds no checkpoint yet: starting anew")
            else:
                self.standing = restored
        copy_from_main(self.model, self.process)
        if self.process.is_main:
            text = json.dumps(self.settings.to_json(), indent=2)  # paths may be no valid Unicode
            atomic_write(self.out_dir / CONFIG_FILE, text + "\n")
            note_starter(self.out_dir)
            require_space_for(self.settings, self.listeners.callbacks)
        if self.compiled:
            compile_blocks(self.model)
        self._compiles_now = self.compiled
        self.budget = Budget(self.config, pace=self.standing.pace, began_at=self._began_at)
        self._began_at = None  # a second call of `train` begins when it is called
        if self.standing.step == 0:
            self.budget.require_time()
        return RunStart(
            settings=self.settings,
            costs=model_costs(self.model.config),
            out_dir=self.out_dir,
            device=self.device,
            dtype=self.dtype,
            compiled=self.compiled,
            threads=self.threads,
            world_size=self.process.world_size,
            tokens_per_step=self.tokens_per_step,
            first_step=self.standing.step,
            elapsed_seconds=self.standing.pace.elapsed_seconds,
            evaluated=self.standing.evaluated_at == self.standing.step,
            stories_told=self.standing.stories_told,
        )

    def _loop(self, stop_after: int | None) -> TrainingResult:
        config, standing = self.config, self.standing
        last_step = None if stop_after is None else standing.step + stop_after
        stopped_early = False
        while True:
            if standing.step % config.eval_interval == 0:
                self._evaluate_once()
                patience = config.early_stopping_patience
                stopped_early = patience is not None and standing.evaluations_since_best >= patience
            progress = self._agree_on_progress()
            if stopped_early:
                self.note(f"no better for {patience} evaluations: stopped early")
            if stopped_early or progress is None:
                self._evaluate_once()
                break
            if standing.step == last_step:
                break
            if standing.step % config.checkpoint_interval == 0 and standing.step:
                self._save()
            self._make_step(progress)
        self._save()
        last = self._evaluation
        return TrainingResult(
            step=standing.step,
            train_loss=standing.train_loss if last is None else last.train_loss,
            validation_loss=None if last is None else last.loss,
            best_validation_loss=standing.best_validation_loss,
            stopped_early=stopped_early,
            tokens=standing.tokens_seen,
            elapsed_seconds=self.budget.elapsed_seconds,
            out_dir=self.out_dir,
        )

    def _agree_on_progress(self) -> float | None:
        """Share of the run done, the same in all processes; None where the run is over.

        Raises:
            StopRequested: a signal came to any of them.
        """
        assert self._stop is not None
        step = self.standing.step
        signal_number, is_over, progress = self._agree(
            [
                float(self._stop.signal_number or 0),
                float(self.budget.is_over(step)),
                self.budget.progress(step),
            ]
        )
        if signal_number:
            self._stop.signal_number = int(signal_number)
            raise StopRequested
        return None if is_over else progress

    def _agree(self, values: list[float]) -> list[float]:
        """The largest of each value over the processes; all wait here for the last one."""
        return largest_over_processes([0.0, *values], self.process, self.device)[1:]

    def _make_step(self, progress: float) -> None:
        """One optimizer step, told to the callbacks."""
        standing = self.standing
        started_at = time.perf_counter()
        self.budget.begin_step()
        seed_everything(self.config.seed, standing.step, self.process.rank)
        first = standing.step * self.micro_batches
        context = context_at(progress, self.config, self.data_loader.block_size)
        batches = (
            cut(self.data_loader.batch_at(first + k), context) for k in range(self.micro_batches)
        )
        scale = lr_scale(standing.step, progress, self.config)
        assert self._stop is not None
        # Compiling takes long, and a step that has not come to its update leaves nothing behind.
        watched = self.until_stopped(batches, at_once=self._compiles_now)
        with self._stop.excusing_errors():
            outcome = self.stepper.step(watched, self.micro_batches, scale)
        self._compiles_now = False
        self._tell_anomaly(self.fault_policy.judge(outcome, standing, self._save))
        self._tell_anomaly(spike_at(standing.step + 1, outcome.loss, standing.watch))
        self.budget.end_step()
        if not standing.evaluated_at:
            # Until one was timed: a forward pass takes a third of a training step's time.
            tokens = self.config.eval_tokens or self.tokens_per_step
            self.budget.reserve(self.budget.pace.step_seconds * tokens / self.tokens_per_step / 3)
        standing.step += 1
        standing.tokens_seen += self.tokens_per_step
        if math.isfinite(outcome.loss):
            standing.count_loss(outcome.loss)
        record = StepRecord(
            step=standing.step,
            loss=outcome.loss,
            lr_scale=scale,
            learning_rate=self.config.learning_rate * scale,
            grad_norm=outcome.grad_norm,
            tokens=standing.tokens_seen,
            tokens_per_second=self.tokens_per_step / (time.perf_counter() - started_at),
            elapsed_seconds=self.budget.elapsed_seconds,
            progress=self.budget.progress(standing.step),
        )
        self.listeners.tell("on_step", record)

    def until_stopped(self, items: Iterable[Item], *, at_once: bool = False) -> Iterable[Item]:
        """Watch for signals between micro-batches; several processes do so between steps only."""
        if self.process.world_size > 1 or self._stop is None:
            return items
        return self._stop.watch(items, at_once=at_once)

    def _tell_anomaly(self, record: AnomalyRecord | None) -> None:
        if record is not None:
            self.note(record.text)
            self.listeners.tell("on_anomaly", record)

    def _save(self) -> Path:
        """Save all that is needed to go on from this step; returns the checkpoint's directory.

        Raises:
            TrainingError: weights or optimizer state are not finite; nothing is written.
        """
        self.standing.pace = self.budget.pace
        return self.saver.save(self.standing)

    # -- evaluation ------------------------------------------------------------------------------

    def _evaluate_once(self) -> None:
        """Evaluate at this step unless that was done; keep the best; tell a story."""
        standing = self.standing
        if standing.evaluated_at == standing.step:
            if standing.step:
                self._tell_stories()  # those that an interruption has left untold
            return
        began_at = self.budget.elapsed_seconds
        loss, tokens = self.evaluate()
        train_loss, is_best = standing.take_in(loss)
        bytes_per_token = self.data_loader.directory.bytes_per_token("validation")
        self._evaluation = EvaluationRecord(
            step=standing.step,
            loss=loss,
            bits_per_byte=loss / math.log(2) / bytes_per_token,
            tokens=tokens,
            train_loss=train_loss,
            is_best=is_best,
            elapsed_seconds=self.budget.elapsed_seconds,
        )
        if is_best:
            standing.pace = self.budget.pace
            self.saver.save_best(standing)
        self.listeners.tell("on_evaluation", self._evaluation)
        self._tell_stories()
        # What an evaluation takes will be needed once more when the clock has run out.
        self.budget.reserve(1.2 * (self.budget.elapsed_seconds - began_at))

    def _tell_stories(self) -> None:
        if not self.listeners.callbacks or not (self.process.is_main or self.is_sharded):
            return  # only with a sharded model do all processes tell them, together
        standing = self.standing
        options = GenerationOptions(max_new_tokens=self.config.sample_tokens, seed=self.config.seed)
        for prompt in self.config.sample_prompts[standing.stories_told :]:
            text = self.continue_text(prompt, options)
            standing.stories_told += 1
            self.listeners.tell("on_sample", SampleRecord(standing.step, prompt, text))

    def note(self, text: str) -> None:
        """Tell all who listen what a user should know."""
        self.listeners.note(text)
