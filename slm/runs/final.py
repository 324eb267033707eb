"""Makes the final settings of a run.

Before `finalize`, settings come from a preset, the user or a plan. Here they are adapted once to
the data, the processes and the hardware. Nothing changes them afterwards, so `config.json`
describes the actual run, and a resumed run computes the same results.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed

from slm.config import DataConfig, GPTConfig, RunConfig, TrainingConfig
from slm.config.origins import FROM_HARDWARE, FROM_PROCESSES, Origin, OriginKind
from slm.data.loader import DataLoader
from slm.data.shards import DataDirectory
from slm.hardware.devices import DTYPES, resolve_dtype
from slm.log import Log, silent
from slm.parallel.processes import Process
from slm.quantities import counted
from slm.runs.data import describe_source, fit_vocabulary
from slm.training.compiling import run_should_compile


def finalize(
    settings: RunConfig,
    directory: DataDirectory | None,
    device: str,
    process: Process,
    *,
    keep_micro_batches: bool = False,
    log: Log = silent,
) -> RunConfig:
    """The final settings of a run.

    Args:
        settings: the chosen ones.
        directory: the prepared data; None: settings that depend on them are unchanged.
        device: of this process, such as `cuda:0`.
        process: this process; all processes of the run must call this function.
        keep_micro_batches: whether `gradient_accumulation_steps` is unchanged: a resumed run keeps
            the order of its samples.
        log: called with a sentence for each value that the user may not expect.

    Raises:
        UsageError: the data were made with another tokenizer than the user named.
        DataError: the metadata of the data is invalid.
        DeviceError: `compile=on`, and there is no compiler.
    """
    if directory is not None:
        settings = describe_source(settings, directory, log)
        settings = fit_vocabulary(settings, directory.tokenizer)
    if not keep_micro_batches:
        settings = share_micro_batches(settings, process, log)
    if settings.train.dtype == "auto":
        dtype = agreed_dtype(process, device)
        settings = settings.with_values({"train.dtype": dtype}, FROM_HARDWARE)
    config, shape = settings.train, settings.model
    sequences = config.batch_size * config.gradient_accumulation_steps
    compiled = run_should_compile(config, shape, device, sequences * shape.block_size)
    if config.compile == "auto":
        choice = "on" if compiled else "off"
        settings = settings.with_values({"train.compile": choice}, FROM_HARDWARE)
    return settings


def settings_of_arguments(
    shape: GPTConfig,
    config: TrainingConfig,
    loader: DataLoader,
    *,
    found: Mapping[str, str],
    device: str,
    process: Process,
) -> RunConfig:
    """The final settings of a run whose parts are given as Python objects.

    Args:
        shape: of the model.
        config: the training settings.
        loader: the data, which determine `batch_size` and `shift_windows`.
        found: values of training settings that are `auto`.
        device, process: see `finalize`.

    Raises:
        SlmError: see `finalize`.
    """
    found = {key: value for key, value in found.items() if getattr(config, key) == "auto"}
    origins = {
        **{f"model.{key}": Origin(OriginKind.FLAG, "model") for key in GPTConfig.setting_names()},
        **{
            f"train.{key}": FROM_HARDWARE if key in found else Origin(OriginKind.FLAG, "config")
            for key in TrainingConfig.setting_names()
        },
        "data.data_dir": Origin(OriginKind.PREPARED, "data_loader"),
    }
    train = config.changed(
        batch_size=loader.batch_size, shift_windows=loader.shift_windows, **found
    )
    chosen = RunConfig(shape, train, DataConfig(data_dir=str(loader.data_dir)), origins)
    return finalize(chosen, loader.directory, device, process)


def share_micro_batches(settings: RunConfig, process: Process, log: Log) -> RunConfig:
    """Give every process the same number of micro-batches per step, at least one.

    A number that the user chose is kept; the trainer rejects one that cannot be divided.
    """
    name, total = "gradient_accumulation_steps", settings.train.gradient_accumulation_steps
    missing = -total % process.world_size
    if not missing or not settings.origin_of(f"train.{name}").is_open:
        return settings
    log(
        f"note: {name} is {total + missing} instead of {total}, "
        f"so that {counted(process.world_size, 'process')} share each step evenly"
    )
    return settings.with_values({f"train.{name}": total + missing}, FROM_PROCESSES)


def agreed_dtype(process: Process, device: str) -> str:
    """The dtype of `auto`: in all processes, the one that is fastest in the main process."""
    if process.world_size == 1:
        return resolve_dtype("auto", device)
    # As an index, because objects would be pickled.
    number = DTYPES.index(resolve_dtype("auto", device)) if process.is_main else 0
    found = torch.tensor(number, device=device)
    torch.distributed.broadcast(found, src=0)
    return DTYPES[int(found)]
