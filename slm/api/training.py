"""`slm.train` and `slm.plan`: what `slm train` does, from Python."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slm.api.run import Run
from slm.api.run_request import finished_before, request_run, train_run
from slm.config.origins import Origin, OriginKind
from slm.errors import ConfigError, UsageError
from slm.log import Log, as_notes, silent
from slm.presets import Flags, command_line_words, current_name
from slm.presets.names import named_setting
from slm.reporting.display import say
from slm.runs.layout import holds_run
from slm.runs.settings import (
    length_flags,
    name_of_plan,
    new_run,
    refuse_text_with_prepared,
)
from slm.storage.user_paths import user_path

if TYPE_CHECKING:
    from slm.planning.plan import Plan
    from slm.runs.layout import Existing
    from slm.training import Callback


def train(
    source: str | Path | None = None,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    out: str | Path | None = None,
    preset: str | None = None,
    data: str | Path | None = None,
    init_from: str | Path | None = None,
    resume: bool = False,
    fresh: bool = False,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    log: Log | None = None,
    **settings: Any,
) -> Run:
    """Train a model: prepare the text if need be, train, keep the best and the newest weights.

        run = slm.train("book.txt", minutes=5, out="runs/book")
        print(run.best.generate("Once upon a time")[0])

    With `minutes` and no preset, the model, vocabulary and batch size are chosen for the time, this
    machine and the text. Without both it is the preset `modern-12m`. The run is that of `slm train`
    with the same values.

    Ctrl-C, or the stop button of a notebook, saves and raises KeyboardInterrupt;
    `slm.train(out=..., resume=True)` continues. A second interrupt ends at once, without saving.
    Nothing else of the process changes: signal handlers, threads and random numbers stay as they
    are, also where this is called in another thread than the main one.

    Args:
        source: the text: "builtin", a Hugging Face dataset, a file, or a folder of files.
        minutes: length of the run in minutes of wall-clock time.
        steps: length of the run in optimizer steps.
        out: the folder of the run; None: runs/PRESET, or runs/M-minutes.
        preset: a name of `slm presets`.
        data: prepared data, such as `slm.prepare` returns, instead of a source.
        init_from: start from the weights of this run, checkpoint or "hf:owner/name", with its
            shape and its tokenizer.
        resume: continue the run in `out` with its settings.
        fresh: move an earlier run in `out` to a folder previous-NNN and start again.
        callbacks: called with every event, in addition to those that record metrics and show
            progress.
        progress: show the progress: live in a notebook or a terminal, else as lines.
        log: called with each note; None: it is printed.
        settings: any settings of `slm presets --settings` by their names, for example
            `tokenizer="bpe:1024"`, `n_layer=4`, `learning_rate=3e-3`, `seed=2`,
            `teachers=["builtin"]`.

    Returns:
        The run, with its best model and its metrics.

    Raises:
        ConfigError: a setting is unknown or invalid; the hint has the nearest name.
        UsageError: the folder holds a run, and neither resume nor fresh is given.
        RunLockedError: another process trains in this folder.
        DataError, TrainingError: the text or the training fails.
        KeyboardInterrupt: the run was interrupted; its message says what is saved.
    """
    began_at = time.monotonic()
    note = log or (say if progress else silent)
    length = length_flags(steps, minutes, dashes="")
    if init_from is not None:
        settings["init_from"] = init_from
    flags = _flags(source, data=data, out=out, length=length, settings=settings, log=note)
    request = request_run(
        preset=preset,
        flags=flags,
        minutes=minutes,
        resume=resume,
        note=as_notes(note),
    )
    out_dir = Path(request.settings.train.out_dir)
    existing: Existing = "resume" if request.resume else "set-aside" if fresh else "refuse"
    _refuse_contradiction(out_dir, existing, resume=resume, fresh=fresh)
    try:
        outcome = train_run(
            request,
            existing=existing,
            began_at=began_at,
            callbacks=callbacks,
            progress=progress,
            log=log,
        )
    except KeyboardInterrupt as stopped:
        if not stopped.args:
            raise
        message = f"{stopped.args[0]}; slm.train(out={str(out_dir)!r}, resume=True) continues"
        raise KeyboardInterrupt(message) from None
    if (finished := finished_before(outcome.result, outcome.settings.train)) is not None:
        sentence, longer = finished
        words = ", ".join(f"{name}={value!r}" for name, value in longer.items())
        note(f"{sentence}; slm.train(out={str(out_dir)!r}, resume=True, {words}) trains it longer")
    return Run(out_dir, result=outcome.result, log=note)


def plan(
    minutes: float,
    source: str | Path | None = None,
    *,
    data: str | Path | None = None,
    log: Log | None = None,
    **settings: Any,
) -> Plan:
    """What `slm.train` with the same values would do, and what to expect of it.

        print(slm.plan(60, "builtin"))

    This machine is timed for a few seconds.

    Args:
        minutes: length of the run.
        source, data, settings: see `slm.train`.
        log: called with each note; None: it is printed.

    Returns:
        The plan: its numbers are attributes, such as `steps` and `expected_bits_per_byte`.

    Raises:
        ConfigError: a setting is unknown or invalid.
        DataError: the text cannot be read.
    """
    from slm.planning.plan import plan_run

    length = length_flags(None, minutes, dashes="")
    flags = _flags(source, data=data, out=None, length=length, settings=settings, log=log or say)
    chosen = new_run(None, None, flags, [], name=name_of_plan(minutes), note=log or say)
    refuse_text_with_prepared(chosen, command_line_words(flags, []))
    return plan_run(chosen, minutes)


def _flags(
    source: str | Path | None,
    *,
    data: Any,
    out: str | Path | None,
    length: Flags,
    settings: Mapping[str, Any],
    log: Log,
) -> Flags:
    """What was given, as settings.

    Raises:
        ConfigError: a setting is unknown, or given twice.
    """
    data = getattr(data, "path", data)  # of a DataDirectory
    given: dict[str, tuple[Any, str | Origin]] = {
        "data.source": (source, "source"),
        "data.data_dir": (data and user_path(data), Origin(OriginKind.PREPARED, "data")),
        "train.out_dir": (out and user_path(out), "out"),
    }
    flags: Flags = {
        name: (str(value), word) for name, (value, word) in given.items() if value is not None
    }
    flags |= length
    for key, value in settings.items():
        name, current = named_setting(key, _with_paths_as_text(value))
        if current_name(key) is not None:
            log(f"note: {key} is now called {name.partition('.')[2]}")
        if name in flags and flags[name][0] != current:
            raise ConfigError(
                f"{flags[name][1]} and {key} contradict each other: both decide {name}",
                hint="leave out one of them",
            )
        flags[name] = (current, key)
    return flags


def _with_paths_as_text(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_with_paths_as_text(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _refuse_contradiction(out_dir: Path, existing: str, *, resume: bool, fresh: bool) -> None:
    if resume and fresh:
        raise UsageError(
            "resume and fresh are both given", hint="a run continues, or it starts again"
        )
    if existing == "refuse" and holds_run(out_dir):
        raise UsageError(
            f"{out_dir} already holds a run",
            hint="resume=True continues it, fresh=True moves it to a folder previous-NNN, out= "
            "names another folder",
        )
