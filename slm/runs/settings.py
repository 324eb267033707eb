"""Makes the settings of a new or resumed run from flags or Python arguments."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slm.config import DEFAULT_SOURCE, RunConfig
from slm.config.origins import (
    DEFAULT,
    FROM_BLOCK_SIZE,
    FROM_NAME,
    FROM_OTHER_SOURCE,
    Origin,
    OriginKind,
)
from slm.config.run_paths import located_settings
from slm.errors import CheckpointError, ConfigError, DataError, UsageError, shown
from slm.log import Log, silent
from slm.presets import (
    DEFAULT_PRESET,
    Flags,
    command_line_words,
    parse_assignment,
    preset_of,
    preset_table,
    resolve,
    settings_file,
)
from slm.presets.files import values_in
from slm.runs.idle_settings import no_effect
from slm.storage.safe_reading import read_bounded, strict_json

RUNS = Path("runs")
MAX_SETTINGS_BYTES = 1 << 20


def length_flags(steps: int | None, minutes: float | None, *, dashes: str = "--") -> Flags:
    """The settings for a number of steps or minutes.

    Args:
        steps, minutes: at most one of them.
        dashes: prefix of these names in messages.

    Raises:
        UsageError: both are given.
        ConfigError: the minutes are not a number, which only Python can give.
    """
    if steps is not None and minutes is not None:
        raise UsageError(
            f"{dashes}steps and {dashes}minutes are both given",
            hint="limit a run by steps or by minutes",
        )
    if steps is not None:
        word = f"{dashes}steps"
        return {"train.max_steps": (steps, word), "train.max_minutes": (None, word)}
    if minutes is None:
        return {}
    _require_number(minutes, f"{dashes}minutes")
    return {"train.max_minutes": (minutes, f"{dashes}minutes")}


def _require_number(value: object, word: str) -> None:
    if not isinstance(value, numbers.Real):
        raise ConfigError(f"{word} must be a number, found {shown(value)}", hint="give it as 5")


def from_preset(
    preset: str,
    config_file: Path | None,
    flags: Flags,
    assignments: Sequence[str],
    note: Log = silent,
) -> RunConfig:
    """A preset's settings with others over them.

    A preset's number of stories applies only to its own source. If the user names another source,
    all of its stories are used. A preset's shorter context at first is left out where it does not
    divide the user's block size. With `train.init_from`, shape and tokenizer are those of the model
    that it names; with `train.teachers`, the vocabulary is theirs.

    Raises:
        UsageError, ConfigError: a setting is unknown or invalid, or two contradict each other.
        SlmError: a model that `train.init_from` or `train.teachers` names cannot be loaded.
    """
    settings = resolve(preset, config_file=config_file, flags=flags, assignments=assignments)
    of_preset = Origin(OriginKind.PRESET, preset)
    own_source = preset_table(preset).get("data", {}).get("source", DEFAULT_SOURCE)
    if settings.data.source != own_source and settings.origin_of("data.limit") == of_preset:
        settings = settings.with_values({"data.limit": None}, FROM_OTHER_SOURCE)
    if settings.train.init_from is not None:
        from slm.runs.parent import with_parent

        settings = with_parent(settings, command_line_words(flags, assignments), note)
    if settings.train.teachers:
        from slm.runs.teachers import with_teachers

        settings = with_teachers(settings, command_line_words(flags, assignments), note)
    return _with_whole_blocks(settings)


def _with_whole_blocks(settings: RunConfig) -> RunConfig:
    """Settings whose `seq_len_warmup` divides `block_size`, unless the user chose it.

    Raises:
        ConfigError: the user chose one that does not.
    """
    block_size = settings.model.block_size
    if settings.train.cuts_evenly(block_size):
        return settings
    if settings.origin_of("train.seq_len_warmup").is_open:
        return settings.with_values({"train.seq_len_warmup": None}, FROM_BLOCK_SIZE)
    from slm.runs.data_check import check_context_length

    check_context_length(settings.train, block_size, block_size)
    return settings


def new_run(
    preset: str | None,
    config_file: Path | None,
    flags: Flags,
    assignments: Sequence[str],
    *,
    name: str | None = None,
    note: Log = silent,
) -> RunConfig:
    """The settings of a new run; without a preset, the default one is used.

    Args:
        preset, config_file, flags, assignments: the user's arguments.
        name: default name of its folder; None: the name of the preset or the file.
        note: called with sentences about slow work.

    Raises:
        UsageError, ConfigError: a setting is unknown or invalid.
        SlmError: a model that `train.init_from` or `train.teachers` names cannot be loaded.
    """
    chosen = _preset_for(preset, config_file)
    settings = from_preset(chosen, config_file, flags, assignments, note)
    if "train.out_dir" not in settings.origins:
        out_dir = default_out_dir(preset, config_file, name)
        settings = settings.with_values({"train.out_dir": str(out_dir)}, FROM_NAME)
    return settings


def default_out_dir(preset: str | None, config_file: Path | None, name: str | None) -> Path:
    """The folder of a run for which the user names none; see `new_run`."""
    if name is None:
        name = _preset_for(preset, None) if config_file is None else config_file.stem
    return RUNS / name


def name_of_plan(minutes: float) -> str:
    """The name of a run that is planned for this time, unless the user names its folder."""
    return f"{minutes:g}-minutes"


def _preset_for(preset: str | None, config_file: Path | None) -> str:
    if preset is None and config_file is not None:
        preset = preset_of(settings_file(config_file))
    return DEFAULT_PRESET if preset is None else preset


def named_place(
    flags: Flags, assignments: Sequence[str], config_file: Path | None = None
) -> Path | None:
    """The run directory that a command line or its settings file names; None if neither does.

    The run to resume is located before its other settings are combined: they may be valid for that
    run only.

    Raises:
        UsageError: the settings file cannot be read.
        ConfigError: an assignment or the file is invalid, or a setting is unknown.
    """
    file = {} if config_file is None else settings_file(config_file)
    # The directory in a run's config.json is that run's own.
    named = {} if file.get("origins") else values_in(file, str(config_file))
    named |= {name: value for name, (value, _) in flags.items()}
    named |= dict(parse_assignment(text) for text in assignments)
    place = named.get("train.out_dir")
    return None if place is None else Path(str(place))


def no_run_in(out_dir: Path, flag: str, *, resume: str = "--resume") -> UsageError:
    """The error that there is no run to resume; `flag` names its folder."""
    return UsageError(
        f"there is no run in {out_dir} to resume",
        hint=f"name its folder with {flag}, or leave out {resume} to start one",
    )


def resumed_run(
    out_dir: Path,
    preset: str | None,
    config_file: Path | None,
    flags: Flags,
    assignments: Sequence[str],
    note: Log = silent,
) -> RunConfig | None:
    """The settings of an existing run, with the given ones over them; None: there is no run.

    Naming the run's own preset or data again changes nothing, so that a command can simply be
    repeated.

    Raises:
        CheckpointError: its settings cannot be read.
        UsageError, ConfigError: a setting is unknown or invalid, another preset or other data are
            named, or the folder belongs to a checkpoint.
    """
    from slm.runs.layout import refuse_checkpoint

    refuse_checkpoint(out_dir)
    saved = saved_settings(out_dir)
    if saved is None:
        return None
    # The folder may have been moved or renamed since.
    saved = located_settings(saved, out_dir)
    saved = saved.with_values({"train.out_dir": str(out_dir)}, Origin(OriginKind.FLAG, "--out"))
    if preset is not None and Origin(OriginKind.PRESET, preset) not in saved.origins.values():
        raise UsageError(
            f"the run in {out_dir} was not started with the preset {preset}",
            hint="leave out --preset: a resumed run keeps its own settings",
        )
    settings = resolve(
        None, config_file=config_file, flags=flags, assignments=assignments, base=saved
    )
    words = command_line_words(flags, assignments)
    settings = _with_models_of(saved, settings, words, note)
    return _with_data_of(saved, settings, words, note)


def _with_models_of(
    saved: RunConfig, settings: RunConfig, words: Mapping[str, str], note: Log
) -> RunConfig:
    """Settings of a resumed run, which has weights and teachers already; see `_with_data_of`.

    Raises:
        UsageError: the command line names other models than those of the run's start.
    """
    for name, models in (("train.init_from", "weights"), ("train.teachers", "teachers")):
        if _identity(settings, name) == _identity(saved, name):
            continue
        if name in words:
            raise UsageError(
                f"{words[name]} and --resume are both given: the run in {settings.train.out_dir} "
                f"resumes with its own {models}",
                hint=f"leave it out; to start with other {models}, name another folder for the run",
            )
        note(no_effect([f"{name} of the settings file"], f"the run has its own {models}"))
        settings = settings.with_values({name: saved.value_of(name)}, saved.origins)
    return settings


def _with_data_of(
    saved: RunConfig, settings: RunConfig, words: Mapping[str, str], note: Log
) -> RunConfig:
    """Settings of a resumed run, with its own data.

    Args:
        saved: from the start of the run.
        settings: with the current arguments.
        words: settings on the command line, and the argument of each.
        note: called for settings without effect.

    Raises:
        UsageError: they name other data than those of the run.
    """
    from slm.data.data_paths import DECISIVE
    from slm.data.shards import DataDirectory
    from slm.runs.data import others_than_named

    refuse_text_with_prepared(settings, words)
    # A settings file may be given again, although flags took precedence when the run began.
    kept = {name: saved.value_of(name) for name in DECISIVE if name not in words}
    idle = [name for name in kept if _identity(settings, name) != _identity(saved, name)]
    if idle:
        note(
            no_effect((f"{name} of the settings file" for name in idle), "the run has its own data")
        )
    settings = settings.with_values(kept, saved.origins)
    changed = [
        name
        for name in DECISIVE
        if name in words and _identity(settings, name) != _identity(saved, name)
    ]
    if not changed:
        return settings
    try:
        directory = DataDirectory.open(settings.data.data_dir)
    except DataError:  # they are prepared again, and compared with the data of the run
        if settings.origin_of("data.data_dir").kind is OriginKind.DERIVED:
            settings = settings.with_values({"data.data_dir": settings.data.data_dir}, DEFAULT)
        return settings
    differing = others_than_named(settings, directory, changed)
    if differing:
        raise UsageError(
            f"the run in {settings.train.out_dir} uses the data in {directory.path}, "
            f"{' and '.join(words[name] for name in differing)} would be other data",
            hint="leave it out; for other data start another run, in another folder",
        )
    return settings


def refuse_text_with_prepared(settings: RunConfig, words: Mapping[str, str]) -> None:
    """Reject arguments about the text if prepared data are used.

    Only the tokenizer may be named; it is compared with the tokenizer of the data.

    Raises:
        UsageError: there are some.
    """
    from slm.data.data_paths import DECISIVE

    if settings.origin_of("data.data_dir").kind is not OriginKind.PREPARED:
        return
    idle = [words[name] for name in DECISIVE if name in words and name != "data.tokenizer"]
    if not idle:
        return
    if "data.data_dir" in words:
        raise UsageError(
            f"{words['data.data_dir']} and {idle[0]} are both given",
            hint=f"{words['data.data_dir']} names prepared token files",
        )
    raise UsageError(
        f"{idle[0]} has no effect: the settings use the prepared data in "
        f"{settings.data.data_dir} (--data)",
        hint=f"leave out {idle[0]}",
    )


def _identity(settings: RunConfig, name: str) -> Any:
    """A setting's value; a path, or each of several, is resolved."""
    from slm.data.data_paths import identity_of

    value = settings.value_of(name)
    if isinstance(value, tuple):
        return tuple(map(identity_of, value))
    return identity_of(value) if isinstance(value, str) else value


def saved_settings(out_dir: Path) -> RunConfig | None:
    """The settings in a run's newest valid checkpoint, which are verified, or in its file.

    Raises:
        CheckpointError: they cannot be read, or no checkpoint is valid.
    """
    from slm.checkpoint import newest_checkpoint
    from slm.config.run_files import CONFIG_FILE
    from slm.runs.layout import is_being_set_aside

    if is_being_set_aside(out_dir):  # the rest of that run is ignored
        return None
    checkpoint = newest_checkpoint(out_dir)
    if checkpoint is not None:
        return checkpoint.config
    file = out_dir / CONFIG_FILE
    if not file.is_file():
        return None
    try:
        data = strict_json(read_bounded(file, MAX_SETTINGS_BYTES))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read the settings {file}: {error}") from None
    return RunConfig.from_json(data, where=str(file))
