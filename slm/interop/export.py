"""The targets of `slm export`: what each holds, and how it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from slm.checkpoint.run import is_step
from slm.config.run_files import BEST, MANIFEST_NAME, REPORT_FILE, SUITES_FILE
from slm.errors import ConfigError, SlmError, UsageError, did_you_mean, shell_path
from slm.interop.card import filled_card, readme
from slm.interop.source import ExportSource
from slm.log import Log, silent
from slm.storage.disk_space import find_no_space


@dataclass(frozen=True)
class Target:
    """A format that a model can leave in."""

    name: str
    description: str
    module: str
    """Which module has its `check` and `write`."""
    dtypes: tuple[str, ...]
    """Of the weights; the first one is the default."""
    files: tuple[str, ...] = ()
    """What a folder of it may hold, the weights first; empty: it is one file."""
    versions: tuple[int, ...] = ()
    """Versions of the format, the first being the default; empty: there is one."""


_HF_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json")
TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        Target(
            "slm",
            "a checkpoint of ours to share",
            "slm.interop.portable",
            ("float32", "bfloat16", "float16", "int8"),
            (
                *(MANIFEST_NAME, "model.safetensors", "config.json"),
                *("state.json", "tokenizer.json", "card.json"),
            ),
        ),
        Target(
            "hf",
            "a folder for Hugging Face transformers",
            "slm.interop.hugging_face",
            ("float32", "bfloat16", "float16"),
            ("model.safetensors", *_HF_FILES, "generation_config.json", "README.md"),
        ),
        Target(
            "gguf",
            "a file for llama.cpp and programs built on it",
            "slm.interop.gguf",
            ("float16", "float32", "bfloat16", "q8_0"),
        ),
        Target(
            "ollama",
            "a folder for Ollama: the GGUF file and a Modelfile",
            "slm.interop.ollama",
            ("float16", "float32", "bfloat16", "q8_0"),
            ("model.gguf", "Modelfile"),
        ),
        Target(
            "onnx",
            "a folder with an ONNX decoder that has a key/value cache",
            "slm.interop.onnx",
            ("float32", "float16"),
            ("model.onnx", *_HF_FILES),
        ),
        Target(
            "llama2c",
            "a folder for llama2.c: model.bin and tokenizer.bin",
            "slm.interop.llama2c",
            ("float32",),
            ("model.bin", "tokenizer.bin"),
            (0, 1),
        ),
        Target(
            "nanogpt",
            "a folder with nanoGPT's ckpt.pt",
            "slm.interop.nanogpt",
            ("float32",),
            ("ckpt.pt", "meta.pkl"),
        ),
    )
}


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    target: Target
    dtype: str
    bytes: int
    """Size of all files together."""


def export(
    source: ExportSource,
    target: str,
    out: Path,
    *,
    dtype: str | None = None,
    version: int | None = None,
    name: str | None = None,
    license: str = "unknown",
    card: Mapping[str, str] | None = None,
    sample: str = "",
    force: bool = False,
    log: Log = silent,
) -> Exported:
    """Write a model for another program. Nothing is written where the target cannot hold it.

    Args:
        source: the model.
        target: one of `TARGETS`.
        out: the file or folder, as the target says.
        dtype: of the weights; None: the target's default.
        version: of the format, where it has several; None: the default.
        name: of the model, for the model card; None: its run's.
        license: of the weights, for the model card.
        card: entries of the model card, by the names of `ModelCard`; the others are those of the
            source's card, or what its run says.
        sample: a text that the model wrote, for the model card.
        force: replace an earlier export in `out`.
        log: called with notes.

    Raises:
        UsageError: there is no such target, or `out` holds something else.
        ConfigError: the target cannot hold the model, the dtype or the version, or an entry of the
            card is wrong.
        MissingExtraError: a package that the target needs is not installed.
        WriteError, NoSpaceError: nothing is left behind.
    """
    chosen = target_named(target)
    dtype = _chosen_dtype(chosen, dtype)
    filled = filled_card(source, card or {}, license)
    if version is not None and version not in chosen.versions:
        known = ", ".join(map(str, chosen.versions)) or "one version only"
        raise ConfigError(f"{target} has no version {version}", hint=f"it has {known}")
    module: Any = import_module(chosen.module)
    _check(module, chosen, source, dtype)
    out = out.resolve() if out.exists() else out  # a link stays, and what it leads to is written
    _require_room(out, chosen, source.path, force=force)
    arguments: dict[str, Any] = {"log": log}
    if len(chosen.dtypes) > 1:
        arguments["dtype"] = dtype
    if chosen.versions:
        arguments["version"] = chosen.versions[0] if version is None else version
    if chosen.name == "hf":
        arguments["card"] = readme(
            source, filled, name=name or filled.name, place=name or out.name, sample=sample
        )
    if chosen.name == "slm":
        arguments["card"] = filled
    try:
        module.write(source, out, **arguments)
    except Exception as error:  # the libraries of a target report a full disk in ways of their own
        full = None if isinstance(error, SlmError) else find_no_space(error)
        if full is None:
            raise
        raise full from error
    files = [path for path in out.rglob("*") if path.is_file()] if out.is_dir() else [out]
    return Exported(out, chosen, dtype, sum(path.stat().st_size for path in files))


def target_named(name: str) -> Target:
    """The target of a name.

    Raises:
        UsageError: there is none.
    """
    if name not in TARGETS:
        known = f"targets: {', '.join(TARGETS)}"
        raise UsageError(f"{name!r} is not a target", hint=did_you_mean(name, TARGETS) or known)
    return TARGETS[name]


def _chosen_dtype(target: Target, dtype: str | None) -> str:
    if dtype is None:
        return target.dtypes[0]
    if dtype not in target.dtypes:
        raise ConfigError(
            f"{target.name} does not support the dtype {dtype!r}",
            hint=did_you_mean(dtype, target.dtypes) or f"it supports {', '.join(target.dtypes)}",
        )
    return dtype


def _check(module: Any, target: Target, source: ExportSource, dtype: str) -> None:
    if target.name in ("gguf", "ollama"):
        module.check(source, dtype)
    else:
        module.check(source)


def _require_room(out: Path, target: Target, source: Path, *, force: bool) -> None:
    """Refuse a place that holds something else, or an earlier export without `force`.

    The checkpoints of a run have the files of an export, and none of them is one.
    """
    if not (out.exists() or out.is_symlink()):
        return
    is_folder = out.is_dir()
    if is_folder and not any(out.iterdir()) and target.files:
        return
    if target.files:
        names = {path.name for path in out.iterdir()} if is_folder else set()
        names -= {SUITES_FILE, REPORT_FILE}  # of the exported model
        is_export = target.files[0] in names and names <= set(target.files)
    else:
        is_export = not is_folder and out.suffix == ".gguf"
    is_of_a_run = is_step(out) or (out.name == BEST and (out.parent / "config.json").is_file())
    is_export = is_export and not is_of_a_run and out != source.resolve()
    if is_export and force:
        return
    raise UsageError(
        f"{out} exists already" if is_export else f"{out} exists and is not an export to replace",
        hint="add --force to replace it" if is_export else _other_place(out, target),
    )


def _other_place(out: Path, target: Target) -> str:
    name = target.name if target.files else "model.gguf"
    inside = out / name if out.is_dir() else out.with_name(f"{out.name}-{target.name}")
    return f"choose another place, such as {shell_path(inside)}"
