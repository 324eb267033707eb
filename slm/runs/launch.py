"""Makes a trainer that is ready to run: data, final settings, model, processes.

With several processes, only the main one prepares the data, writes files and logs; the others wait
for it.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch.distributed

from slm.checkpoint import step_directories
from slm.config import RunConfig
from slm.data.loader import DataLoader
from slm.errors import ConfigError, DataError, UsageError
from slm.hardware.devices import memory_bytes, memory_limit, resolve_device
from slm.log import Log, silent
from slm.model import GPT
from slm.model.costs import activation_bytes_per_token, state_bytes
from slm.parallel.processes import Process, device_of_process, process_group
from slm.quantities import gigabytes
from slm.runs.borrowed import restored_torch
from slm.runs.data import Progress, obtain_data, place_data
from slm.runs.final import finalize
from slm.runs.layout import Existing, make_room
from slm.runs.parent import initial_weights
from slm.runs.run_trainer import RunTrainer
from slm.seeds import seed_everything
from slm.training.events import Callback


@contextlib.contextmanager
def ready_trainer(
    settings: RunConfig,
    process: Process,
    *,
    existing: Existing,
    force_reload: bool = False,
    callbacks: Sequence[Callback] = (),
    progress: contextlib.AbstractContextManager[Progress] | None = None,
    log: Log = silent,
    began_at: float | None = None,
    owns_process: bool = False,
) -> Iterator[RunTrainer]:
    """A trainer with prepared data and connected processes, within the block.

    The caller holds the lock of the run directory, in the main process.

    Args:
        settings: the chosen ones; `slm.runs.final` makes the final settings.
        process: this process.
        existing: see `RunTrainer.train`; an existing run is refused before any work.
        force_reload: download and tokenize again.
        callbacks: for the trainer.
        progress: entered while the data are prepared.
        log: called with a sentence for the user.
        began_at, owns_process: see `RunTrainer`.

    Raises:
        UsageError: there is a run already and `existing` is "refuse".
        ConfigError: this machine does not have enough memory.
        DeviceError: the device is not available.
        SlmError: the data cannot be obtained, or the settings do not fit them.
    """
    device = device_of_process(resolve_device(settings.train.device), process)
    check_memory(settings, device, process)
    out_dir = Path(settings.train.out_dir)
    if process.is_main and existing == "refuse":
        make_room(out_dir, existing)
    is_resumed = existing == "resume" and bool(step_directories(out_dir))
    if "data.data_dir" not in settings.origins:
        settings = place_data(settings)  # a resumed run uses its data directory
    restored = contextlib.nullcontext() if owns_process else restored_torch()
    with restored, process_group(process, device):
        shown = progress if progress is not None and process.is_main else None
        with main_first(process), shown or contextlib.nullcontext() as report:
            # A resumed run, and every process except the main one, uses the data unchanged.
            is_shared = Path(settings.data.data_dir).resolve() == out_dir.resolve()
            try:
                directory = obtain_data(
                    settings,
                    as_they_are=existing == "resume" or not process.is_main,
                    force=force_reload and process.is_main,
                    locked=process.is_main and is_shared,
                    progress=report,
                    log=log,
                )
            except UsageError as error:
                if not is_resumed:
                    raise
                raise _lost(settings, error) from None
        final = finalize(
            settings,
            directory,
            device,
            process,
            keep_micro_batches=is_resumed,
            log=log if process.is_main else silent,
        )
        yield build_trainer(
            final,
            process,
            callbacks,
            is_resumed=is_resumed,
            locked=True,
            began_at=began_at,
            owns_process=owns_process,
        )


def _lost(settings: RunConfig, error: UsageError) -> DataError:
    """The error that the data of a resumed run are missing and cannot be prepared again."""
    return DataError(
        f"the data of the run in {settings.train.out_dir} are not in {settings.data.data_dir}, "
        f"and cannot be prepared again: {error.message}",
        hint="if the run or its data were moved, name the folder of the data with --data "
        "(train.py: --data-dir)",
    )


def check_memory(settings: RunConfig, device: str, process: Process | None = None) -> None:
    """Reject a run that needs more memory than the device has or this process may use.

    The estimate is a lower bound: a run that fits is never rejected.

    Args:
        settings: of the run.
        device: of the model.
        process: this process, for its shard of a sharded model; None: a single process.

    Raises:
        ConfigError: the message names both numbers.
    """
    there = memory_bytes(device)
    if there is None:
        return
    shares = 1 if process is None or settings.train.sharding == "off" else process.world_size
    state = state_bytes(settings.model) // shares
    row = settings.model.block_size * activation_bytes_per_token(settings.model)
    activations = settings.train.batch_size * row
    if state + activations <= there:
        return
    rows_that_fit = (there - state) // row
    raise ConfigError(
        f"training needs at least {gigabytes(state + activations)} of memory "
        f"({gigabytes(state)} for weights and optimizer, {gigabytes(activations)} for a "
        f"micro-batch), {device} has {gigabytes(there)}{memory_limit(device)}",
        hint=f"try a batch_size below {rows_that_fit:,}; more gradient_accumulation_steps make up"
        if rows_that_fit > 1
        else "choose a smaller n_layer, n_embd or block_size",
    )


def build_trainer(
    settings: RunConfig,
    process: Process,
    callbacks: Sequence[Callback] = (),
    *,
    is_resumed: bool = False,
    locked: bool = False,
    began_at: float | None = None,
    owns_process: bool = False,
) -> RunTrainer:
    """A trainer of a new model with its initial weights.

    Args:
        settings: final ones, see `slm.runs.final`.
        is_resumed: a checkpoint will replace the weights, so `init_from` is not read.
        process, callbacks, locked, began_at, owns_process: see `RunTrainer`.

    Raises:
        ConfigError: this machine does not have enough memory.
        DeviceError: the device is not available.
        SlmError: the model that `init_from` names cannot be loaded.
    """
    config = settings.train
    device = device_of_process(resolve_device(config.device), process)
    check_memory(settings, device, process)
    loader = DataLoader(
        config.batch_size,
        settings.model.block_size,
        device,
        data_dir=settings.data.data_dir,
        seed=config.seed,
        rank=process.rank,
        world_size=process.world_size,
        shift_windows=config.shift_windows,
    )
    seed_everything(config.seed)
    model = GPT(settings.model)
    if config.init_from is not None and not is_resumed:
        model.load_state_dict(initial_weights(settings))
    return RunTrainer(
        model,
        loader,
        config.__dict__,
        settings=settings,
        process=process,
        callbacks=callbacks,
        locked=locked,
        began_at=began_at,
        owns_process=owns_process,
    )


@contextlib.contextmanager
def main_first(process: Process) -> Iterator[None]:
    """Run the block in the main process first; the others wait without a time limit.

    If it fails, the others wait until `torchrun` ends them.
    """
    if process.world_size == 1:
        yield
        return
    group = torch.distributed.new_group(backend="gloo", timeout=datetime.timedelta(days=7))
    if not process.is_main:
        torch.distributed.barrier(group)
    yield
    if process.is_main:
        torch.distributed.barrier(group)
    torch.distributed.destroy_process_group(group)
