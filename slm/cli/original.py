"""`python train.py`: the original's one command, from text to told stories."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slm.cli.app import PLAIN, run
from slm.cli.options import (
    Minutes,
    MoreSettings,
    Settings,
    Source,
    Steps,
    Tokenizer,
    assignments,
    given,
    length_flags,
)
from slm.cli.output import say
from slm.cli.settings import from_preset, resumed_run
from slm.cli.train import preparation_progress, run_lock, started_again
from slm.config import RunConfig
from slm.errors import HubError, TokenizerError
from slm.runtime import Process

if TYPE_CHECKING:
    from slm.training import Trainer

DEFAULT_PRESET = "gpt2"
EXAMPLE_PROMPTS = (
    "Once upon a time",
    "The little girl went to the park and",
    "One day, a small dog found",
)

app = typer.Typer(name="train.py", **PLAIN)


@app.command()
def train(
    context: typer.Context,
    data_dir: Annotated[
        Path, typer.Option("--data-dir", metavar="DIR", help="Where the token files go.")
    ] = Path("./data"),
    output_dir: Annotated[
        Path, typer.Option("--output-dir", metavar="DIR", help="Where the model and its plot go.")
    ] = Path("./models"),
    force_reload: Annotated[
        bool, typer.Option("--force-reload", help="Download and tokenize again.")
    ] = False,
    no_train: Annotated[
        bool, typer.Option("--no-train", help="Set everything up and only tell stories.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an unfinished run in the output directory.")
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
    """Prepare the data, train, save the best model, and tell three stories.

    The best weights by validation loss go to OUTPUT_DIR/best_model.pt, the loss plot beside them.
    An earlier run there is set aside, in a folder previous-001.
    """
    flags = given(
        {
            "data.data_dir": (str(data_dir), "--data-dir"),
            "data.source": (source, "--source"),
            "data.tokenizer": (tokenizer, "--tokenizer"),
            "train.out_dir": (str(output_dir), "--output-dir"),
        }
    )
    flags |= length_flags(steps, minutes)
    changes = assignments(settings, more_settings)
    chosen = from_preset(preset or DEFAULT_PRESET, None, flags, changes)
    if preset is not None:
        chosen = _with_its_data(chosen)
    resume = resume or started_again(chosen)
    if resume:
        chosen = resumed_run(Path(chosen.train.out_dir), None, None, flags, changes) or chosen
    if no_train:
        _tell_stories(_set_up(chosen, force_reload=force_reload))
        return
    process = Process.from_environment()
    with run_lock(chosen, process):
        from slm.reporting.model_file import MODEL_FILE
        from slm.runs.contention import ContentionWatch
        from slm.runs.launch import ready_trainer

        with ready_trainer(
            chosen,
            process,
            existing="resume" if resume else "set-aside",
            force_reload=force_reload,
            progress=preparation_progress(),
            note=say,
            began_at=context.obj,
        ) as trainer:
            trainer.listeners.callbacks.append(ContentionWatch(trainer.note))
            trainer.train(existing="resume" if resume else "set-aside")
            if process.is_main or trainer.is_sharded:  # by all processes together
                saved = trainer.out_dir / MODEL_FILE
                trainer.load_best_model(saved if saved.is_file() else trainer.out_dir)
                _tell_stories(trainer)


def _with_its_data(settings: RunConfig) -> RunConfig:
    """Sign the data of a preset that the user named as the user's own choice.

    So other data that are in the data directory already are not taken in their place.
    """
    chosen = {
        name: "--preset"
        for name in ("data.source", "data.tokenizer")
        if settings.origins.get(name, "preset ").startswith("preset ")
    }
    return replace(settings, origins={**settings.origins, **chosen})


def _set_up(settings: RunConfig, *, force_reload: bool) -> Trainer:
    """Everything but the training: the data, and the saved model, or else an untrained one."""
    from slm.reporting.model_file import MODEL_FILE, load_model_file
    from slm.runs.data import fit_vocabulary, obtain_data
    from slm.runs.launch import build_trainer

    model_path = Path(settings.train.out_dir) / MODEL_FILE
    is_saved = model_path.is_file()
    # A saved model has its tokenizer with it and can tell stories without any data.
    bearable = (HubError, TokenizerError) if is_saved else ()
    with contextlib.suppress(*bearable), preparation_progress() as progress:
        directory = obtain_data(
            settings, as_they_are=True, force=force_reload, progress=progress, note=say
        )
        settings = fit_vocabulary(settings, directory.tokenizer)
    if not is_saved:
        say(f"note: there is no saved model {model_path}: the weights are untrained, this is noise")
        return build_trainer(settings, Process())
    saved_shape = load_model_file(model_path).config
    if saved_shape is not None:
        shape = {f"model.{key}": value for key, value in saved_shape.__dict__.items()}
        settings = settings.with_values(shape, f"saved in {model_path}")
    trainer = build_trainer(settings, Process())
    trainer.load_best_model(model_path)
    return trainer


def _tell_stories(trainer: Trainer) -> None:
    for number, prompt in enumerate(EXAMPLE_PROMPTS):
        text = trainer.generate_text(prompt, seed=trainer.config.seed + number)
        if trainer.process.is_main:
            print(f"{chr(10) if number else ''}--- {prompt} ---\n{text}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `train.py` with arguments (None: those of the process) and return its exit code."""
    return run(app, arguments, name="train.py")
