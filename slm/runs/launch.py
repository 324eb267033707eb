"""From settings to a trainer that is ready to run: data, vocabulary, model, processes.

What `slm train` and `train.py` have in common. With several processes the main one alone prepares
the data, writes files and speaks; the others wait for it.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torch.distributed

from slm.checkpoint import step_directories
from slm.config import RunConfig
from slm.data.loader import DataLoader
from slm.data.prepare import PrepareProgress
from slm.errors import ConfigError, DataError, UsageError
from slm.hardware.devices import DTYPES, memory_bytes, memory_limit, resolve_device, resolve_dtype
from slm.model import GPT
from slm.model.costs import activation_bytes_per_token, state_bytes
from slm.origins import FROM_HARDWARE, FROM_PROCESSES
from slm.parallel.processes import Process, device_of_process, process_group
from slm.quantities import counted, gigabytes
from slm.runs.borrowed import restored_torch
from slm.runs.data import (
    Log,
    Progress,
    describe_source,
    fit_vocabulary,
    obtain_data,
    place_data,
)
from slm.runs.layout import Existing, make_room
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
    log: Log = lambda sentence: None,
    began_at: float | None = None,
    owns_process: bool = False,
) -> Iterator[RunTrainer]:
    """A trainer whose data are prepared and whose processes are connected for the block.

    The caller holds the lock of the run directory, in the main process.

    Args:
        settings: of the run; what depends on data or processes is fitted to them.
        process: this process among those that train together.
        existing: as for `RunTrainer.train`; a run that will be refused is refused before the work.
        force_reload: fetch and tokenize again.
        callbacks: for the trainer.
        progress: entered while the data are prepared.
        log: told what a user should know.
        began_at, owns_process: see `RunTrainer`.

    Raises:
        UsageError: there is a run already and `existing` is "refuse".
        ConfigError: this machine has not the memory for it.
        DeviceError: the device is not there.
        SlmError: the data cannot be had, or the settings do not fit them.
    """
    device = device_of_process(resolve_device(settings.train.device), process)
    check_memory(settings, device, process)
    out_dir = Path(settings.train.out_dir)
    if process.is_main and existing == "refuse":
        make_room(out_dir, existing)
    # A run that goes on keeps its micro-batches, and with them the order of its samples.
    if existing != "resume" or not step_directories(out_dir):
        settings = share_micro_batches(settings, process, log if process.is_main else None)
    if "data.data_dir" not in settings.origins:
        settings = place_data(settings)  # those of a run that goes on are where they were
    restored = contextlib.nullcontext() if owns_process else restored_torch()
    with restored, process_group(process, device):
        shown = progress if progress is not None and process.is_main else None
        with main_first(process), shown or contextlib.nullcontext(_silent) as report:
            # Whoever goes on with a run, or is not the main process, finds the data as they are.
            try:
                directory = obtain_data(
                    settings,
                    as_they_are=existing == "resume" or not process.is_main,
                    force=force_reload and process.is_main,
                    progress=report,
                    log=log,
                )
            except UsageError as error:
                if existing != "resume" or not step_directories(out_dir):
                    raise
                raise _lost(settings, error) from None
        settings = describe_source(settings, directory, log if process.is_main else _unheard)
        settings = fit_vocabulary(settings, directory.tokenizer)
        settings = agree_on_dtype(settings, process, device)
        yield build_trainer(
            settings,
            process,
            callbacks,
            locked=True,
            began_at=began_at,
            owns_process=owns_process,
        )


def _lost(settings: RunConfig, error: UsageError) -> DataError:
    """The error that the data of a run that goes on are gone, and cannot be prepared again."""
    return DataError(
        f"the data of the run in {settings.train.out_dir} are not in {settings.data.data_dir}, "
        f"and cannot be prepared again: {error.message}",
        hint="if the run or its data were moved, name the folder of the data, with --data "
        "(train.py: --data-dir)",
    )


def _silent(event: PrepareProgress) -> None:
    pass


def _unheard(sentence: str) -> None:
    pass


def check_memory(settings: RunConfig, device: str, process: Process | None = None) -> None:
    """Refuse a run that needs more memory than the device has in all, or this process may use.

    The estimate is a lower bound, so that nothing is refused that could run. Of a sharded model
    `process` (None: alone) has a share.

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


def share_micro_batches(settings: RunConfig, process: Process, log: Log | None) -> RunConfig:
    """Give every process at least one micro-batch of a step, unless the user chose their number.

    A number that the user chose and that cannot be divided is refused by the trainer.
    """
    name, total = "gradient_accumulation_steps", settings.train.gradient_accumulation_steps
    missing = -total % process.world_size
    if not missing or not settings.origin_of(f"train.{name}").is_open:
        return settings
    if log is not None:
        log(
            f"note: {name} is {total + missing} instead of {total}, "
            f"so that {counted(process.world_size, 'process')} share each step evenly"
        )
    return settings.with_values({f"train.{name}": total + missing}, FROM_PROCESSES)


def agree_on_dtype(settings: RunConfig, process: Process, device: str) -> RunConfig:
    """Let all processes compute in the number format that the main one finds fastest."""
    if process.world_size == 1 or settings.train.dtype != "auto":
        return settings
    # A number, as objects would be pickled.
    number = DTYPES.index(resolve_dtype("auto", device)) if process.is_main else 0
    found = torch.tensor(number, device=device)
    torch.distributed.broadcast(found, src=0)
    return settings.with_values({"train.dtype": DTYPES[int(found)]}, FROM_HARDWARE)


def build_trainer(
    settings: RunConfig,
    process: Process,
    callbacks: Sequence[Callback] = (),
    *,
    locked: bool = False,
    began_at: float | None = None,
    owns_process: bool = False,
) -> RunTrainer:
    """A new model with its initial weights, the loader of its data, and their trainer; see there.

    Raises:
        ConfigError: this machine has not the memory for it.
        DeviceError: the device is not there.
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
    )
    seed_everything(config.seed)
    return RunTrainer(
        GPT(settings.model),
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
    """The main process does the block, then all others do; they wait however long it takes.

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
