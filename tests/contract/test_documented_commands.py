"""Every shell command of the README and the guide is one that our parsers take."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from slm.cli import original
from slm.cli.app import app
from slm.cli.options import assignments
from slm.presets import parse_assignment, preset_names

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
SEPARATORS = {"|", "&&", "||", ";", "&", ">", ">>", "<", "2>"}


def shell_lines(page: str) -> Iterator[str]:
    """The lines of all ```sh blocks, continued ones joined."""
    for block in re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        yield from block.replace("\\\n", " ").splitlines()


def our_commands(line: str) -> Iterator[list[str]]:
    """The parts of a shell line that call us, as `["slm", "train", ...]`."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    part: list[str] = []
    for word in [*lexer, ";"]:
        if word not in SEPARATORS:
            part.append(word)
            continue
        while part and re.fullmatch(r"[A-Z_]+=.*", part[0]):
            part = part[1:]
        if "-m" in part[:-1] and part[part.index("-m") + 1] == "slm":
            part = part[part.index("-m") + 1 :]
        elif part[:1] and part[0].startswith("python") and part[1:2] == ["train.py"]:
            part = part[1:]
        if part[:1] in (["slm"], ["train.py"]):
            yield part
        part = []


def check(words: list[str]) -> None:
    """Parse a command without running it.

    Raises:
        Exception: the parser refuses it, or a preset or setting does not exist.
    """
    if words[-1] in ("-h", "--help"):  # which ends the parsing
        words = words[:-1]
    command = typer.main.get_command(app if words[0] == "slm" else original.app)
    context, rest = command.make_context(words[0], words[1:]), words[1:]
    while rest and hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
    given = context.params
    if given.get("preset") is not None:
        assert given["preset"] in preset_names()
    if "more_settings" in given:
        for text in assignments(given["settings"], given["more_settings"]):
            parse_assignment(text)


def documented() -> list[tuple[str, str]]:
    return [
        (page.name, line)
        for page in PAGES
        if page.is_file()
        for line in shell_lines(page.read_text("utf-8"))
        if any(our_commands(line))
    ]


@pytest.mark.parametrize(("page", "line"), documented())
def test_the_parser_takes_it(page, line):
    for words in our_commands(line):
        check(words)


@pytest.mark.parametrize(
    "line",
    [
        'slm generate --checkpoint runs/demo "Once upon a time" -n 3',
        "slm train --preset tiny --set n_layer=2 n_head=2 && slm eval --checkpoint R --source T",
        "torchrun --nproc-per-node 2 -m slm train --preset demo",
        "python train.py --no-train",
        "cat prompts.txt | slm generate --checkpoint runs/demo --file -",
    ],
)
def test_good_lines_are_found_and_pass(line):
    found = list(our_commands(line))
    assert found
    for words in found:
        check(words)


@pytest.mark.parametrize(
    "line",
    [
        "slm generate --checkpoint runs/demo --topk 3",
        "slm trian",
        "python train.py --epochs 3",
        "OMP_NUM_THREADS=1 slm train --preset huge",
        "slm train --set n_lyer=2",
        "slm train --steps many",
    ],
)
def test_bad_lines_do_not_pass(line):
    (words,) = our_commands(line)
    with pytest.raises(Exception, match=r"."):
        check(words)
