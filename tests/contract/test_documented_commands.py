"""Every shell command of the documentation and the help texts is one that we accept."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from slm.cli import original
from slm.cli.app import app
from slm.cli.examples import EXAMPLES
from slm.cli.options import assignments, only_given
from slm.cli.reference import all_commands
from slm.presets import resolve
from slm.runs.settings import from_preset, length_flags, new_run

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
SEPARATORS = {"|", "&&", "||", ";", "&", ">", ">>", "<", "2>"}


def shell_lines(page: str) -> Iterator[str]:
    """The lines of ```sh blocks and the commands of ```console blocks, continued ones joined."""
    page = page.replace("\\\n", " ")
    for kind, block in re.findall(r"^```(sh|console)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        if kind == "sh":
            yield from block.splitlines()
        else:
            yield from (line[2:] for line in block.splitlines() if line.startswith("$ "))


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
    """Parse a command and make its settings, without running it.

    Raises:
        Exception: the parser refuses it, or its preset and settings are no possible run.
    """
    if words[-1] in ("-h", "--help"):  # which ends the parsing
        words = words[:-1]
    command = typer.main.get_command(app if words[0] == "slm" else original.app)
    context, rest = command.make_context(words[0], words[1:]), words[1:]
    while rest and hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
    values = context.params
    if "more_settings" not in values:
        return
    changes = assignments(values["settings"], values["more_settings"])
    if "source" not in values:  # of `slm bench`
        resolve(values["preset"], assignments=changes)
        return
    flags = only_given(
        {
            "data.source": (values["source"], "--source"),
            "data.tokenizer": (values["tokenizer"], "--tokenizer"),
        }
    ) | length_flags(values["steps"], values["minutes"])
    if words[0] == "train.py":
        from_preset(values["preset"] or original.DEFAULT_PRESET, None, flags, changes)
    else:
        new_run(values["preset"], values["config"], flags, changes)


def documented() -> list[tuple[Path, str]]:
    return [
        (page, line)
        for page in PAGES
        if page.is_file()
        for line in shell_lines(page.read_text("utf-8"))
        if any(our_commands(line))
    ]


def settings_files(page: str) -> dict[str, str]:
    """The ```toml blocks of a page by the names that its commands give them, in order."""
    blocks = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    names = dict.fromkeys(re.findall(r"--(?:config|card) ([\w-]+\.toml)", page))
    return dict(zip(names, blocks, strict=True)) if blocks else {}  # a reference page has none


@pytest.mark.parametrize(
    ("page", "line"),
    [pytest.param(*pair, id=f"{pair[0].name}: {pair[1]}") for pair in documented()],
)
def test_the_program_takes_it(page, line, tmp_path, monkeypatch):
    for name, text in settings_files(page.read_text("utf-8")).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
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
        "slm train --preset modern-12m --set n_embd=256",  # not a multiple of its 6 heads
        "slm train --config nowhere.toml",
        "slm bench train --preset demo --set n_lyer=2",
        "python train.py --set n_head=5",
    ],
)
def test_bad_lines_do_not_pass(line):
    (words,) = our_commands(line)
    with pytest.raises(Exception, match=r"."):
        check(words)


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines])
def test_examples_of_help_texts_are_accepted(line):
    (words,) = our_commands(line)
    check(words)


def test_every_help_text_ends_with_examples_of_its_command():
    for name, command in [*all_commands(), ("slm", None), ("slm bench", None)]:
        lines = EXAMPLES[name]
        assert 2 <= len(lines) <= 3
        assert all(f"{line} ".startswith(f"{name} ") for line in lines)
        if command is not None:
            context = command.make_context(name, [], resilient_parsing=True)
            shown = command.get_help(context).splitlines()[-len(lines) :]
            assert [line.strip() for line in shown] == [*lines]
