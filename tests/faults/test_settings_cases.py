"""Unknown, mistyped and absurd settings: exit code 2, one line of error, one of advice, no more.

Two thousand seeded command lines go through the whole program in this process, up to the moment at
which it would prepare the data; ten go through processes of their own.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import random
import subprocess
import sys
import typing
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from slm.cli import main
from slm.config import GROUPS, RunConfig
from slm.presets import preset_names, setting_names

ROOT = Path(__file__).parents[2]
N_CASES = 2000
PATHS = {"train.out_dir", "data.source", "data.data_dir", "data.tokenizer"}
HEX = "0x" + "f" * 5000

NUMBERS = ["many", "''", "[]", "{}", "[1]", "{a = 1}", "1979-05-27", "true", "1__0", "0x", "+-1"]
ABSURD = ["-1", "-1e300", "1e999", "inf", "nan", "-inf", "1e30", HEX, "9" * 400, "9" * 5000]
TEXTS = ["", "' '", "3", "true", "[]", "1.5", "{a = 'b'}", r'"a\u0000b"', "x" * 5000, "['x']"]
BOOLEANS = ["maybe", "2", "''", "[true]", "0.5", "-1", HEX, "truee"]
LISTS = ["3", "[1, 2]", "[[]]", "{}", "true", f"[{HEX}]", "1.5", "[true]"]

Case = tuple[str, list[str]]
"""What is wrong, and the words of the command line."""


def mistyped(chance: random.Random, word: str) -> str:
    """A word with a letter dropped, swapped, doubled, in another case, or a dash."""
    while True:
        k = chance.randrange(len(word))
        changed = chance.choice(
            (
                word[:k] + word[k + 1 :],
                word[:k] + word[k : k + 2][::-1] + word[k + 2 :],
                word[:k] + word[k] + word[k:],
                word.swapcase(),
                word[:k] + word[k].swapcase() + word[k + 1 :],
                word.replace("_", "-"),
            )
        )
        if changed != word:
            return changed


def bad_value(chance: random.Random, name: str) -> str:
    """A value that a setting cannot have, as it is written behind `=`."""
    group, _, key = name.partition(".")
    annotation = str(GROUPS[group].model_fields[key].annotation)
    if "Literal" in annotation:
        choices = typing.get_args(GROUPS[group].model_fields[key].annotation)
        return chance.choice([mistyped(chance, chance.choice(choices)), "3", "[]", "true", HEX])
    if name in PATHS:
        return chance.choice(TEXTS)
    if "tuple" in annotation:
        return chance.choice(LISTS)
    if "bool" in annotation:
        return chance.choice(BOOLEANS)
    if "int" in annotation or "float" in annotation:
        return chance.choice(NUMBERS + ABSURD)
    return chance.choice([*TEXTS, "cudaa", "gpu", "cuda:-1", "cpu:7", "mps:1", "tpu"])


def known(word: str) -> bool:
    bare = {name.partition(".")[2] for name in setting_names()}
    return word.strip() in bare | set(setting_names())


def unknown_name(chance: random.Random) -> Case:
    name = chance.choice(setting_names())
    if chance.random() < 0.7:
        name = name.partition(".")[2]
    wrong = mistyped(chance, name)
    while known(wrong):
        wrong = mistyped(chance, name)
    return "unknown name", ["--set", f"{wrong}={chance.choice(NUMBERS + ABSURD + TEXTS)}"]


def impossible_value(chance: random.Random) -> Case:
    name = chance.choice(setting_names())
    return "impossible value", ["--set", f"{name}={bad_value(chance, name)}"]


def absurd_size(chance: random.Random) -> Case:
    words = chance.choice(
        (
            ["n_layer=1024", "n_embd=65536", "n_head=1"],
            ["batch_size=2147483647"],
            ["block_size=131072", "batch_size=100000"],
            ["vocab_size=16777216", "n_embd=65536", "n_head=4"],
            ["mlp_dim=1048576", "n_layer=1000", "n_embd=4096"],
            ["n_head=1024", "head_dim=1024", "n_layer=1024"],
        )
    )
    return "absurd size", ["--set", *chance.sample(words, len(words))]


def wrong_flag(chance: random.Random) -> Case:
    flag = chance.choice(["--preset", "--steps", "--minutes", "--limit", "--seed", "--device"])
    if chance.random() < 0.3:
        return "unknown flag", [mistyped(chance, flag[2:]).join(("--", "")), "1"]
    if flag == "--preset":
        return "unknown preset", [flag, mistyped(chance, chance.choice(preset_names()))]
    if flag == "--device":
        return "unknown device", [flag, chance.choice(["gpu", "cuda:99", "cpu:1", "mps:x", "CPU"])]
    absurd = ["-1", "many", "1e30", "", "nan", "-0x1", "9" * 400, "9" * 5000]
    return "impossible flag", [flag, chance.choice(absurd)]


def wrong_path(chance: random.Random) -> Case:
    path = chance.choice(
        ("~nosuchuser/x.txt", "x" * 300 + ".txt", "a/" * 3000, "no/such/text.txt", "nothing\nhere")
        + ("a\0b.txt", "", " ", "C:\\none.txt", "\ud800.txt", "\udcff/", "builtn", "/dev/null/x")
    )
    return "no such text", ["prepare", "--source", path]


class Files:
    """Settings files with something wrong in them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()

    def __call__(self, chance: random.Random) -> Case:
        name = chance.choice(setting_names())
        group, _, key = name.partition(".")
        wrong: dict[str, Any] = {group: {mistyped(chance, key) + "y": 1}}
        what = chance.choice(("key", "group", "value", "origins", "version", "format", "syntax"))
        if what == "group":
            wrong = {mistyped(chance, group): {key: 1}}
        elif what == "value":
            wrong = {group: {key: {"a": chance.choice([None, [], 10**400])}}}
        elif what == "origins":
            wrong = {"origins": {name: chance.choice([[], {}, None, 3])}}
        elif what == "version":
            wrong = {"version": chance.choice([0, 3, 99, "1", True, None, [], 10**400])}
        elif what == "format":
            wrong = {"format": chance.choice(["slm-data", "", 3, None, {}])}
        file = self._folder / f"{next(self._numbers)}.json"
        text = json.dumps(wrong)
        file.write_text(text[: chance.randrange(len(text))] if what == "syntax" else text, "utf-8")
        return f"settings file, {what}", ["--config", str(file)]


def cases(folder: Path, number: int) -> Iterator[Case]:
    chance = random.Random(1337)
    kinds: list[Callable[[random.Random], Case]] = [
        *(3 * [unknown_name] + 4 * [impossible_value]),
        *(absurd_size, wrong_flag, wrong_path, Files(folder)),
    ]
    for _ in range(number):
        what, words = chance.choice(kinds)(chance)
        command = [] if words[0] == "prepare" else ["train"]
        if command and not {"--config", "--preset"} & set(words):
            command += ["--preset", "tiny"]
        yield what, [*command, *words]


def check(code: int, out: str, err: str) -> str:
    """Refuse anything but exit code 2, an error and a hint; returns the hint."""
    assert code == 2, (code, err[:500])
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 2, err[:1000]
    assert lines[0].startswith("error: "), err[:500]
    assert lines[1].startswith("hint: "), err[:500]
    assert "unexpected " not in lines[0]
    assert len(lines[0]) <= 500, err
    assert len(lines[1]) <= 1000, err
    return lines[1]


@pytest.fixture
def program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[list[str]], tuple[int, str, str]]:
    """Runs `slm` up to where it would prepare the data; that is an exit code 99."""

    def accept(settings: RunConfig) -> RunConfig:
        raise SystemExit(99)

    monkeypatch.setattr("slm.runs.launch.place_data", accept)
    monkeypatch.setattr("slm.api.run_request.run_lock", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr("slm.runs.launch.memory_bytes", lambda device: 64 << 30)
    # What is made anew for every command line takes longer than all the rest.
    monkeypatch.setattr("typer.main.get_command", functools.cache(typer.main.get_command))
    monkeypatch.chdir(tmp_path)

    def run(words: list[str]) -> tuple[int, str, str]:
        try:
            code = main(words)
        except SystemExit as leave:
            code = int(str(leave.code))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_every_wrong_setting_is_refused_with_advice(
    program: Callable[[list[str]], tuple[int, str, str]],
    tmp_path: Path,
    soak: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert program(["train", "--preset", "tiny", "--set", "n_layer=3"])[0] == 99
    kinds: Counter[str] = Counter()
    suggested: Counter[str] = Counter()
    folder = tmp_path / "settings"
    folder.mkdir()
    for what, words in cases(folder, N_CASES * (10 if soak else 1)):
        try:
            hint = check(*program(words))
        except AssertionError as error:
            shown = [word[:100] for word in words]
            raise AssertionError(f"{what}: slm {shown}: {error}") from error
        kinds[what] += 1
        suggested[what] += "did you mean" in hint
    with capsys.disabled():
        print(f"\n{kinds.total():,} wrong settings refused: {dict(kinds)}", end="")

    assert suggested["unknown name"] > 0.9 * kinds["unknown name"]
    assert suggested["settings file, group"] > 0.9 * kinds["settings file, group"]
    assert not any(tmp_path.glob("runs/*"))


PROCESSES = [
    ["train", "--set", "n_lyer=3"],
    ["train", "--set", f"n_layer={HEX}"],
    ["train", "--set", "compile=onn"],
    ["train", "--limit", "0"],
    ["train", "--preset", "modern12m"],
    ["train", "--config", "nothing.toml"],
    ["train", "--set", "out_dir="],
    ["train", "--set", "n_layer=1024", "n_embd=65536", "n_head=4", "n_kv_head=4"],
    ["prepare", "--source", "~nosuchuser/x.txt"],
    ["prepare", "--source", "x" * 5000],
]


def test_so_it_is_in_processes_of_their_own(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "slm", *words],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        for words in PROCESSES
    ]
    for process in running:
        out, err = process.communicate()
        check(process.returncode, out, err)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} <= {".lock"}
