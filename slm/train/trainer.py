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
from typing import TYPE_CHECKING, Any

import torch

from slm.checkpoint import clean_run, load_checkpoint, resolve_checkpoint
from slm.config import ORIGIN_AUTO, ORIGIN_PREPARED, DataConfig, RunConfig, TrainingConfig
from slm.data.loader import DataLoader
from slm.errors import Interrupted, TrainingError
from slm.evals.windows import validation_loss
from slm.files import atomic_write, directory_lock
from slm.generate import GenerationOptions, Generator
from slm.model import GPT, costs_of
from slm.runtime import (
    Process,
    autocast,
    device_of_process,
    keep_freed_memory,
    resolve_device,
    resolve_dtype,
    seed_everything,
    set_threads,
)
from slm.train.best_model_file import load_model_file, load_weights
from slm.train.budget import Budget
from slm.train.callbacks import default_callbacks
from slm.train.compiling import compile_blocks, eagerly, worth_compiling
from slm.train.data_check import check_data
from slm.train.distributed import (
    copy_from_main,
    largest_over_processes,
    share_of_micro_batches,
    sum_over_processes,
)
from slm.train.events import (
    Callback,
    EvaluationRecord,
    RunStart,
    SampleRecord,
    StepRecord,
    TrainingResult,
)
from slm.train.run_directory import Existing, make_room
from slm.train.saving import RunSaver, Standing
from slm.train.schedule import lr_scale
from slm.train.step import StepOutcome, Stepper
from slm.train.stop import StopRequested, StopSignals

if TYPE_CHECKING:
    from slm.tokenizer.base import Tokenizer

Batch = tuple[torch.Tensor, torch.Tensor]

MAX_OVERFLOWS = 25
"""Steps in a row in which a float16 gradient may overflow while its scale finds its level."""
MAX_SKIPPED_STEPS = 3
"""Steps in a row that may be skipped because they were not finite."""


class Trainer:
    """Trains a model.

    Args:
        model: the model; it is moved to the device that the settings name.
        data_loader: gives the batches, from now on to that device; its `batch_size` and
            `block_size` count.
        config: the training settings as a mapping, such as `training_config.__dict__`.
        settings: all settings with their origins, to be saved; None: made from the three above.
        process: this process among those that train together; None: alone.
        callbacks: who listens; None: the progress display, metrics, loss plot and `best_model.pt`.

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
    ) -> None:
        self.config = TrainingConfig(**config)
        self.process = process or Process()
        self.threads = set_threads(self.config.threads)
        self.device = device_of_process(resolve_device(self.config.device), self.process)
        self.dtype = resolve_dtype(self.config.dtype, self.device)
        if self.device == "cpu":
            keep_freed_memory()
        self.model = model.to(self.device)
        self.data_loader = data_loader
        data_loader.device = self.device
        self.out_dir = Path(self.config.out_dir)
        self.micro_batches = share_of_micro_batches(self.config, self.process)
        rows_per_step = data_loader.batch_size * self.micro_batches * self.process.world_size
        self.tokens_per_step = rows_per_step * data_loader.block_size
        self.compiled = worth_compiling(self.config, model, self.device, self.tokens_per_step)
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
        self.standing = Standing()
        self.budget = Budget(self.config)
        self._callbacks = None if callbacks is None else list(callbacks)
        self._evaluation: EvaluationRecord | None = None
        self._stop: StopSignals | None = None
        self._overflows_in_a_row = 0
        self._tokenizer: Tokenizer | None = None

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
            TrainingError: losses or gradients are not finite; the last good weights are saved.
            DataError: the data cannot be used with this model.
            RunLockedError: another process trains in this directory.
            UsageError: there is a run already and `existing` is "refuse".
        """
        check_data(self.data_loader, self.model.config, self.process)
        is_main = self.process.is_main
        lock = directory_lock(self.out_dir) if is_main else contextlib.nullcontext()
        with lock, StopSignals() as self._stop:
            self._start(existing)
            result = None
            try:
                result = self._loop(stop_after)
            except StopRequested:
                saved = self._save()
                assert self._stop.signal_number is not None
                raise Interrupted(
                    f"stopped at step {self.standing.step}, saved in {saved}",
                    signal_number=self._stop.signal_number,
                    hint="the same command with --resume goes on",
                ) from None
            finally:
                self._tell("on_end", result)
        return result

    def _start(self, existing: Existing) -> None:
        """Take up what is in the directory, as `existing` says, and tell the callbacks."""
        if self.process.is_main:
            clean_run(self.out_dir)
            previous = make_room(self.out_dir, existing)
            if previous is not None:
                self._tell("on_note", f"the earlier run was moved to {previous}")
        self._agree([])
        self.standing, self._evaluation, self._tokenizer = Standing(), None, None
        self.stepper.forget()
        self.saver.forget()
        self.model.train()
        if existing == "resume":
            restored = self.saver.restore(warn=lambda text: self._tell("on_note", text))
            if restored is None:
                self._tell("on_note", f"{self.out_dir} holds no checkpoint yet: starting anew")
            else:
                self.standing = restored
        copy_from_main(self.model, self.process)
        if self.process.is_main:
            text = json.dumps(self.settings.to_json(), indent=2, ensure_ascii=False)
            atomic_write(self.out_dir / "config.json", text + "\n")
        if self.compiled:
            compile_blocks(self.model)
        self.budget = Budget(self.config, pace=self.standing.pace)
        start = RunStart(
            settings=self.settings,
            costs=costs_of(self.model.config),
            out_dir=self.out_dir,
            device=self.device,
            dtype=self.dtype,
            compiled=self.compiled,
            threads=self.threads,
            world_size=self.process.world_size,
            tokens_per_step=self.tokens_per_step,
            first_step=self.standing.step,
            elapsed_seconds=self.standing.pace.elapsed_seconds,
        )
        self._tell("on_start", start)

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
                self._tell("on_note", f"no better for {patience} evaluations: stopped early")
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
        batches = (self.data_loader.batch_at(first + k) for k in range(self.micro_batches))
        scale = lr_scale(standing.step, progress, self.config)
        outcome = self.stepper.step(self._until_stopped(batches), self.micro_batches, scale)
        self._check_finite(outcome)
        self.budget.end_step()
        if not standing.evaluated_at:
            # Until one was timed: a forward pass takes a third of a training step's time.
            tokens = self.config.eval_tokens or self.tokens_per_step
            self.budget.reserve(self.budget.pace.step_seconds * tokens / self.tokens_per_step / 3)
        standing.step += 1
        standing.tokens_seen += self.tokens_per_step
        if math.isfinite(outcome.loss):
            standing.losses_since_evaluation.append(outcome.loss)
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
        self._tell("on_step", record)

    def _until_stopped(self, batches: Iterable[Batch]) -> Iterable[Batch]:
        """Watch for signals between micro-batches; several processes do so between steps only."""
        if self.process.world_size > 1 or self._stop is None:
            return batches
        return self._stop.watch(batches)

    def _check_finite(self, outcome: StepOutcome) -> None:
        """Stop, or skip up to `MAX_SKIPPED_STEPS` in a row, where a step was not finite."""
        if outcome.updated:
            self.standing.skipped_in_a_row = 0
            self._overflows_in_a_row = 0
            return
        if outcome.overflowed and self._overflows_in_a_row < MAX_OVERFLOWS:
            self._overflows_in_a_row += 1
            return
        what = f"the loss is {outcome.loss} at step {self.standing.step + 1}"
        if outcome.first_bad_tensor is not None:
            what += f", and the gradient of {outcome.first_bad_tensor} is not finite"
        may_skip = self.standing.skipped_in_a_row < MAX_SKIPPED_STEPS
        if self.config.on_nonfinite == "skip" and may_skip:
            self.standing.skipped_in_a_row += 1
            self._tell("on_note", f"{what}; the step was skipped, the weights are as before")
            return
        saved = self._save()
        raise TrainingError(
            f"{what}; the weights before it are saved in {saved}",
            hint="lower the learning rate, or skip such steps: --set on_nonfinite=skip",
        )

    def _save(self) -> Path:
        """Save all that is needed to go on from this step; returns the checkpoint's directory."""
        if not self.process.is_main:
            return self.out_dir
        self.standing.pace = self.budget.pace
        return self.saver.save(self.standing)

    # -- evaluation ------------------------------------------------------------------------------

    def evaluate(self, split: str = "validation") -> tuple[float, int]:
        """Mean loss in nats a token over the fixed windows of a split, and how many tokens."""
        batches = self.data_loader.validation_batches(self.config.eval_tokens, split)
        with eagerly():
            loss, tokens = validation_loss(
                self.model, self._until_stopped(batches), autocast(self.device, self.dtype)
            )
        nats = loss * tokens if tokens else 0.0
        nats, n_scored = sum_over_processes([nats, float(tokens)], self.process, self.device)
        return nats / n_scored, int(n_scored)

    def _evaluate_once(self) -> None:
        """Evaluate at this step unless that was done; keep the best; tell a story."""
        standing = self.standing
        if standing.evaluated_at == standing.step:
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
        if is_best and self.process.is_main:
            standing.pace = self.budget.pace
            self.saver.save_best(standing)
        self._tell("on_evaluation", self._evaluation)
        if self.process.is_main:
            self._tell_stories()
        # What an evaluation takes will be needed once more when the clock has run out.
        self.budget.reserve(1.2 * (self.budget.elapsed_seconds - began_at))

    def _tell_stories(self) -> None:
        if not self.config.sample_prompts or self._callbacks == []:
            return
        options = GenerationOptions(max_new_tokens=self.config.sample_tokens, seed=self.config.seed)
        with eagerly():
            for told in self.generator.complete(self.config.sample_prompts, options):
                self._tell("on_sample", SampleRecord(self.standing.step, told.prompt, told.text))

    def _tell(self, event: str, record: object) -> None:
        """Call one method of every callback, in the main process only."""
        if not self.process.is_main:
            return
        if self._callbacks is None:
            self._callbacks = default_callbacks(self)
        # Every callback hears of it, and above all of the end, even where one before it fails.
        with contextlib.ExitStack() as stack:
            for callback in reversed(self._callbacks):
                stack.callback(getattr(callback, event), record)

    # -- the trained model -----------------------------------------------------------------------

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the loaded model file, or else of the data."""
        return self.data_loader.tokenizer if self._tokenizer is None else self._tokenizer

    @property
    def generator(self) -> Generator:
        """Continues texts with the model as it is now."""
        return Generator(self.model, self.tokenizer, dtype=self.dtype)

    def load_best_model(self, path: str | Path) -> None:
        """Take the weights from a model file (`best_model.pt`) or a checkpoint directory.

        Raises:
            UsageError: nothing is there.
            CheckpointError: it is damaged, or its shape is not this model's.
        """
        path = Path(path)
        if path.is_dir():
            checkpoint = load_checkpoint(resolve_checkpoint(path))
            weights, config = dict(checkpoint.model_state), checkpoint.config.model
            load_weights(self.model, weights, where=path, config=config)
            self._tokenizer = checkpoint.tokenizer
        else:
            loaded = load_model_file(path)
            load_weights(self.model, loaded.weights, where=path, config=loaded.config)
            self._tokenizer = loaded.tokenizer

    def generate_text(
        self,
        prompt: str,
        max_new_tokens: int = 100,
        temperature: float = 0.7,
        top_k: int | None = 50,
        *,
        seed: int | None = None,
    ) -> str:
        """The prompt and its continuation, up to `max_new_tokens` tokens or the story's end.

        Raises:
            ConfigError: a sampling setting is out of its range.
        """
        options = GenerationOptions(
            max_new_tokens=max_new_tokens, temperature=temperature, top_k=top_k, seed=seed
        )
        with eagerly():
            return prompt + self.generator.complete([prompt], options)[0].text
