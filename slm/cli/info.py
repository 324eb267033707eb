"""`slm info`: details of a run, a checkpoint, prepared data or this machine."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slm.cli.no_effect import note
from slm.cli.options import Json
from slm.cli.output import print_json
from slm.config.run_files import BEST, CHECKPOINTS
from slm.errors import UsageError
from slm.hardware.resources import usable_cpus, usable_memory
from slm.interop.named_model import local_checkpoint
from slm.storage.safe_reading import status_of

if TYPE_CHECKING:
    from slm.checkpoint import Checkpoint
    from slm.config import RunConfig


def info(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="PATH",
            help="A run, a checkpoint, a data directory, or builtin.  [this machine]",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show details of a run, a checkpoint or a data directory, and verify its checksums.

    Without PATH: the CPUs and the memory that slm uses on this machine, what limits them, and the
    card of the built-in model.
    """
    described = describe_machine() if path is None else _describe(path)
    if as_json:
        print_json(described)
    else:
        _print_sections(described)


def describe_machine() -> dict[str, Any]:
    """The CPUs and the memory that slm uses on this machine, and what limits them."""
    from slm import __version__

    cpus, memory = usable_cpus(), usable_memory()
    return {
        "kind": "machine",
        "slm": __version__,
        "python": platform.python_version(),
        "built_in_model": _builtin_card(),
        "cpus": {
            "used": str(cpus),
            "machine": cpus.machine,
            "allowed": cpus.allowed,
            "cores": cpus.cores,
            "cgroup_quota": cpus.quota,
            "threads": cpus.threads,
            "threads_for_text": cpus.workers,
            "limited_by": cpus.reason or None,
        },
        "memory": None
        if memory is None
        else {
            "used": str(memory),
            "machine_bytes": memory.machine,
            "usable_bytes": memory.usable,
            "limited_by": memory.reason or None,
        },
    }


def _builtin_card() -> dict[str, str] | None:
    """The card of the built-in model; None: this installation does not have it."""
    from slm.checkpoint.builtin import builtin_checkpoint, has_builtin
    from slm.checkpoint.manifest import Manifest
    from slm.checkpoint.store import read_card

    card = read_card(Manifest.read(builtin_checkpoint())) if has_builtin() else None
    return None if card is None else card.lines()


def _describe(path: Path) -> dict[str, Any]:
    from slm.checkpoint.builtin import BUILTIN
    from slm.data.shards import META_FILE

    if path == Path(BUILTIN):
        return describe_checkpoint(path)
    if status_of(path / META_FILE) is not None:
        return describe_data(path)
    try:
        return describe_checkpoint(path)
    except UsageError as error:
        if status_of(path) is None:
            raise UsageError(f"{path} does not exist", hint=error.hint) from None
        raise UsageError(
            f"{path} contains no prepared data ({META_FILE} is missing), and {error.message}",
            hint="give a run directory, a checkpoint, or a directory of prepared data",
        ) from None


def describe_data(path: Path) -> dict[str, Any]:
    """The contents of a data directory, which is fully verified.

    Raises:
        DataError: it is damaged or of another version.
    """
    from slm.data.shards import DataDirectory

    directory = DataDirectory.open(path)
    _ = directory.tokenizer  # verifies
    splits = {}
    for name, split in directory.meta.splits:
        directory.tokens(name)  # verifies
        splits[name] = {
            "stories": split.stories,
            "tokens": split.tokens,
            "bytes": split.bytes,
            "bytes_per_token": directory.bytes_per_token(name),
            "tokens_per_story": split.tokens / max(split.stories, 1),
            "longest_story": split.longest_story,
        }
    return {
        "kind": "data",
        "path": str(path),
        "verified": True,
        "created_by": directory.meta.created_by,
        "dtype": directory.meta.dtype,
        "fingerprint": directory.fingerprint,
        "source": {**directory.meta.source, **directory.meta.details},
        "tokenizer": directory.meta.tokenizer.model_dump(),
        "splits": splits,
        "files": _files(path),
    }


def describe_checkpoint(path: Path) -> dict[str, Any]:
    """The contents of a checkpoint, or of a run's; every file is verified.

    Raises:
        UsageError: there is no checkpoint.
        CheckpointError: it is damaged or of another version.
    """
    from slm.checkpoint import newest_checkpoint, open_checkpoint, step_directories
    from slm.checkpoint.ladder import ladder_directories

    path = local_checkpoint(path, log=note)
    checkpoint = open_checkpoint(path, log=note)
    directory = checkpoint.path
    described: dict[str, Any] = {"kind": "checkpoint", "path": str(path), "verified": True}
    newest: Checkpoint | None = checkpoint
    if (path / CHECKPOINTS).is_dir() or (path / BEST).is_dir():
        saved = _validity(step_directories(path))
        ladder = _validity(ladder_directories(path))
        all_saved = {*saved.values(), *ladder.values()}
        described |= {"kind": "run", "verified": all_saved <= {"valid"}}
        described |= {"model": str(directory), "checkpoints": saved}
        if ladder:
            described["ladder"] = ladder
        described["model_step"] = checkpoint.state.step
        newest = newest_checkpoint(path) if "valid" in saved.values() else None
    elif checkpoint.has_optimizer_state:
        _ = checkpoint.optimizer_state  # verifies it
    if checkpoint.card is not None:
        described["card"] = checkpoint.card.lines()
    parent = checkpoint.config.parent
    if parent is not None:
        described["parent"] = {"init_from": checkpoint.config.train.init_from, **parent.to_json()}
    models = checkpoint.config.teacher_models
    if models:
        sources = checkpoint.config.train.teachers
        described["teachers"] = {
            source: facts.weights_sha256 for source, facts in zip(sources, models, strict=False)
        }
    return {
        **described,
        "training": _training(newest or checkpoint),
        "weights_dtype": checkpoint.weights_dtype,
        "parameters": _costs(checkpoint.config),
        "tokenizer": {
            "name": checkpoint.tokenizer.name,
            "vocab_size": checkpoint.tokenizer.vocab_size,
            "fingerprint": checkpoint.tokenizer.fingerprint,
        },
        "settings": _settings(checkpoint.config),
        "files": _files(directory),
    }


def _validity(directories: list[Path]) -> dict[str, str]:
    """The name of each checkpoint, and whether it is valid."""
    from slm.checkpoint import verify_checkpoint
    from slm.errors import CheckpointError

    found = {}
    for directory in directories:
        try:
            verify_checkpoint(directory)
        except CheckpointError as error:
            if directory.exists():  # a run in progress removes older checkpoints
                found[directory.name] = f"damaged: {error.message}"
        else:
            found[directory.name] = "valid"
    return found


def _training(checkpoint: Checkpoint) -> dict[str, Any]:
    state = checkpoint.state
    return {
        "step": state.step,
        "tokens_seen": state.tokens_seen,
        "elapsed_seconds": state.time.elapsed_seconds,
        "best_validation_loss": state.best_validation_loss,
        "evaluations_since_best": state.evaluations_since_best,
        "can_resume": checkpoint.has_optimizer_state,
        "data_fingerprint": state.data_fingerprint,
    }


def _costs(config: RunConfig) -> dict[str, Any]:
    from slm.model import model_costs

    costs = model_costs(config.model)
    return {
        **dict(costs.table()),
        "total": costs.parameters,
        "forward_flops_per_token": costs.forward_flops_per_token,
        "training_flops_per_token": costs.training_flops_per_token,
    }


def _settings(config: RunConfig) -> dict[str, dict[str, Any]]:
    """Each setting's value and origin."""
    from slm.presets import setting_names

    described = {}
    for name in setting_names():
        group, _, key = name.partition(".")
        value = getattr(getattr(config, group), key)
        described[name] = {"value": value, "origin": str(config.origin_of(name))}
    return described


def _files(directory: Path) -> dict[str, int]:
    """Sizes in bytes of the files in a directory."""
    return {
        entry.name: entry.stat().st_size
        for entry in sorted(directory.iterdir())
        if entry.is_file() and not entry.name.startswith(".")
    }


def _print_sections(described: dict[str, Any]) -> None:
    """Print one value per line, with indented sections; a setting is followed by its origin."""
    from slm.presets import as_toml

    def show(name: str, value: Any, indent: str) -> None:
        label = name.replace("_", " ") if "." not in name else name
        if isinstance(value, dict) and value.keys() == {"value", "origin"}:
            print(f"{indent}{name} = {as_toml(value['value'])}    ({value['origin']})")
        elif isinstance(value, dict):
            print(f"{indent}{label}")
            for key, item in value.items():
                show(key, item, indent + "  ")
        elif isinstance(value, bool):
            print(f"{indent}{label}: {'yes' if value else 'no'}")
        elif isinstance(value, float):
            print(f"{indent}{label}: {value:,.4f}")
        elif isinstance(value, int):
            print(f"{indent}{label}: {value:,}")
        else:
            print(f"{indent}{label}: {'none' if value is None else value}")

    for name, value in described.items():
        show(name, value, "")
