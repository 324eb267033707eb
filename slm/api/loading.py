"""`slm.load`: a trained model from a run, a checkpoint or a model file."""

from __future__ import annotations

from pathlib import Path

from slm.api.language_model import LanguageModel
from slm.checkpoint.builtin import BUILTIN, has_builtin
from slm.config.run_paths import located_settings, run_of
from slm.errors import ConfigError, UsageError, did_you_mean, shell_path
from slm.hardware.devices import DTYPES, is_surely_cpu, resolve_device
from slm.interop.named_model import local_checkpoint
from slm.log import Log, as_notes
from slm.reporting.display import say
from slm.runs.layout import newest_run
from slm.storage.user_paths import user_path


def load(
    path: str | Path | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    log: Log | None = None,
) -> LanguageModel:
    """Load a trained model.

        lm = slm.load("runs/demo")
        print(lm.generate("Once upon a time")[0])

    All files are verified while they are read. No pickle is loaded, except that of a
    `best_model.pt`, with `weights_only=True`.

    Args:
        path: the folder of a run, whose best model is taken; a checkpoint in it; a file
            `best_model.pt`; the name of a model on the hub, `hf:owner/name`, which is imported
            once; or None or `builtin`, the model that comes with the package.
        device: auto, cpu, cuda, cuda:N or mps.
        dtype: of the weights in generation: float32, bfloat16, float16, int8 or auto, which takes
            the fastest that costs no quality. `lm.model` is always in float32.
        log: called with each note, such as that the native code is being compiled; None: it is
            printed.

    Raises:
        UsageError: nothing is there, or this installation has no built-in model.
        CheckpointError: it is damaged or of another version.
        DeviceError: the device is not available.
        ConfigError: the dtype is unknown, or a model of the hub has another architecture.
        HubError: the hub cannot be reached, or has no such model.
    """
    dtype, device = known_dtype(dtype), str(device)
    if not is_surely_cpu(device):
        device = resolve_device(device)

    log = log or say
    note = as_notes(log)
    if path is None:
        path = _builtin(note)
    path = user_path(path)
    if path.suffix == ".pt" and path.is_file():
        return _load_model_file(path, device, dtype, log)
    from slm.checkpoint import open_checkpoint
    from slm.generation import load_generator

    checkpoint = open_checkpoint(local_checkpoint(path, log=note), log=note)
    return LanguageModel(
        checkpoint.path,
        tokenizer=checkpoint.tokenizer,
        settings=located_settings(checkpoint.config, run_of(checkpoint.path)),
        state=checkpoint.state,
        build_model=lambda: checkpoint.build_model(resolve_device(device)),
        build_generator=lambda: load_generator(checkpoint, device=device, dtype=dtype, log=note),
        weights_dtype=checkpoint.weights_dtype,
        weights_sha256=checkpoint.weights_sha256,
        card=checkpoint.card,
        log=log,
    )


def known_dtype(dtype: object) -> str:
    """The name of a dtype, which may be one of PyTorch's.

    Raises:
        ConfigError: it is unknown.
    """
    name = str(dtype).removeprefix("torch.")
    if name not in (*DTYPES, "int8", "auto"):
        raise ConfigError(
            f"the dtype {name!r} is unknown",
            hint=did_you_mean(name, [*DTYPES, "int8"]) or f"use {', '.join(DTYPES)}, int8 or auto",
        )
    return name


def _builtin(note: Log) -> str:
    """The name of the built-in model; a note says that it is used, and not a run of the user's.

    Raises:
        UsageError: this installation does not have it.
    """
    own = newest_run(Path("runs"), Path("models"))
    if not has_builtin():
        example = shell_path(own or Path("runs/demo"))
        raise UsageError(
            "no checkpoint is given, and this installation has no built-in model",
            hint=f"give a run directory, for example --checkpoint {example}",
        )
    others = "" if own is None else f", not your newest run, {own.as_posix()}"
    note(f"no checkpoint is given: using the built-in model{others}")
    return BUILTIN


def _load_model_file(path: Path, device: str, dtype: str, log: Log) -> LanguageModel:
    """The model in a `best_model.pt`.

    Raises:
        UsageError: it holds bare weights.
    """
    import torch

    from slm.config import DataConfig, RunConfig, TrainingConfig
    from slm.generation import build_generator
    from slm.interop.model_file import load_model_file, load_weights
    from slm.model import GPT
    from slm.train_state import TrainState

    file = load_model_file(path)
    config, tokenizer = file.config, file.tokenizer
    if config is None or tokenizer is None:
        raise UsageError(
            f"{path} holds weights alone, without the model's shape and tokenizer",
            hint="make a GPT of that shape and a Trainer, and use Trainer.load_best_model",
        )
    with torch.random.fork_rng(devices=[]):
        model = GPT(config)
    load_weights(model, file.weights, where=path, config=config)
    model.to(resolve_device(device)).eval()
    return LanguageModel(
        path,
        tokenizer=tokenizer,
        settings=RunConfig(config, TrainingConfig(), DataConfig(), origins={}),
        state=TrainState(),
        build_model=lambda: model,
        build_generator=lambda: build_generator(model, tokenizer, dtype=dtype, log=as_notes(log)),
        log=log,
    )
