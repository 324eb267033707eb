"""Every command that the program tells its user to give, given: it does what the hint promises.

The commands run as they are printed, in a folder with a space in its name. Nothing that was in the
folder may change, and nothing may ask the network. A hint with a command that is not known here
fails, so that a new one comes with a test of its own.
"""

from __future__ import annotations

import ast
import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import slm as package
from slm.cli import main
from slm.config import DataConfig
from slm.data.data_paths import prepare_command
from slm.data.prepare import prepare
from tests.conftest import tell_stories

ROOT = Path(__file__).parents[2]
QUICK = ["--set", "threads=1", "eval_tokens=128", "sample_prompts=[]"]
TINY = ["--preset", "tiny", "--steps", "2", *QUICK]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="commands for a POSIX shell")

# -- which there are -------------------------------------------------------------------------------

COMMAND = re.compile(
    r"\b(slm (?:train|prepare|generate|eval|serve|info|inspect|bench|presets|--help)|pip install"
    r"|iconv|hf auth|ulimit|torchrun|python -c|mv|rm|cp)\b"
)
GIVEN_BELOW = {
    ("cli", "slm train"),
    ("cli", "slm --help"),
    ("cli", "python -c"),
    ("data", "slm prepare"),
    ("data", "mv"),
    ("storage", "iconv"),
    ("presets", "slm presets"),
    ("config", "slm presets"),
    ("storage", "ulimit"),
}
NAMED_ONLY = {
    ("cli", "slm generate"): "what is measured",
    ("cli", "torchrun"): "what has started a command",
    ("cli", "slm serve"): "what needs the extra",
    ("cli", "slm eval"): "how a figure is measured",
    ("evals", "slm serve"): "a server that scores prompts",
    ("cli", "slm presets"): "in the reference",
    ("data", "hf auth"): "a person logs in to the hub",
    ("interop", "hf auth"): "a person logs in to the hub",
    ("data", "cp"): "as mv, of a file that a cache of the hub holds",
    ("storage", "cp"): "a name of an encoding",
    ("runs", "torchrun"): "what has started a run",
    ("parallel", "torchrun"): "how processes are started",
}
MADE_BY = {
    ("cli", "command_line"),
    ("data", "command_line"),
    ("checkpoint", "command_line"),
    ("api", "command_line"),
    ("api", "train_command"),
    ("presets", "command_line"),
    ("reporting", "command_line"),
    ("planning", "prepare_command"),
    ("tokenizer", "install_command"),
    ("bench", "install_command"),
    ("errors.py", "install_command"),
    ("errors.py", "command_line"),
}
"""Where commands with values in them are made; each is given below, but those that install."""


def sources() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted((ROOT / "slm").rglob("*.py")):
        parts = file.relative_to(ROOT / "slm").parts
        if parts != ("cli", "examples.py"):  # test_documented_commands parses those
            yield parts[0], ast.parse(file.read_text("utf-8"))


def printed(node: ast.AST) -> Iterator[ast.Constant | ast.JoinedStr]:
    """The texts in a program, docstrings and helps left out."""
    for child in ast.iter_child_nodes(node):
        is_docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        is_help = isinstance(child, ast.keyword) and child.arg in ("help", "short_help", "epilog")
        if is_docstring or is_help:
            continue
        if isinstance(child, ast.JoinedStr) or (
            isinstance(child, ast.Constant) and isinstance(child.value, str)
        ):
            yield child
        else:
            yield from printed(child)


def words_of(text: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(text, ast.Constant):
        return str(text.value)
    return "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in text.values)


def test_every_command_that_is_printed_is_known_here() -> None:
    found = {
        (place, command)
        for place, module in sources()
        for text in printed(module)
        for command in COMMAND.findall(words_of(text))
    }
    assert found == GIVEN_BELOW | NAMED_ONLY.keys()
    made = {
        (place, node.func.id)
        for place, module in sources()
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id.endswith(("command_line", "_command"))
    }
    assert made == MADE_BY


def test_no_command_has_a_value_that_is_not_quoted() -> None:
    """Paths with spaces are put into commands by `command_line`, and by nothing else."""
    for place, module in sources():
        for text in printed(module):
            words = words_of(text)
            assert not re.search(r"\bslm [a-z]+ [^`]*{}", words), (place, words)


# -- what they do ----------------------------------------------------------------------------------

NO_NETWORK = """\
import os, socket

def refuse(self, address, *rest):
    if self.family == getattr(socket, "AF_UNIX", None) or address[0] in ("127.0.0.1", "::1"):
        return plain(self, address, *rest)
    with open(os.environ["ASKED"], "a") as log:
        print(address, file=log)
    raise OSError("no network here")

plain, socket.socket.connect = socket.socket.connect, refuse
"""


class Sandbox:
    """A user's folder, and a shell in it."""

    def __init__(self, folder: Path, tools: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self._asked = tools / "asked"
        (tools / "sitecustomize.py").write_text(NO_NETWORK, encoding="utf-8")
        for name, words in (("slm", "-m slm"), ("python", "")):
            script = tools / name
            script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {words} "$@"\n')
            script.chmod(0o755)
        self._environment = {
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{tools}{os.pathsep}{ROOT}",
            "ASKED": str(self._asked),
            "HF_HUB_OFFLINE": "0",
        }

    def files(self) -> dict[Path, bytes]:
        return {
            path: path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and not path.name.startswith(".lock")
        }

    @contextlib.contextmanager
    def unchanged(self, command: object, *, renames: bool = False) -> Iterator[None]:
        """What is there must stay, and the network is not asked."""
        before = self.files()
        yield
        assert not self._asked.exists(), self._asked.read_text()
        after = self.files()
        if renames:
            assert sorted(after.values()) == sorted(before.values())
            return
        changed = [path for path, content in before.items() if after.get(path) != content]
        assert not changed, (command, changed)

    def shell(
        self, command: str, code: int = 0, *, renames: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Give a command to a shell, as it is printed."""
        with self.unchanged(command, renames=renames):
            outcome = subprocess.run(
                ["/bin/sh", "-c", command],
                cwd=self.folder,
                env=self._environment,
                capture_output=True,
                encoding="utf-8",
                check=False,
            )
        assert outcome.returncode == code, (command, outcome.stdout, outcome.stderr)
        assert "Traceback" not in outcome.stderr
        return outcome

    def slm(self, *words: object, code: int = 0) -> str:
        """What a command says on stderr; in this process, which saves its start."""
        self._capsys.readouterr()
        with self.unchanged(words), contextlib.chdir(self.folder):
            found = main([str(word) for word in words])
        said = self._capsys.readouterr().err
        assert found == code, (words, said)
        return said

    def hint(self, *words: object, code: int) -> str:
        """The hint of a command that fails."""
        last = self.slm(*words, code=code).splitlines()[-1]
        assert last.startswith("hint: ")
        return last.removeprefix("hint: ")


@pytest.fixture
def sandbox(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Sandbox:
    """A folder with a text, prepared data, and nothing else."""
    folder, tools = tmp_path / "my project", tmp_path / "tools"
    folder.mkdir()
    tools.mkdir()
    (folder / "my book.txt").write_text(tell_stories(80, seed=0), encoding="utf-8", newline="\n")
    prepare(str(folder / "my book.txt"), "bytes", folder / "my data")
    return Sandbox(folder, tools, capsys)


def after(text: str, marker: str) -> str:
    """The command that a sentence ends with."""
    return text.rpartition(marker)[2].strip()


@pytest.mark.parametrize("command", ["train", "eval"])
def test_text_given_as_prepared_data(sandbox: Sandbox, command: str) -> None:
    """The hint must not lead to a preparation that writes into the user's folder."""
    run = str(ROOT / "tests/fixtures/v1/run")
    words = ["train", *TINY] if command == "train" else ["eval", "--checkpoint", run]
    texts = sandbox.folder / "my texts"
    texts.mkdir()
    shutil.copy(sandbox.folder / "my book.txt", texts / "train.txt")
    for text in ("my book.txt", "my texts"):
        hint = sandbox.hint(*words, "--data", text, code=1)
        flag, path = shlex.split(after(hint, ": "))
        assert (flag, path) == ("--source", text)
        out = ["--out", f"run of {text}"] if command == "train" else []
        sandbox.slm(*words, *out, flag, path)
    assert [path.name for path in texts.iterdir()] == ["train.txt"]


def test_text_given_to_a_measurement(sandbox: Sandbox) -> None:
    words = ["bench", "train", "--preset", "tiny", "--quick", "--steps", "1"]
    for text in ("my book.txt", "nothing"):
        hint = sandbox.hint(*words, "--data", text, code=1)
        assert hint == "leave out --data to measure on random token ids"
    sandbox.slm(*words)
    sandbox.slm(*words, "--data", "my data")


def test_token_files_given_as_text(sandbox: Sandbox) -> None:
    hint = sandbox.hint("train", *TINY, "--source", "my data", code=1)
    flag, path = shlex.split(after(hint, ": "))
    sandbox.slm("train", *TINY, flag, path)


def test_prepared_data_that_were_moved(sandbox: Sandbox) -> None:
    run = sandbox.folder / "run"
    sandbox.slm("train", *TINY, "--data", "my data", "--out", "run")
    kept = sandbox.folder.parent / "kept"
    shutil.copytree(run, kept)
    (sandbox.folder / "my data").rename(sandbox.folder / "elsewhere")
    for words in (
        ["train", *TINY, "--data", "my data", "--out", "new"],
        ["train", "--resume", "--out", "run", "--steps", "3"],
    ):
        hint = sandbox.hint(*words, code=1)
        assert "give its new path" in hint
        assert not (sandbox.folder / "my data").exists()
    sandbox.slm("train", *TINY, "--data", "elsewhere", "--out", "new")
    shutil.rmtree(run)  # which may well change when it goes on
    shutil.move(kept, sandbox.folder.parent / "run")
    words = ["train", "--resume", "--out", "../run", "--steps", "3", "--data", "elsewhere"]
    sandbox.slm(*words)


def test_damaged_data(sandbox: Sandbox) -> None:
    damaged = sandbox.folder / "my data" / "train.bin"
    content = bytearray(damaged.read_bytes())
    content[9] ^= 1
    damaged.write_bytes(content)
    hint = sandbox.hint("train", *TINY, "--data", "my data", code=1)
    command = after(hint, "folder:")
    assert command == "slm prepare --source TEXT --out NEW_FOLDER"
    sandbox.shell(command, code=2)  # nothing is there that is called so, and nothing is made
    assert not (sandbox.folder / "NEW_FOLDER").exists()
    sandbox.shell(command.replace("TEXT", "'my book.txt'").replace("NEW_FOLDER", "new"))
    sandbox.slm("train", *TINY, "--data", "new")


def test_what_is_said_after_preparing_and_training(sandbox: Sandbox) -> None:
    said = sandbox.slm("prepare", "--source", "my book.txt", "--out", "more data")
    command = after(said, "with:")
    assert command == "slm train --data 'more data'"
    said = sandbox.shell(f"{command} {shlex.join([*TINY, '--out', 'my run'])}").stderr
    outcome = sandbox.shell(f"{after(said, 'with:')} --max-new-tokens 3")
    assert outcome.stdout.startswith("Once upon a time")


@pytest.mark.parametrize(
    ("length", "longer"),
    [
        (["--steps", "2"], "--steps 4"),
        (
            ["--steps", "9", "--set", "early_stopping_patience=1", "eval_interval=1"],
            "--steps 18 --set early_stopping_patience=none",
        ),
    ],
)
def test_a_finished_run_is_trained_longer(sandbox: Sandbox, length: list[str], longer: str) -> None:
    words = ["train", "--preset", "tiny", "--data", "my data", "--out", "my run", *length, *QUICK]
    if "early_stopping_patience=1" in length:
        words += ["--set", "learning_rate=0", "muon_learning_rate=0"]
    sandbox.slm(*words)
    outcome = sandbox.shell("slm train --resume --out 'my run'")
    said, table = outcome.stderr, outcome.stdout
    assert "nan" not in said + table
    assert "the run in my run was finished before, at step" in said
    (line,) = [line for line in said.splitlines() if "train it longer with:" in line]
    command = after(line, "with:")
    assert command == f"slm train --out 'my run' --resume {longer}"
    run = sandbox.folder / "my run"
    shutil.move(run, sandbox.folder.parent / "my run")  # as it may change now
    with_place = command.replace("'my run'", "'../my run'")
    assert "finished before" not in sandbox.shell(with_place).stderr


def test_a_run_that_is_there_already(sandbox: Sandbox) -> None:
    words = ["train", *TINY, "--data", "my data", "--out", "../run"]
    sandbox.slm(*words)
    run = sandbox.folder.parent / "run"
    best = (run / "best" / "model.safetensors").read_bytes()
    hint = sandbox.hint(*words, code=2)
    assert hint == "--resume continues it, --fresh archives it, --out names another folder"
    assert "finished before" in sandbox.slm(*words, "--resume")
    sandbox.slm(*words[:-1], "../other")
    sandbox.slm(*words, "--fresh")
    assert (run / "previous-001" / "best" / "model.safetensors").read_bytes() == best


def test_how_a_report_says_that_a_run_is_repeated(sandbox: Sandbox) -> None:
    words = ["--data", "my data", "--out", "my run", "--seed", "3"]
    sandbox.slm("train", *TINY, *words)
    with contextlib.chdir(sandbox.folder):
        _, contents = package.report("my run", "my report.html", device="cpu")
    commands = [command for _, command in contents.commands]
    assert [shlex.split(command)[:2] for command in commands] == [["slm", "train"]] * 2
    settings = package.open_run(sandbox.folder / "my run").config
    for command in commands:
        sandbox.shell(command)
        again = sandbox.folder / "my run-again"
        for name in ("model", "data"):
            assert getattr(package.open_run(again).config, name) == getattr(settings, name)
        train = package.open_run(again).config.train
        assert train.changed(out_dir="x") == settings.train.changed(out_dir="x")
        shutil.rmtree(again)


def test_a_report_over_another_file(sandbox: Sandbox) -> None:
    sandbox.slm("train", *TINY, "--data", "my data", "--out", "run")
    words = ["report", "run", "--device", "cpu", "--out"]
    hint = sandbox.hint(*words, "my book.txt", code=2)
    flag, path = shlex.split(after(hint, "with "))
    assert flag == "--out"
    sandbox.slm(*words, path)
    assert (sandbox.folder / path).is_file()


def test_a_plan(sandbox: Sandbox) -> None:
    command = after(sandbox.hint("train", "--plan", code=2), "example:")
    assert sandbox.shell(command).stdout.startswith("minutes")


def test_what_a_plan_says_about_text_that_takes_long_to_read(sandbox: Sandbox) -> None:
    """It names the command that prepares the text before; see `tests/unit/planning`."""
    data = DataConfig(source="my book.txt", tokenizer="bpe:300", limit=60, corpus_seed=3)
    sandbox.shell(prepare_command(data))
    (made,) = (sandbox.folder / "data").iterdir()
    words = ["--tokenizer", "bpe:300", "--limit", 60, "--set", "corpus_seed=3"]
    sandbox.slm("train", *TINY, "--source", "my book.txt", *words)
    assert list((sandbox.folder / "data").iterdir()) == [made]


@pytest.mark.parametrize(
    ("words", "marker"),
    [
        (["train", "--set", "zzz=3"], "`"),
        (["train", "--set", "learning_rate=x"], "`"),
        (["train", "--steps", "many"], "see: "),
    ],
)
def test_where_to_read_more(sandbox: Sandbox, words: list[str], marker: str) -> None:
    hint = sandbox.hint(*words, code=2)
    _, _, command = hint.partition(marker)
    assert sandbox.shell(command.partition("`")[0]).stdout


def test_a_key_that_is_good(sandbox: Sandbox) -> None:
    words = ["serve", "--checkpoint", ROOT / "tests/fixtures/v1/run", "--api-key", "short"]
    command = sandbox.hint(*words, code=2).removesuffix(" makes a good one")
    assert len(sandbox.shell(command).stdout.strip()) > 30


def test_a_limit_on_file_sizes(sandbox: Sandbox) -> None:
    words = shlex.join(["slm", "train", *TINY, "--data", "my data"])
    said = sandbox.shell(f"ulimit -S -f 8; {words}", code=4).stderr
    command = after(said, "raise the limit:")
    sandbox.shell(f"ulimit -S -f 8; {command.replace('-f', '-S -f')}; {words} --fresh")


def test_a_damaged_best_model(sandbox: Sandbox) -> None:
    run = sandbox.folder / "my run"
    sandbox.slm("train", *TINY, "--data", "my data", "--out", "my run")
    weights = run / "best" / "model.safetensors"
    weights.write_bytes(b"damaged" + weights.read_bytes())
    hint = sandbox.hint("generate", "--checkpoint", "my run", "Once", code=1)
    place = after(hint, "give")
    assert sandbox.shell(f"slm generate --checkpoint {place} Once").stdout.startswith("Once")


@pytest.mark.parametrize("name", ["my rows.txt", "rows.dat"])
def test_a_file_with_a_name_that_says_something_else(sandbox: Sandbox, name: str) -> None:
    rows = [f'{{"text": "One day Tom saw {number} birds."}}\n' for number in range(40)]
    (sandbox.folder / name).write_text("".join(rows), encoding="utf-8")
    for taken in ("my rows.jsonl", "rows.dat.jsonl"):  # which must not be overwritten
        (sandbox.folder / taken).write_text("mine", encoding="utf-8")
    hint = sandbox.hint("prepare", "--source", name, "--out", "made", code=1)
    command = after(hint, "rename it:")
    assert command.startswith("mv -n ")
    sandbox.shell(command, renames=True)
    new = shlex.split(command)[-1]
    sandbox.slm("prepare", "--source", new, "--tokenizer", "bytes", "--out", "made")


CURLY = "She said \u201cgo\u201d \u2013 caf\u00e9. " * 40


@pytest.mark.parametrize(
    ("name", "content", "encoding"),
    [
        ("old.txt", CURLY, "cp1252"),
        ("old.txt", CURLY, "utf-16"),
        ("old.csv", f"text\n{CURLY}\n{CURLY}\n", "cp1252"),
    ],
)
def test_text_that_is_not_utf_8(sandbox: Sandbox, name: str, content: str, encoding: str) -> None:
    if shutil.which("iconv") is None:
        pytest.skip("there is no iconv here")
    (sandbox.folder / name).write_bytes(content.encode(encoding))
    hint = sandbox.hint("prepare", "--source", name, "--out", "made", code=1)
    command = hint[hint.index("iconv") :]
    new = set(sandbox.files())
    outcome = sandbox.shell(command)
    made = set(sandbox.files()) - new
    if made:  # the command writes a file: that can be prepared
        (file,) = made
        sandbox.slm("prepare", "--source", file.name, "--tokenizer", "bytes", "--out", "made")
    else:
        assert outcome.stdout


def test_what_installs_an_extra_takes_it_from_this_project() -> None:
    """It asks an index, and so is not given; what it names is surely this project."""
    from slm.errors import install_command

    words = shlex.split(install_command("serve", "starlette"))
    assert words[:5] == [sys.executable, "-m", "pip", "install", "-e"]
    folder, _, extra = words[5].partition("[")
    assert (Path(folder) / "slm").samefile(Path(package.__file__).parent)
    assert extra == "serve]"
    assert '\nserve = ["starlette' in (Path(folder) / "pyproject.toml").read_text("utf-8")


def test_these_tests_see_a_change_and_a_call_to_the_network(sandbox: Sandbox) -> None:
    forbidden: list[Callable[[], object]] = [
        lambda: sandbox.shell("echo more >> 'my book.txt'"),
        lambda: sandbox.shell(
            "python -c 'import socket; socket.create_connection((\"192.0.2.1\", 80), 1)'", code=1
        ),
    ]
    for action in forbidden:
        with pytest.raises(AssertionError):
            action()
