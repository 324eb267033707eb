"""A training run with its directory: checkpoints, config.json, lock, interrupts, the best model.

`slm.training.trainer.Trainer` is the loop; `RunTrainer` adds everything that a long run needs.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slm.checkpoint import clean_run
from slm.checkpoint.ladder import cut_ladder
from slm.config import RunConfig, TrainingConfig
from slm.config.run_paths import settings_to_save
from slm.data.loader import DataLoader
from slm.errors import Interrupted, UsageError
from slm.generation import GenerationOptions
from slm.hardware.devices import (
    cpu_threads,
    keep_freed_memory,
    resolve_device,
    resolve_dtype,
    set_threads,
)
from slm.model import GPT, model_costs
from slm.parallel.collectives import (
    copy_from_main,
    largest_over_processes,
    naming_lost_processes,
    share_of_micro_batches,
)
from slm.parallel.fsdp import place_model
from slm.parallel.processes import Process, device_of_process
from slm.runs.borrowed import RevocableStep, borrowed_process
from slm.runs.checkpointer import Checkpointer
from slm.runs.current_model import CurrentModel
from slm.runs.data_check import check_context_length, check_data
from slm.runs.disk_space import require_space_for
from slm.runs.final import settings_of_arguments
from slm.runs.guard import RunGuard
from slm.runs.guarded_step import GuardedStep
from slm.runs.layout import Existing, make_room, note_starter, write_config
from slm.runs.stop import StopSignals
from slm.runs.teachers import load_teachers
from slm.storage.locks import directory_lock
from slm.train_state import TrainState
from slm.training.budget import Budget
from slm.training.callbacks import CallbackList
from slm.training.compiling import compile_blocks, run_should_compile
from slm.training.distillation import Teachers
from slm.training.events import Callback, RunStart, TrainingResult
from slm.training.trainer import Stop, StopRequested, Trainer


class RunTrainer:
    """Trains a model in a run directory.

    Args:
        model: the model; it is moved to the device of the settings, sharded if they say so.
        data_loader: provides the batches and determines `batch_size` and `block_size`. It is not
            changed: for another device, a copy is used.
        config: the training settings as a mapping, such as `training_config.__dict__`.
        settings: the final settings, see `slm.runs.final`; None: made from the arguments above when
            training begins.
        process: this process; None: a single process.
        callbacks: called with every event.
        locked: whether the caller holds the lock of the run directory; otherwise `train` takes it.
        began_at: when the command began, by `time.monotonic`, for a time budget; None: when `train`
            is called.
        owns_process: whether the process belongs to slm, as for a command: signals end a run
            cleanly, freed memory is kept, and the run's threads and random state remain. False:
            all of this is unchanged or restored; see `slm.runs.borrowed`.

    Raises:
        ConfigError: a training setting is unknown or invalid.
        DeviceError: the device is not available.
    """

    def __init__(
        self,
        model: GPT,
        data_loader: DataLoader,
        config: Mapping[str, Any],
        *,
        settings: RunConfig | None = None,
        process: Process | None = None,
        callbacks: Sequence[Callback] = (),
        locked: bool = False,
        began_at: float | None = None,
        owns_process: bool = False,
    ) -> None:
        self.config = TrainingConfig(**config)
        self.process = process or Process()
        check_context_length(self.config, data_loader.block_size, model.config.block_size)
        self.owns_process = owns_process
        self.device = device_of_process(resolve_device(self.config.device), self.process)
        self.dtype = resolve_dtype(self.config.dtype, self.device)
        if owns_process:
            self.threads = set_threads(self.config.threads)
            if self.device == "cpu":
                keep_freed_memory()
        else:
            self.threads = self.config.threads or cpu_threads()
        self.model = place_model(
            model,
            self.device,
            sharding=self.config.sharding,
            dtype=self.dtype,
            process=self.process,
        )
        if data_loader.device != self.device:
            data_loader = copy.copy(data_loader)
            data_loader.device = self.device
        self.data_loader = data_loader
        self.out_dir = Path(self.config.out_dir)
        self.micro_batches = share_of_micro_batches(self.config, self.process)
        sequences = data_loader.batch_size * self.micro_batches * self.process.world_size
        self.tokens_per_step = sequences * data_loader.block_size
        self.compiled = run_should_compile(
            self.config, model.config, self.device, self.tokens_per_step
        )
        if settings is not None:
            self.settings = settings
        self.guarded_step = GuardedStep(
            self.model, self.config, device=self.device, dtype=self.dtype, process=self.process
        )
        self.current_model = CurrentModel(
            self.model,
            data_loader,
            self.config,
            device=self.device,
            dtype=self.dtype,
            process=self.process,
        )
        self.is_sharded = self.current_model.is_sharded
        self.state = TrainState()
        self.callbacks = CallbackList(callbacks, is_main=self.process.is_main)
        self._began_at = began_at
        self._locks = self.process.is_main and not locked
        self._has_trained = False

    @functools.cached_property
    def settings(self) -> RunConfig:
        """The final settings.

        If the caller gave none, they are made at first use, because they describe the data, which a
        trainer that only generates text does not need.
        """
        return settings_of_arguments(
            self.model.config,
            self.config,
            self.data_loader,
            found={"dtype": self.dtype, "compile": "on" if self.compiled else "off"},
            device=self.device,
            process=self.process,
        )

    @functools.cached_property
    def checkpointer(self) -> Checkpointer:
        """Saves and restores this trainer."""
        return Checkpointer(
            self.out_dir,
            self.model,
            self.guarded_step,
            self.settings,
            self.data_loader,
            threads=self.threads,
        )

    # -- the run ---------------------------------------------------------------------------------

    def train(
        self, *, existing: Existing = "set-aside", stop_after: int | None = None
    ) -> TrainingResult:
        """Train until the budget is used up or the validation loss stops falling.

        Ctrl-C, or a notebook's stop button, ends the run cleanly: a command that owns its process
        finishes the current micro-batch; otherwise the current step is dropped. Then the state
        before it is saved.

        Args:
            existing: what to do with a run that is already in the directory.
            stop_after: save and return after this many steps of this call; the learning rate
                still follows the whole budget.

        Raises:
            Interrupted: a signal was received, with `owns_process`.
            KeyboardInterrupt: without it; its message names the checkpoint. A second interrupt
                raises it at once.
            NoSpaceError: the disk does not have the space that the run needs.
            TrainingError: losses, gradients or weights are non-finite; the last good weights are
                saved.
            DataError: the data cannot be used with this model.
            CheckpointError: a teacher is damaged, or has other weights than at the run's start.
            RunLockedError: another process trains in this directory.
            UsageError: there is a run already and `existing` is "refuse", or a new run would begin
                with the weights of an earlier one.
        """
        if existing != "resume":
            self._require_initial_weights()
        check_data(self.data_loader, self.model.config, self.process)
        self.guarded_step.eot_id = self.current_model.eot_id
        models = load_teachers(self.settings, self.data_loader.tokenizer, self.device)
        if models:
            self.guarded_step.teachers = Teachers(models, self.config.teacher_weight)
        self.checkpointer.settings = settings_to_save(self.settings, self.out_dir)
        lock = directory_lock(self.out_dir) if self._locks else contextlib.nullcontext()
        with lock, self._running() as stop:
            trainer, start = self._start(existing, stop)
            try:
                result = self._run(trainer, start, stop_after)
            except BaseException:
                self.callbacks.emit("on_end", None, failed=True)
                raise
            self.callbacks.emit("on_end", result)
            if stop.signal_number is not None:
                raise self._interrupted(
                    trainer, "finished", "the signal was received after the last step"
                )
        return result

    def _run(self, trainer: Trainer, start: RunStart, stop_after: int | None) -> TrainingResult:
        """Run the loop; where it is stopped, save, and raise the error for the caller."""
        try:
            self.callbacks.emit("on_start", start)
            self._has_trained = True
            with naming_lost_processes():
                return trainer.run(self.state, max_steps=stop_after)
        except StopRequested:
            raise self._interrupted(
                trainer, "stopped", "the same command with --resume continues the run"
            ) from None
        except KeyboardInterrupt:
            raise self._keyboard_interrupt(trainer) from None

    def _running(self) -> contextlib.AbstractContextManager[Stop]:
        """The contexts of a run, and its stop signal."""
        if not self.owns_process:
            return borrowed_process(self.threads)
        return StopSignals(between_items=self.process.world_size == 1)

    def _keyboard_interrupt(self, trainer: Trainer) -> KeyboardInterrupt:
        """Save the state before the interrupted step, and return the exception to raise."""
        if not isinstance(trainer.stepper, RevocableStep):
            return KeyboardInterrupt()  # the other processes are not interrupted
        trainer.stepper.revoke()
        path = trainer.save(self.state)
        return KeyboardInterrupt(f"stopped at step {self.state.step}, saved in {path}")

    def _interrupted(self, trainer: Trainer, what: str, hint: str) -> Interrupted:
        """Save if necessary, and return the error to raise."""
        return Interrupted(
            f"{what} at step {self.state.step}, saved in {trainer.save(self.state)}",
            signal_number=trainer.stop.signal_number or signal.SIGINT,
            hint=hint,
        )

    def _start(self, existing: Existing, stop: Stop) -> tuple[Trainer, RunStart]:
        """Prepare the directory, the state and the loop."""
        if self.process.is_main:
            clean_run(self.out_dir)
            previous = make_room(self.out_dir, existing)
            if previous is not None:
                self.callbacks.note(f"the earlier run was moved to {previous}")
        self._agree([])
        self._restore(existing)
        budget = Budget(self.config, time_state=self.state.time, began_at=self._began_at)
        self._began_at = None  # a second call of `train` starts its own clock
        if self.state.step == 0:
            budget.require_time()  # before there is a run, whose settings would be kept
        if self.process.is_main:
            cut_ladder(self.out_dir, self.state.step)  # this run makes the later ones again
            write_config(self.out_dir, self.checkpointer.settings)
            note_starter(self.out_dir)
            require_space_for(self.settings, self.callbacks.callbacks)
        if self.compiled:
            compile_blocks(self.model)
            if self.guarded_step.teachers is not None:
                for teacher in self.guarded_step.teachers.models:
                    compile_blocks(teacher)
        self.current_model.stop = stop
        is_revocable = not self.owns_process and self.process.world_size == 1
        guarded = self.guarded_step
        # With a sharded model all processes generate samples, otherwise only the main one.
        writes_samples = self.callbacks.callbacks and (self.process.is_main or self.is_sharded)
        trainer = Trainer(
            RevocableStep(guarded, self.state) if is_revocable else guarded,
            self.data_loader,
            self.config,
            evaluate=self.evaluate,
            checkpointer=self.checkpointer,
            guard=RunGuard(guarded, self.data_loader, self.micro_batches, self.checkpointer),
            callbacks=self.callbacks,
            budget=budget,
            write_sample=self.current_model.sample if writes_samples else None,
            micro_batches=self.micro_batches,
            agree=self._agree,
            stop=stop,
            compiles_first=self.compiled,
        )
        start = RunStart(
            settings=self.settings,
            costs=model_costs(self.model.config),
            out_dir=self.out_dir,
            device=self.device,
            dtype=self.dtype,
            compiled=self.compiled,
            threads=self.threads,
            world_size=self.process.world_size,
            tokens_per_step=self.tokens_per_step,
            first_step=self.state.step,
            elapsed_seconds=self.state.time.elapsed_seconds,
            evaluated=self.state.is_evaluated,
            samples_written=self.state.samples_written,
        )
        return trainer, start

    def _restore(self, existing: Existing) -> None:
        """Restore model, optimizers and state from the newest checkpoint, or initialize them."""
        self.state = TrainState()
        self.current_model.loaded_tokenizer = None
        self.guarded_step.reset_optimizers()
        self.checkpointer.start_new_run()
        self.model.train()
        if existing == "resume":
            restored = self.checkpointer.restore(log=self.callbacks.note)
            if restored is None:
                self._require_initial_weights()
                self.callbacks.note(f"{self.out_dir} has no checkpoint yet: starting a new run")
            else:
                self.state, self._has_trained = restored, True
        copy_from_main(self.model, self.process)

    def _require_initial_weights(self) -> None:
        """Reject a new run with trained weights: it would not be reproducible."""
        if self._has_trained:
            raise UsageError(
                "this trainer's model is trained already, and a new run needs initial weights",
                hint="make a new model and a new Trainer, or continue with "
                'train(existing="resume")',
            )

    def _agree(self, values: list[float]) -> list[float]:
        """The maximum of each value over the processes; also a barrier."""
        return largest_over_processes([0.0, *values], self.process, self.device)[1:]

    # -- evaluation and generation ---------------------------------------------------------------

    def evaluate(self, split: str = "validation") -> tuple[float, int]:
        """Mean loss in nats per token over the fixed windows of a split, and the scored tokens."""
        return self.current_model.evaluate(split)

    def load_best_model(self, path: str | Path) -> None:
        """Load the weights of a model file (`best_model.pt`) or a checkpoint directory.

        Raises:
            UsageError: the path does not exist.
            CheckpointError: it is damaged, or has another model shape.
        """
        self.current_model.load(Path(path), log=self.callbacks.note)

    def generate_text(
        self,
        prompt: str,
        max_new_tokens: int = 100,
        temperature: float = 0.7,
        top_k: int | None = 50,
        *,
        seed: int | None = None,
    ) -> str:
        """The prompt and its continuation, up to `max_new_tokens` tokens or the end of the story.

        Raises:
            ConfigError: a sampling setting is out of its range, or the prompt is not a text.
        """
        options = GenerationOptions(
            max_new_tokens=max_new_tokens, temperature=temperature, top_k=top_k, seed=seed
        )
        return prompt + self.current_model.continuation(prompt, options)
