"""Every error is a SlmError with a message, a hint, and the exit code that was promised."""

from __future__ import annotations

import pickle
import shlex
import sys
from pathlib import Path

import pytest

import slm
from slm import errors
from slm.errors import (
    ConfigError,
    Interrupted,
    MissingExtraError,
    SlmError,
    causes,
    command_line,
    did_you_mean,
    shell_path,
    shown,
)

EXIT_CODES = {
    "SlmError": 1,
    "UsageError": 2,
    "ConfigError": 2,
    "DataError": 1,
    "HubError": 1,
    "TokenizerError": 1,
    "CheckpointError": 1,
    "TrainingError": 1,
    "EndpointError": 1,
    "DeviceError": 2,
    "WriteError": 1,
    "NoSpaceError": 4,
    "RunLockedError": 3,
}


def test_the_tree_is_what_the_module_says() -> None:
    kinds = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, SlmError)
    }
    assert kinds.keys() == EXIT_CODES.keys() | {"MissingExtraError", "Interrupted"}
    assert errors.__doc__ is not None
    for name, kind in kinds.items():
        assert name in errors.__doc__
        assert kind.__doc__


@pytest.mark.parametrize("name", EXIT_CODES)
def test_exit_codes_and_texts(name: str) -> None:
    kind = getattr(errors, name)
    error = kind("found 3, expected 4", hint="count again")
    assert error.exit_code == EXIT_CODES[name]
    assert error.message == "found 3, expected 4"
    assert error.hint == "count again"
    assert str(error) == "found 3, expected 4 (hint: count again)"
    assert str(kind("plain")) == "plain"
    assert kind("plain").hint is None


def test_a_missing_extra_says_how_to_get_it() -> None:
    error = MissingExtraError("tensorboard", extra="track", purpose="--set tensorboard=true")
    assert error.exit_code == 1
    assert error.message == (
        "--set tensorboard=true needs the package tensorboard, which is not installed"
    )
    project = Path(slm.__file__).resolve().parents[1]
    pip = shlex.join([sys.executable, "-m", "pip", "install", "-e", f"{project}[track]"])
    assert error.hint == f"install it with: {pip}"


def test_without_the_project_s_folder_no_index_is_asked_for_a_package_named_slm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(errors, "__file__", str(tmp_path / "site-packages" / "slm" / "errors.py"))
    command = errors.install_command("serve", "starlette", "uvicorn")
    assert shlex.split(command)[1:] == ["-m", "pip", "install", "starlette", "uvicorn"]


def test_commands_can_be_pasted() -> None:
    path = Path("my runs", "it's")
    assert shlex.split(command_line("slm", "train", "--out", path)) == [
        *("slm", "train", "--out", str(path))
    ]
    assert command_line("slm", "train", "--out", "runs/demo") == "slm train --out runs/demo"
    # A path with a leading dash would be taken for an option; an option stays one.
    assert command_line("mv", "-n", Path("-a b"), Path("c")) == "mv -n './-a b' c"
    assert shell_path(Path("-a")) == "./-a"
    assert shell_path(Path("a.txt")) == "a.txt"


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_an_interruption_exits_as_a_shell_expects(number: int, code: int) -> None:
    assert Interrupted("stopped at step 3", signal_number=number).exit_code == code
    assert Interrupted("stopped", signal_number=number, hint="--resume").hint == "--resume"


@pytest.mark.parametrize(
    "error",
    [
        SlmError("message", hint="hint"),
        SlmError("message"),
        ConfigError("n_layer: message", hint="hint", setting="n_layer"),
        MissingExtraError("package", extra="extra", purpose="purpose"),
        Interrupted("stopped", signal_number=15, hint="hint"),
    ],
)
def test_errors_survive_the_way_between_processes(error: SlmError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__
    assert copy.exit_code == error.exit_code


def test_causes_are_found_once_each() -> None:
    first, second, third = OSError(), ValueError(), KeyError()
    first.__cause__, second.__context__ = second, third
    assert list(causes(first)) == [first, second, third]
    third.__cause__ = first
    assert list(causes(first)) == [first, second, third]


def test_near_words_are_suggested() -> None:
    assert did_you_mean("n_layers", ["n_layer", "n_head"]) == "did you mean n_layer?"
    assert did_you_mean("betta", ["beta1", "beta2"]) == "did you mean beta2 or beta1?"
    assert did_you_mean("bet", ["beta1", "beta2"]) == "did you mean beta1 or beta2?"
    assert did_you_mean("val", ["train", "validation", "all"]) == "did you mean validation?"
    assert did_you_mean("le", ["learning_rate"]) is None
    assert did_you_mean("zzz", ["n_layer"]) is None
    assert did_you_mean("n_layer", iter(["n_layer"])) == "did you mean n_layer?"
    assert did_you_mean("", []) is None
    assert did_you_mean("N-Layer", ["n_layer", "n_head"]) == "did you mean n_layer?"
    assert did_you_mean("--TOP_K", ["--top-k"]) == "did you mean --top-k?"
    assert did_you_mean("x" * 1_000_000, ["n_layer"]) is None


def test_values_are_shown_short_and_on_one_line() -> None:
    bottomless: list[object] = []
    for _ in range(100_000):
        bottomless = [bottomless]
    assert shown("a\n\udcff") == r"'a\n\udcff'"
    assert shown(3) == "3"
    assert shown(int("f" * 5000, 16)) == "a very long int"
    assert shown(bottomless) == "a very long list"
    assert shown("x" * 1000) == f"'{'x' * 76}..."
    assert len(shown("\n" * 1000)) == len(shown([1] * 1000)) == 80


def test_a_message_has_a_bounded_length() -> None:
    error = SlmError(f"begin {'x' * 10**6} end", hint="shorter")
    assert len(error.message) < 2000
    assert str(error).startswith("begin xxx")
    assert str(error).endswith("xxx end (hint: shorter)")
