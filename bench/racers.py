"""The racers of `bench/race.py`: what each prepares, and the command that trains it."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pickle
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from held_out import Texts, cut, windows_of
from race_meter import write_held_out
from race_tasks import TASKS, Entry, RacerError, Task

from slm.data.prepare import prepare
from slm.data.shards import DataDirectory
from slm.hardware.devices import resolve_dtype

HERE = Path(__file__).resolve().parent
OVERTIME = 1.1
"""A baseline whose schedule is in steps may use this much of its time, so that a machine that was
faster while its speed was measured does not cut its decay off."""


CHECKOUTS = {"nanogpt": "nanogpt", "nanochat": "nanochat", "nanochat-small": "nanochat"}
"""The racers that run in a checkout, and the option and variable that name it."""

NANOCHAT_NEEDS = ("torch", "rustbpe", "tiktoken", "pyarrow", "wandb", "filelock", "jinja2", "yaml")
"""What nanochat imports to train."""

NANOCHAT_SMALL = {
    "depth": 4,
    "aspect-ratio": 32,
    "head-dim": 32,
    "max-seq-len": 256,
    "device-batch-size": 16,
    "total-batch-size": 4096,
}
"""Sizes for five minutes of a CPU; all rates and schedules follow from them by nanochat's rules."""
NANOCHAT_SMALL_VOCABULARY = 4096

AUTORESEARCH_TOKENIZER = "bpe:4096"


@dataclass
class Course:
    """The text of a race, given to each racer in its own format.

    Args:
        args: the command line of the race.
        folder: for all files.
        run_trial: runs an entry until it has measured its speed; returns seconds per step.
    """

    args: argparse.Namespace
    folder: Path
    run_trial: Callable[[Entry], float]
    _data: dict[str, DataDirectory] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        """The race's."""
        return TASKS[self.args.task]

    @property
    def validation_fraction(self) -> float:
        """Share of held-out stories if the text has no validation split."""
        return 0.1 if self.args.source.is_file() else 0.05

    def data(self, tokenizer: str) -> DataDirectory:
        """The text in a tokenizer's ids."""
        if tokenizer not in self._data:
            out = self.folder / "data" / tokenizer.replace(":", "-")
            source = str(self.args.source.resolve())
            fraction = self.validation_fraction
            self._data[tokenizer] = prepare(source, tokenizer, out, validation_fraction=fraction)
        return self._data[tokenizer]

    def texts(self) -> Texts:
        """The held-out text."""
        return Texts.from_documents(list(self.data("bytes").documents("validation")))

    def held_out(self, tokenizer: str, block_size: int) -> Path:
        """A file with the held-out windows for a racer with prepared data."""
        path = self.folder / f"held-out-{tokenizer.replace(':', '-')}-{block_size}.json"
        if not path.exists():
            parts = windows_of(self.texts(), self.data(tokenizer).tokenizer, block_size)
            write_held_out(path, *parts)
        return path

    def entry(self, name: str, out: Path) -> Entry:
        """What to run for a round of a racer.

        Args:
            name: a racer, with more arguments for its program if it is a variant.
            out: a new folder of this round.

        Raises:
            RacerError: its preparation failed.
        """
        kind, _, more = name.partition(" ")
        words = shlex.split(more)
        if kind in ("nanochat", "nanochat-small"):
            return self._nanochat(out, words, is_small=kind == "nanochat-small")
        makers = {
            "nanogpt": self._nanogpt,
            "autoresearch": self._autoresearch,
            "transformers": self._transformers,
        }
        return makers[kind](out, words) if kind in makers else self._ours(name, out)

    @property
    def _seconds(self) -> float:
        return 60.0 * float(self.args.minutes)

    def _ours(self, name: str, out: Path) -> Entry:
        """`slm train`: everything counts, from the start of the process."""
        texts = self.folder / "texts.json"
        self.texts().write(texts)
        settings = ["sample_prompts=[]"]
        if name.startswith("ours "):
            settings.append(f"validation_fraction={self.validation_fraction}")
            words = ["--source", str(self.args.source.resolve()), "--set", *settings]
            words += shlex.split(name.removeprefix("ours "))
        else:
            tokenizer = "gpt2-8k" if name == "gpt2" else self.task.our_tokenizer
            data = self.data(tokenizer).path
            preset = "gpt2" if name == "gpt2" else self.task.preset
            length = [] if self.task.steps else ["--minutes", str(self.args.minutes)]
            words = ["--preset", preset, "--data", str(data), *length, "--set", *settings]
        command = observed("slm", texts, self.args)
        command += ["-m", "slm", "train", "--out", str(out / "run"), *words]
        return Entry(command, out)

    def _nanogpt(self, out: Path, more: Sequence[str]) -> Entry:
        """A copy of the checkout that finds our token files under its own data folder."""
        task, checkout = self.task, out / "nanoGPT"
        shutil.copytree(self.args.nanogpt, checkout, ignore=shutil.ignore_patterns(".git", "*.bin"))
        directory, data = self.data(task.their_tokenizer), checkout / "data/shakespeare_char"
        for split in ("train", "validation"):
            file = directory.path / directory.split(split).file
            shutil.copyfile(file, data / f"{split.removesuffix('idation')}.bin")
        with (data / "meta.pkl").open("wb") as stream:
            pickle.dump({"vocab_size": directory.tokenizer.vocab_size}, stream)
        sizes = {name: getattr(task, name) for name in ("n_layer", "n_head", "n_embd")}
        flags = sizes | {
            "block_size": task.block_size,
            "batch_size": task.batch_size,
            "device": "cpu",
            "compile": False,
            "dropout": 0.0,
            # The meter measures; its own evaluation only runs before the first step.
            "eval_iters": 1,
            "eval_interval": 10**9,
            "log_interval": 1000,
        }
        words = ["train.py", "config/train_shakespeare_char.py"]
        words += [f"--{name}={value}" for name, value in flags.items()]
        held_out = self.held_out(task.their_tokenizer, task.block_size)

        def entry(steps: int, *, is_trial: bool = False) -> Entry:
            seconds = self._seconds * OVERTIME
            command = observed("nanogpt", held_out, self.args, seconds=seconds, is_trial=is_trial)
            length = [f"--max_iters={steps}", f"--lr_decay_iters={steps}"]
            return Entry([*command, *words, *length, *more], checkout)

        return entry(task.steps or self._steps(entry(10**6, is_trial=True)))

    def _nanochat(self, out: Path, more: Sequence[str], *, is_small: bool) -> Entry:
        """Its `scripts.base_train` in the checkout, with its own tokenizer of the same text.

        The recipe's flags come from its `runs/runcpu.sh`; only evaluations and samples are off. Its
        number of steps is kept too: it would end long after the race. The small one trains as many
        steps as fit, so that its schedules end with the race.
        """
        checkout = self.args.nanochat.resolve()
        base = self.folder / ("nanochat-small-files" if is_small else "nanochat-files")
        python = python_of(checkout)
        environment = {"NANOCHAT_BASE_DIR": str(base)}
        if is_small:
            environment["NANOCHAT_DTYPE"] = resolve_dtype("auto", "cpu")
            tokenizer = {"vocab-size": str(NANOCHAT_SMALL_VOCABULARY)}
            flags = {name: str(value) for name, value in NANOCHAT_SMALL.items()}
        else:
            script = (checkout / "runs/runcpu.sh").read_text("utf-8")
            tokenizer = flags_in(script, "scripts.tok_train")
            flags = flags_in(script, "scripts.base_train")
        off = ("eval-every", "sample-every", "save-every", "core-metric-every")
        flags |= {"run": "dummy", **dict.fromkeys(off, "-1")}
        held_out = base / "held-out.json"
        if not held_out.exists():
            self._prepare_nanochat(
                base, held_out, int(flags["max-seq-len"]), python, checkout, tokenizer
            )

        def entry(steps: int, *, is_trial: bool = False) -> Entry:
            seconds = self._seconds * (OVERTIME if is_small else 1.0)
            command = observed(
                "nanochat",
                held_out,
                self.args,
                seconds=seconds,
                is_trial=is_trial,
                python=python,
            )
            command += ["-m", "scripts.base_train"]
            command += as_words(flags | ({"num-iterations": str(steps)} if is_small else {}))
            return Entry([*command, *more], checkout, environment)

        return entry(self._steps(entry(10**6, is_trial=True)) if is_small else 0)

    def _prepare_nanochat(
        self,
        base: Path,
        held_out: Path,
        block_size: int,
        python: str,
        checkout: Path,
        tokenizer: Mapping[str, str],
    ) -> None:
        texts = self.texts()
        texts_file, ids_file = base / "texts.json", base / "ids.json"
        base.mkdir()
        train = list(self.data("bytes").documents("train"))
        content = {"sample": texts.sample, "all": texts.all, "train": train}
        texts_file.write_text(json.dumps(content), "utf-8")
        command = [python, str(HERE / "nanochat_data.py"), str(texts_file), str(ids_file), "--"]
        environment = os.environ | {"NANOCHAT_BASE_DIR": str(base)}
        ran = subprocess.run(
            [*command, *as_words(tokenizer)],
            cwd=checkout,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        if ran.returncode != 0:
            raise RacerError(f"{shlex.join(command)} ended with {ran.returncode}:\n{ran.stdout}")
        ids = json.loads(ids_file.read_text("utf-8"))
        parts = (
            cut(part, map(np.asarray, ids[name]), ids["boundary"], block_size)
            for name, part in (("sample", texts.sample), ("all", texts.all))
        )
        write_held_out(held_out, *parts)

    def _autoresearch(self, out: Path, more: Sequence[str]) -> Entry:
        """Our port of it to the CPU, see `bench/autoresearch.py`."""
        command = self._own_loop("autoresearch.py", AUTORESEARCH_TOKENIZER, 256)
        return Entry([*command, *more], out)

    def _transformers(self, out: Path, more: Sequence[str]) -> Entry:
        """A plain loop over `transformers` with the shape of nanoGPT's model for the task."""
        task = self.task
        command = self._own_loop("transformers_loop.py", task.their_tokenizer, task.block_size)
        for name in ("n_layer", "n_head", "n_embd", "block_size", "batch_size"):
            command += ["--" + name.replace("_", "-"), str(getattr(task, name))]
        command += ["--steps", str(task.steps or 10**6)]
        return Entry([*command, *more], out)

    def _own_loop(self, script: str, tokenizer: str, block_size: int) -> list[str]:
        """The command of a script of this folder that calls the meter itself."""
        options = {
            "data": str(self.data(tokenizer).path),
            "held-out": str(self.held_out(tokenizer, block_size)),
            "minutes": str(self.args.minutes),
            "every": str(self.args.every),
        }
        return [sys.executable, str(HERE / script), *as_words(options)]

    def _steps(self, trial: Entry) -> int:
        """How many steps fit into the race."""
        return max(1, round(self._seconds / self.run_trial(trial)))


def observed(
    racer: str,
    held_out: Path,
    args: argparse.Namespace,
    *,
    seconds: float | None = None,
    is_trial: bool = False,
    python: str = sys.executable,
) -> list[str]:
    """The command `bench/observed.py`, to be followed by a program and its arguments.

    Args:
        seconds: when the race is over on the racer's clock; None: it ends by itself, and all of its
            time counts.
    """
    command = [python, "-u", str(HERE / "observed.py"), "--racer", racer]
    command += ["--held-out", str(held_out), "--every", str(args.every)]
    command += ["--all-counts"] if seconds is None else ["--minutes", str(seconds / 60)]
    command += ["--trial"] if is_trial else []
    return [*command, "--"]


def flags_in(script: str, module: str) -> dict[str, str]:
    """The `--name=value` flags with which a shell script calls a Python module.

    Raises:
        RacerError: it does not call the module.
    """
    for line in script.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if module in words:
            flags = words[words.index(module) + 1 :]
            pairs = (flag.removeprefix("--").partition("=") for flag in flags)
            return {name: value for name, _, value in pairs}
    raise RacerError(f"runs/runcpu.sh of the checkout does not call {module}")


def as_words(options: Mapping[str, str]) -> list[str]:
    """Options as words of a command line."""
    return [f"--{name}={value}" for name, value in options.items()]


def python_of(checkout: Path) -> str:
    """The Python of a checkout's own environment, or this one."""
    own = checkout / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    return str(own) if own.exists() else sys.executable


def obstacle(name: str, args: argparse.Namespace) -> str | None:
    """Why a racer cannot run here, with what helps; None if it can."""
    name = name.split()[0]
    if name == "transformers" and importlib.util.find_spec("transformers") is None:
        return "transformers is not installed"
    if name not in CHECKOUTS:
        return None
    option = CHECKOUTS[name]
    checkout = getattr(args, option)
    if checkout is None:
        return f"no checkout of it is given: --{option} FOLDER, or SLM_{option.upper()}"
    needed = "train.py" if option == "nanogpt" else "runs/runcpu.sh"
    if not (checkout / needed).is_file():
        return f"{checkout} is no checkout of it: {needed} is missing"
    if option == "nanochat":
        python = python_of(checkout.resolve())
        code = "from importlib.util import find_spec; import sys\n"
        code += "print(*[name for name in sys.argv[1:] if not find_spec(name)])"
        found = subprocess.run(
            [python, "-c", code, *NANOCHAT_NEEDS], capture_output=True, encoding="utf-8", check=True
        )
        if found.stdout.strip():
            return (
                f"{python} lacks {found.stdout.strip()}; run in the checkout: uv sync --extra cpu"
            )
    return None
