"""From settings to a trainer that is ready to run: data, vocabulary, model, processes.

What `slm train` and `train.py` have in common. With several processes the main one alone prepares
the data, writes files and speaks; the others wait for it.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed

from slm.checkpoint import step_directories
from slm.config import (
    ORIGIN_AUTO,
    ORIGIN_OF_SOURCE,
    ORIGIN_PLAN,
    ORIGIN_PREPARED,
    ORIGIN_SHARED,
    ORIGIN_TOKENIZER,
    DataConfig,
    RunConfig,
)
from slm.data.loader import DataLoader
from slm.data.place import default_data_dir
from slm.data.prepare import PrepareProgress, is_made_from, prepare
from slm.data.shards import META_FILE, DataDirectory
from slm.data.sources import source_of
from slm.errors import ConfigError, DataError, UsageError
from slm.model import GPT
from slm.model.accounting import activation_bytes_per_token, state_bytes
from slm.runtime import (
    DTYPES,
    Process,
    device_of_process,
    memory_bytes,
    process_group,
    resolve_device,
    resolve_dtype,
    seed_everything,
)
from slm.tokenizer import load_tokenizer, parse_tokenizer
from slm.tokenizer.base import Tokenizer
from slm.train.events import Callback
from slm.train.run_directory import Existing, make_room
from slm.train.trainer import Trainer

CHOSEN_BY_US = ("preset ", ORIGIN_PLAN, ORIGIN_TOKENIZER)

Progress = Callable[[PrepareProgress], None]
Note = Callable[[str], None]


@contextlib.contextmanager
def ready_trainer(
    settings: RunConfig,
    process: Process,
    *,
    existing: Existing,
    force_reload: bool = False,
    callbacks: Sequence[Callback] | None = None,
    progress: contextlib.AbstractContextManager[Progress] | None = None,
    note: Note = lambda sentence: None,
    began_at: float | None = None,
) -> Iterator[Trainer]:
    """A trainer whose data are prepared and whose processes are connected for the block.

    The caller holds the lock of the run directory, in the main process.

    Args:
        settings: of the run; what depends on data or processes is fitted to them.
        process: this process among those that train together.
        existing: as for `Trainer.train`; a run that will be refused is refused before the work.
        force_reload: fetch and tokenize again.
        callbacks: for the trainer.
        progress: entered while the data are prepared.
        note: told what a user should know.
        began_at: see `Trainer`.

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
        settings = share_micro_batches(settings, process, note if process.is_main else None)
    settings = place_data(settings)
    with process_group(process, device):
        shown = progress if progress is not None and process.is_main else None
        with main_first(process), shown or contextlib.nullcontext(_silent) as report:
            # Whoever goes on with a run, or is not the main process, finds the data as they are.
            directory = obtain_data(
                settings,
                as_they_are=existing == "resume" or not process.is_main,
                force=force_reload and process.is_main,
                progress=report,
                note=note,
            )
        settings = describe_source(settings, directory, note if process.is_main else _unheard)
        settings = fit_vocabulary(settings, directory.tokenizer)
        settings = agree_on_dtype(settings, process, device)
        yield build_trainer(settings, process, callbacks, locked=True, began_at=began_at)


def _silent(event: PrepareProgress) -> None:
    pass


def _unheard(sentence: str) -> None:
    pass


def check_memory(settings: RunConfig, device: str, process: Process | None = None) -> None:
    """Refuse a run that needs more memory than the device or this machine has in all.

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
        f"training needs at least {_gigabytes(state + activations)} of memory "
        f"({_gigabytes(state)} for weights and optimizer, {_gigabytes(activations)} for a "
        f"micro-batch), {device} has {_gigabytes(there)}",
        hint=f"try a batch_size below {rows_that_fit:,}; more gradient_accumulation_steps make up"
        if rows_that_fit > 1
        else "choose a smaller n_layer, n_embd or block_size",
    )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"


def place_data(settings: RunConfig) -> RunConfig:
    """Choose the data directory, where nobody has: see `default_data_dir`."""
    if settings.origins.get("data.data_dir", ORIGIN_OF_SOURCE) != ORIGIN_OF_SOURCE:
        return settings
    place = default_data_dir(settings.data)
    return settings.with_values({"data.data_dir": str(place)}, ORIGIN_OF_SOURCE)


def obtain_data(
    settings: RunConfig,
    *,
    as_they_are: bool = False,
    force: bool = False,
    progress: Progress | None = None,
    note: Note | None = None,
) -> DataDirectory:
    """Open the data directory of the settings, and prepare it first where that is needed.

    Args:
        settings: their `data`.
        as_they_are: prepare only if nothing is there.
        force, progress, note: for `prepare`.

    Raises:
        SlmError: the data cannot be had.
    """
    data = settings.data
    if settings.origins.get("data.data_dir") == ORIGIN_PREPARED:
        return DataDirectory.open(data.data_dir)
    as_they_are = as_they_are or _only_the_place_is_chosen(settings)
    if as_they_are and not force:
        with contextlib.suppress(DataError):
            return DataDirectory.open(data.data_dir)
    return prepare(
        source_of(data, note=note),
        data.tokenizer,
        data.data_dir,
        force=force,
        progress=progress,
        note=note,
    )


def _only_the_place_is_chosen(settings: RunConfig) -> bool:
    """Whether somebody named a data directory but nothing of what should be in it."""
    place = settings.origins.get("data.data_dir", ORIGIN_OF_SOURCE)
    decisive = ("source", "tokenizer", "limit", "validation_fraction", "corpus_seed")
    origins = [settings.origins.get(f"data.{key}", CHOSEN_BY_US[0]) for key in decisive]
    return place != ORIGIN_OF_SOURCE and all(origin.startswith(CHOSEN_BY_US) for origin in origins)


def describe_source(settings: RunConfig, directory: DataDirectory, note: Note) -> RunConfig:
    """Say in the settings where prepared data that were taken as they are came from.

    Args:
        settings: of the run.
        directory: the data.
        note: told where they are others than the settings say.

    Raises:
        UsageError: another tokenizer was asked for than the one that made the data.
        DataError: the description of the data makes no sense.
    """
    is_given = settings.origins.get("data.data_dir") == ORIGIN_PREPARED
    if not is_given and not (
        _only_the_place_is_chosen(settings) and _are_others(settings.data, directory)
    ):
        return settings
    name, source = directory.meta.tokenizer.name, directory.meta.source
    asked = settings.data.tokenizer
    if settings.origins.get("data.tokenizer") == "--tokenizer" and not _made(asked, directory):
        raise UsageError(
            f"{directory.path} was prepared with the tokenizer {name}, not {asked}",
            hint="leave out --tokenizer, or prepare other data with: slm prepare",
        )
    values = {"data.source": _name_of(source), "data.tokenizer": name}
    for key, known_as in _KNOWN_AS.items():
        if known_as in source:
            values[f"data.{key}"] = source[known_as]
    try:
        described = settings.with_values(values, f"data in {directory.path}")
    except ConfigError as error:
        raise DataError(f"{directory.path / META_FILE}: {error.message}") from None
    if not is_given:
        note(
            f"note: {directory.path} holds {described.data.source} with the tokenizer {name}, not "
            f"{settings.data.source} with {asked}: training on what is there "
            "(name --source, --tokenizer or --preset to replace it)"
        )
    return described


_KNOWN_AS = {
    "corpus_seed": "seed",
    "validation_fraction": "validation_fraction",
    "limit": "limit",
}
"""Settings of the data, and what the identity of a source calls them."""


def _are_others(data: DataConfig, directory: DataDirectory) -> bool:
    """Whether a directory holds other data than the settings would make."""
    return not is_made_from(directory, source_of(data), data.tokenizer)


def _made(spec: str, directory: DataDirectory) -> bool:
    """Whether the tokenizer that a specification means made the data."""
    recorded = directory.meta.tokenizer
    if spec in (recorded.name, directory.meta.request.get("tokenizer")):
        return True
    wanted = parse_tokenizer(spec)
    return wanted.kind == "file" and (
        load_tokenizer(wanted.path).fingerprint == recorded.fingerprint
    )


def _name_of(source: Mapping[str, Any]) -> str:
    """What a user gives as `source` to mean the source of an identity."""
    train = source.get("train")
    if isinstance(train, dict):  # of a folder
        return Path(str(train.get("path"))).parent.as_posix()
    return str(source.get("name") or source.get("path") or source.get("kind"))


def fit_vocabulary(settings: RunConfig, tokenizer: Tokenizer) -> RunConfig:
    """Give the model as many ids as the tokenizer has, unless the user chose a number."""
    origin = settings.origins.get("model.vocab_size", CHOSEN_BY_US[0])
    if not origin.startswith(CHOSEN_BY_US):
        return settings
    return settings.with_values({"model.vocab_size": tokenizer.vocab_size}, ORIGIN_TOKENIZER)


def share_micro_batches(settings: RunConfig, process: Process, note: Note | None) -> RunConfig:
    """Give every process at least one micro-batch of a step, unless the user chose their number.

    A number that the user chose and that cannot be divided is refused by the trainer.
    """
    name, total = "gradient_accumulation_steps", settings.train.gradient_accumulation_steps
    origin = settings.origins.get(f"train.{name}", CHOSEN_BY_US[0])
    missing = -total % process.world_size
    if not missing or not origin.startswith(CHOSEN_BY_US):
        return settings
    if note is not None:
        note(
            f"note: {name} is {total + missing} instead of {total}, "
            f"so that {process.world_size} processes share each step evenly"
        )
    return settings.with_values({f"train.{name}": total + missing}, ORIGIN_SHARED)


def agree_on_dtype(settings: RunConfig, process: Process, device: str) -> RunConfig:
    """Let all processes compute in the number format that the main one finds fastest."""
    if process.world_size == 1 or settings.train.dtype != "auto":
        return settings
    # A number, as objects would be pickled.
    number = DTYPES.index(resolve_dtype("auto", device)) if process.is_main else 0
    found = torch.tensor(number, device=device)
    torch.distributed.broadcast(found, src=0)
    return settings.with_values({"train.dtype": DTYPES[int(found)]}, ORIGIN_AUTO)


def build_trainer(
    settings: RunConfig,
    process: Process,
    callbacks: Sequence[Callback] | None = None,
    *,
    locked: bool = False,
    began_at: float | None = None,
) -> Trainer:
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
    return Trainer(
        GPT(settings.model),
        loader,
        config.__dict__,
        settings=settings,
        process=process,
        callbacks=callbacks,
        locked=locked,
        began_at=began_at,
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
