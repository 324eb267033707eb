"""From the settings of a run back to the command that starts one like it."""

from __future__ import annotations

from pathlib import Path

from slm.config import RunConfig
from slm.config.origins import OriginKind
from slm.errors import command_line
from slm.presets.names import as_toml, setting_names

OPTIONS = {
    "data.source": "--source",
    "data.tokenizer": "--tokenizer",
    "data.limit": "--limit",
    "train.init_from": "--init-from",
    "train.teachers": "--teacher",
    "train.seed": "--seed",
    "train.device": "--device",
    "train.max_steps": "--steps",
    "train.max_minutes": "--minutes",
}
"""The settings that `slm train` has an option for. `--data` and `--out` are not among them."""
GROUPS_OF_FILES = ("train.", "model.")
"""A settings file gives settings of these groups; prepared data give those of the third."""


def train_command(settings: RunConfig, out: Path) -> str:
    """The `slm train` command whose user made the same choices as the user of a run.

    What the user left open is chosen again: from the preset, or from the plan for the minutes and
    the machine.

    Args:
        settings: of the run.
        out: the folder of the new run.
    """
    words: list[object] = ["slm", "train", *_preset_words(settings)]
    changes: list[str] = []
    for name in setting_names():
        origin, value = settings.origin_of(name), settings.value_of(name)
        if name == "train.out_dir" or not origin.is_on_command_line:
            continue
        if origin.kind is OriginKind.PREPARED:
            words += ["--data", Path(str(value))]
        elif name in OPTIONS and value is not None:
            for each in value if isinstance(value, tuple) else (value,):
                words += [OPTIONS[name], each]
        elif name != "train.max_minutes" or settings.origin_of("train.max_steps") != origin:
            changes.append(f"{name}={as_toml(value)}")  # otherwise the number of steps says it
    return command_line(*words, "--out", out, *(["--set", *changes] if changes else []))


def _preset_words(settings: RunConfig) -> list[object]:
    origins = settings.origins
    files = sorted(
        {
            origin.detail
            for name, origin in origins.items()
            if origin.kind is OriginKind.FILE and name.startswith(GROUPS_OF_FILES)
        }
    )
    words: list[object] = ["--config", Path(files[0])] if len(files) == 1 else []
    if any(origin.kind is OriginKind.PLAN for origin in origins.values()):
        return words  # a plan is made where no preset is named
    presets = {origin.detail for origin in origins.values() if origin.kind is OriginKind.PRESET}
    return [*words, "--preset", *presets] if len(presets) == 1 else words
