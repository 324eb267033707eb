"""From the settings of a run back to the command that starts one like it."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path

import pytest

from slm.cli import train as module
from slm.cli.app import main
from slm.config import RunConfig
from slm.config.origins import Origin, OriginKind
from slm.errors import UsageError
from slm.presets import train_command

LINES = (
    "slm train --out r",
    "slm train --preset tiny --out r",
    'slm train --preset tiny --steps 7 --out r --set \'sample_prompts=["a \\"b\\"", ""]\'',
    "slm train --minutes 5 --source book.txt --out r --set seq_len_warmup=none",
    "slm train --data 'my data' --preset tiny --seed 4 --device cpu --out r",
    "slm train --source 'a b.txt' --tokenizer chars --out r --set validation_fraction=0.2",
    "slm train --preset tiny --limit 9 --out r --set max_minutes=0.5 n_layer=1",
    "slm train --config mine.toml --out r --set bias=false",
)


def settings_of(line: str, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """The settings of a command line, whose run does not start."""
    found: list[RunConfig] = []

    def remember(request: object, **rest: object) -> None:
        found.append(request.settings)  # type: ignore[attr-defined]
        raise UsageError("enough")

    monkeypatch.setattr(module, "train_run", remember)
    assert main(shlex.split(line)[1:]) == 2
    assert found, line
    return found[0]


@pytest.mark.parametrize("line", LINES)
def test_the_command_makes_the_same_choices(
    line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text("grad_clip = 0.5\n", encoding="utf-8")
    (tmp_path / "book.txt").write_text("A fox.\n", encoding="utf-8")
    with contextlib.chdir(tmp_path):
        settings = settings_of(line, monkeypatch)
        again = settings_of(train_command(settings, Path("r")), monkeypatch)
    assert again.to_json() | {"origins": {}} == settings.to_json() | {"origins": {}}
    assert again.origins.keys() == settings.origins.keys()


def test_what_a_plan_chose_is_chosen_again() -> None:
    from slm.config import DataConfig, GPTConfig, TrainingConfig

    settings = RunConfig(GPTConfig(), TrainingConfig(), DataConfig(), origins={})
    settings = settings.with_values({"model.n_layer": 3}, Origin(OriginKind.PLAN, "2 minutes"))
    settings = settings.with_values({"train.beta1": 0.8}, Origin(OriginKind.PRESET, "modern-12m"))
    settings = settings.with_values({"train.max_minutes": 2}, Origin(OriginKind.FLAG, "--minutes"))
    assert train_command(settings, Path("a b")) == "slm train --minutes 2.0 --out 'a b'"


def test_what_was_given_in_python_becomes_an_option() -> None:
    from slm.config import DataConfig, GPTConfig, TrainingConfig

    settings = RunConfig(GPTConfig(), TrainingConfig(), DataConfig(), origins={})
    for name, value, word in (
        ("model.n_layer", 3, "n_layer"),
        ("data.source", "x.txt", "source"),
        ("train.teachers", ("one", "builtin"), "teachers"),
    ):
        settings = settings.with_values({name: value}, Origin(OriginKind.FLAG, word))
    command = train_command(settings, Path("r"))
    options = "--teacher one --teacher builtin --source x.txt --out r --set model.n_layer=3"
    assert command == f"slm train {options}"
