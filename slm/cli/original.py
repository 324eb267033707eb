"""`python train.py`: the original interface, from text to generated stories."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slm.cli.app import PLAIN, run
from slm.cli.command import Command
from slm.cli.examples import epilog
from slm.cli.no_effect import note, note_idle, note_idle_settings, say_idle
from slm.cli.options import (
    ForceReload,
    Minutes,
    MoreSettings,
    Settings,
    Source,
    Steps,
    Tokenizer,
    assignments,
    only_given,
)
from slm.cli.train import say_if_finished_before
from slm.config import RunConfig
from slm.config.origins import Origin, OriginKind
from slm.errors import HubError, TokenizerError
from slm.parallel.processes import Process
from slm.presets import Flags, command_line_words
from slm.reporting.display import preparation_progress, say
from slm.runs.layout import is_restart, run_lock
from slm.runs.settings import (
    from_preset,
    length_flags,
    named_place,
    no_run_in,
    resumed_run,
)

if TYPE_CHECKING:
    from slm.runs.run_trainer import RunTrainer

SCRIPT = "train.py"
DEFAULT_PRESET = "gpt2"
DEFAULT_PLACES = {
    "data.data_dir": ("data", "--data-dir"),
    "train.out_dir": ("models", "--output-dir"),
}
"""Default paths of the token files and of the run."""
EXAMPLE_PROMPTS = (
    "Once upon a time",
    "The little girl went to the park and",
    "One day, a small dog found",
)

app = typer.Typer(name="train.py", **PLAIN)


@app.command(cls=Command, epilog=epilog("python train.py"))
def train(
    context: typer.Context,
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", metavar="DIR", help="Folder of the token files.  [./data]"),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir", metavar="DIR", help="Folder of the model and its plot.  [./models]"
        ),
    ] = None,
    force_reload: ForceReload = False,
    no_train: Annotated[
        bool, typer.Option("--no-train", help="Prepare everything, but only generate stories.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume an unfinished run in the output directory.")
    ] = False,
    preset: Annotated[
        str | None,
        typer.Option("--preset", metavar="NAME", help="One of `slm presets`.  [gpt2]"),
    ] = None,
    source: Source = None,
    tokenizer: Tokenizer = None,
    steps: Steps = None,
    minutes: Minutes = None,
    settings: Settings = None,
    more_settings: MoreSettings = None,
) -> None:
    """Prepare the data, train, save the best model, and generate three stories.

    The best weights by validation loss and the loss plot are saved in OUTPUT_DIR, as best_model.pt
    and losses.png. An earlier run there is moved to its folder previous-001.
    """
    flags = only_given(
        {
            "data.data_dir": (None if data_dir is None else str(data_dir), "--data-dir"),
            "data.source": (source, "--source"),
            "data.tokenizer": (tokenizer, "--tokenizer"),
            "train.out_dir": (None if output_dir is None else str(output_dir), "--output-dir"),
        }
    )
    flags |= length_flags(steps, minutes)
    changes = assignments(settings, more_settings)
    words = command_line_words(flags, changes)
    if no_train:
        note_idle(context, ["resume", "steps", "minutes"], "--no-train does not train")
        chosen = _new_run(preset, flags, changes)
        _print_stories(_set_up(chosen, words, force_reload=force_reload))
        return
    out_dir = named_place(flags, changes) or Path(DEFAULT_PLACES["train.out_dir"][0])
    resume = resume or is_restart(out_dir)
    saved = resumed_run(out_dir, preset, None, flags, changes, note) if resume else None
    if resume and saved is None and not any((preset, source, data_dir)):
        raise no_run_in(out_dir, "--output-dir")
    chosen = saved or _new_run(preset, flags, changes)
    note_idle_settings(chosen, words)
    process = Process.from_environment()
    with run_lock(chosen, process):
        from slm.api.trainer import add_default_callbacks
        from slm.config.run_files import MODEL_FILE
        from slm.runs.contention import ContentionWatch
        from slm.runs.launch import ready_trainer

        with ready_trainer(
            chosen,
            process,
            existing="resume" if resume else "set-aside",
            force_reload=force_reload,
            progress=preparation_progress(),
            log=say,
            began_at=context.obj,
            owns_process=True,
        ) as trainer:
            add_default_callbacks(trainer)
            trainer.callbacks.callbacks.append(ContentionWatch(trainer.callbacks.note))
            result = trainer.train(existing="resume" if resume else "set-aside")
            if process.is_main:
                command = ("python", _script(), "--output-dir", result.out_dir)
                say_if_finished_before(result, chosen.train, *command)
            if process.is_main or trainer.is_sharded:  # a collective operation
                model_path = trainer.out_dir / MODEL_FILE
                trainer.load_best_model(model_path if model_path.is_file() else trainer.out_dir)
                _print_stories(trainer)


def _new_run(preset: str | None, flags: Flags, changes: Sequence[str]) -> RunConfig:
    """The settings of a new run, or of generation without training."""
    chosen = from_preset(preset or DEFAULT_PRESET, None, flags, changes)
    for name, (place, flag) in DEFAULT_PLACES.items():
        if name not in chosen.origins:
            chosen = chosen.with_values({name: place}, Origin(OriginKind.FLAG, flag))
    return chosen if preset is None else _with_its_data(chosen)


def _script() -> str:
    """The name of the script."""
    return sys.argv[0] if Path(sys.argv[0]).name == SCRIPT else SCRIPT


def _with_its_data(settings: RunConfig) -> RunConfig:
    """Mark the data of a preset that the user named as the user's own choice.

    Then other data in the data directory are not used instead.
    """
    values = {
        name: settings.value_of(name)
        for name in ("data.source", "data.tokenizer")
        if settings.origin_of(name).is_open
    }
    return settings.with_values(values, Origin(OriginKind.FLAG, "--preset"))


def _set_up(settings: RunConfig, words: Mapping[str, str], *, force_reload: bool) -> RunTrainer:
    """The data, and the saved model or an untrained one, without training.

    Args:
        settings: of the run without --no-train.
        words: settings on the command line, and the flag of each.
        force_reload: download and tokenize again.
    """
    from slm.config.run_files import MODEL_FILE
    from slm.interop.model_file import load_model_file
    from slm.runs.data import fit_vocabulary, obtain_data, others_than_named

    model_path = Path(settings.train.out_dir) / MODEL_FILE
    is_saved = model_path.is_file()
    try:
        with preparation_progress() as progress:
            directory = obtain_data(
                settings, as_they_are=True, force=force_reload, progress=progress, log=say
            )
        settings = fit_vocabulary(settings, directory.tokenizer)
        say_idle(
            (words[name] for name in others_than_named(settings, directory, words)),
            f"{directory.path} holds other data (--force-reload replaces them)",
        )
    except (HubError, TokenizerError) as error:
        # A saved model includes its tokenizer and can generate stories without any data.
        if not is_saved:
            raise
        if force_reload:
            say(f"note: --force-reload had no effect: {error.message}")
    if not is_saved:
        if settings.parent is None:
            say(f"note: no saved model at {model_path}: the weights are untrained, this is noise")
        return _trainer_of(settings)
    saved_shape = load_model_file(model_path).config
    if saved_shape is not None:
        shape = {f"model.{key}": value for key, value in saved_shape.__dict__.items()}
        say_idle(
            (
                words[name]
                for name, value in shape.items()
                if name in words and getattr(settings.model, name.partition(".")[2]) != value
            ),
            f"the model in {model_path} has its own shape",
        )
        settings = settings.with_values(shape, Origin(OriginKind.FILE, str(model_path)))
    trainer = _trainer_of(settings, is_saved=True)
    trainer.load_best_model(model_path)
    return trainer


def _trainer_of(settings: RunConfig, *, is_saved: bool = False) -> RunTrainer:
    """A trainer for generation only, in a single process.

    Args:
        settings: of the run without --no-train.
        is_saved: whether saved weights will replace those of the trainer.
    """
    from slm.hardware.devices import resolve_device
    from slm.runs.final import finalize
    from slm.runs.launch import build_trainer

    final = finalize(settings, None, resolve_device(settings.train.device), Process())
    return build_trainer(final, Process(), is_resumed=is_saved, owns_process=True)


def _print_stories(trainer: RunTrainer) -> None:
    for number, prompt in enumerate(EXAMPLE_PROMPTS):
        text = trainer.generate_text(prompt, seed=trainer.config.seed + number)
        if trainer.process.is_main:
            print(f"{chr(10) if number else ''}--- {prompt} ---\n{text}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `train.py` with arguments (None: those of the process) and return its exit code."""
    return run(app, arguments, name="train.py")
