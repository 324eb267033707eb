"""Makes the model that comes with the package, slm/builtin, from a folder of TinyStories.

    python bench/shipped_model.py --source FOLDER
    python bench/shipped_model.py --source FOLDER --teachers runs/one runs/two
    python bench/shipped_model.py --source FOLDER --run runs/shipped     # a finished run

FOLDER has train.txt and validation.txt. The steps are ordinary commands, printed as they are given:
`slm prepare`, `slm train` with the settings of shipped_model.toml, `slm eval` before and after
quantization, and `slm export ... slm --dtype int8` with a model card that has the figures. The
model learns from two teachers, which are trained first, with the same settings, other seeds and
more time, unless `--teachers` names finished ones. A finished run is used only if its settings are
those of the file.

With `--samples`, ten stories of the new model are printed. Nothing is replaced before the last
step.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slm.config import RunConfig
from slm.config.run_paths import located_settings
from slm.errors import SlmError, UsageError
from slm.quantities import counted
from slm.reporting.display import say

SETTINGS = Path(__file__).with_suffix(".toml")
TARGET = Path(__file__).parents[1] / "slm" / "builtin"
LARGEST = 6_000_000
"""Bytes of all files together."""
TOKENIZER = "bpe:4096"
TEACHER_SEEDS = (1, 2)
LENGTH_OF_A_TEACHER = ("--minutes", "118")
PROMPTS = ("Once upon a time", "One day, Lily", "Tom and his dog", "The little bird", "")


def command(*words: str | Path) -> str:
    """Run a command of slm and return its stdout.

    Raises:
        UsageError: it failed; its own message is on stderr.
    """
    texts = [str(word) for word in words]
    say(f"$ slm {shlex.join(texts)}")
    done = subprocess.run(
        [sys.executable, "-m", "slm", *texts], stdout=subprocess.PIPE, encoding="utf-8", check=False
    )
    if done.returncode != 0:
        raise UsageError(f"slm {texts[0]} failed with exit code {done.returncode}")
    return done.stdout


def facts(*words: str | Path) -> dict[str, Any]:
    """The JSON object that a command prints."""
    found: dict[str, Any] = json.loads(command(*words, "--json"))
    return found


def trained(source: Path, settings: Path, teachers: Sequence[Path], work: Path) -> Path:
    """Prepare the text and train, the teachers first if there are none; returns the run."""
    data, run = work / "data", work / "run"
    command("prepare", "--source", source, "--tokenizer", TOKENIZER, "--out", data)
    train = ("train", "--config", settings, "--data", data)
    if not teachers:
        teachers = [work / f"teacher-{seed}" for seed in TEACHER_SEEDS]
        for seed, teacher in zip(TEACHER_SEEDS, teachers, strict=True):
            command(*train, *LENGTH_OF_A_TEACHER, "--seed", str(seed), "--out", teacher)
    command(
        *train, *(word for teacher in teachers for word in ("--teacher", teacher)), "--out", run
    )
    return run


def settings_of(run: Path, file: Path) -> RunConfig:
    """The settings of a finished run, checked against those of a file.

    Raises:
        UsageError: they differ.
    """
    saved = json.loads((run / "config.json").read_text("utf-8"))
    settings = located_settings(RunConfig.from_json(saved, where=str(run)), run)
    different = [
        f"{name} is {settings.value_of(name)!r}, not {value!r}"
        for name, value in settings_in(file).items()
        if settings.value_of(name) != value
    ]
    if different:
        raise UsageError(
            f"{run} has other settings than {file.name}: {'; '.join(different)}",
            hint=f"change {file.name} to the settings of the run",
        )
    return settings


def settings_in(file: Path) -> dict[str, Any]:
    """The settings of a TOML file, by their full names."""
    table = tomllib.loads(file.read_text("utf-8"))
    groups = {name: group for name, group in table.items() if isinstance(group, dict)}
    return {
        f"{name}.{key}": value for name, group in groups.items() for key, value in group.items()
    }


def measured(checkpoint: Path, text: Path, dtype: str) -> dict[str, Any]:
    """Bits per byte of a whole text file, and its size, as `slm eval` prints them."""
    words = ("--checkpoint", checkpoint, "--source", text, "--split", "all", "--dtype", dtype)
    return facts("eval", *words)


def processor() -> str:
    """The processor's name, with AMX named where it has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    entries = dict(line.split(":", 1) for line in lines if ":" in line)
    entries = {name.strip(): value.strip() for name, value in entries.items()}
    name = entries.get("model name", platform.machine())
    name = name.replace("(R)", "").replace("(TM)", "").replace(" Processor", "")
    return f"{name} with AMX" if "amx_bf16" in entries.get("flags", "") else name


def card_of(
    described: Mapping[str, Any],
    data: Mapping[str, Any],
    scores: Mapping[str, Mapping[str, Any]],
    taught_by: Sequence[float],
    how: str,
) -> dict[str, str]:
    """The entries of the model card.

    Args:
        described: the run, as `slm info` describes it.
        data: the prepared data, as `slm info` describes them.
        scores: of the held-out text: "float32" before quantization, "stored" with the int8 weights
            in float32, "int8" as `slm generate` computes.
        taught_by: bits per byte of each teacher.
        how: the settings file, the threads and the processor of the training.
    """
    training, split = described["training"], data["splits"]["train"]
    tokens = training["tokens_seen"]
    settings, text = described["settings"], scores["int8"]
    bits = {name: f"{score['bits_per_byte']:.4f}" for name, score in scores.items()}
    return {
        "name": "slm-stories-5m",
        "summary": (
            f"Continues stories for small children, in English. "
            f"{described['parameters']['total'] / 1e6:.1f} million parameters, a context of "
            f"{settings['model.block_size']['value']} tokens."
        ),
        "license": "MIT",
        "data": (
            f"{split['stories']:,} stories ({split['bytes'] / 1e6:.1f} MB) of TinyStories by Eldan "
            "and Li (2023), roneneldan/TinyStories on the Hugging Face hub, license "
            "CDLA-Sharing-1.0."
        ),
        "training": (
            f"{training['step']:,} steps, {tokens / 1e6:.1f} million tokens "
            f"({tokens / split['tokens']:.1f} epochs), {training['elapsed_seconds'] / 60:.0f} "
            f"minutes of slm train with {how}; the weights are those of step "
            f"{described['model_step']:,}, which has the lowest validation loss."
            + _lesson(taught_by)
        ),
        "evaluation": (
            f"{bits['int8']} bits per byte of {text['stories']:,} held-out stories "
            f"({text['bytes'] / 1e6:.2f} MB) in int8, as slm generate computes; {bits['stored']} "
            f"in float32, {bits['float32']} before quantization. These stories also chose the step."
        ),
        "limitations": (
            "It knows the vocabulary of a child of about four years and nothing of the world. "
            "Sentences are mostly correct; names, places and the thread of a story may be lost. It "
            "answers no questions and follows no instructions. Not filtered for any use by "
            "children without supervision."
        ),
    }


def _lesson(taught_by: Sequence[float]) -> str:
    """The sentence about the teachers, given their bits per byte; empty without any."""
    if not taught_by:
        return ""
    bits = " and ".join(f"{each:.4f}" for each in taught_by)
    return (
        f" Besides the text it learned the mean prediction of {counted(len(taught_by), 'model')} "
        f"trained on the same text, with {bits} bits per byte."
    )


def toml_of(card: Mapping[str, str]) -> str:
    """A model card as TOML; JSON strings are TOML strings."""
    return "".join(f"{name} = {json.dumps(text)}\n" for name, text in card.items())


def make(args: argparse.Namespace, run: Path, work: Path) -> None:
    """Quantize, evaluate, and write the checkpoint with its card to `args.out`.

    Raises:
        UsageError: it is too large, a command fails, or the run has other settings.
    """
    settings = settings_of(run, args.settings)
    text, plain, final = args.source / "validation.txt", work / "plain", work / "final"
    command("export", run, "slm", plain, "--dtype", "int8")
    scores = {
        "float32": measured(run, text, "float32"),
        "stored": measured(plain, text, "float32"),
        "int8": measured(plain, text, "int8"),
    }
    taught_by = [
        measured(Path(teacher), text, "float32")["bits_per_byte"]
        for teacher in settings.train.teachers
    ]
    threads = settings.train.threads
    machine = args.machine or (
        processor()
        if threads is None
        else f"{threads} thread{'s' * (threads > 1)} of {processor()}"
    )
    described, data = facts("info", run), facts("info", Path(settings.data.data_dir))
    how = f"bench/{args.settings.name} on {machine}"
    card = card_of(described, data, scores, taught_by, how)
    (work / "card.toml").write_text(toml_of(card), encoding="utf-8")
    command("export", plain, "slm", final, "--dtype", "int8", "--card", work / "card.toml")
    size = sum(file.stat().st_size for file in final.iterdir())
    if size > LARGEST:
        raise UsageError(f"the checkpoint has {size:,} bytes, more than {LARGEST:,}")
    command("export", final, "slm", args.out, "--dtype", "int8", "--force")


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", type=Path, required=True, help="train.txt and validation.txt")
    parser.add_argument(
        "--teachers", type=Path, nargs="+", default=(), help="finished runs or checkpoints"
    )
    parser.add_argument("--run", type=Path, help="a finished run, in place of training")
    parser.add_argument("--settings", type=Path, default=SETTINGS, help="of the training, TOML")
    parser.add_argument("--machine", help="threads and processor of the training, for the card")
    parser.add_argument("--out", type=Path, default=TARGET, help="where the checkpoint goes")
    parser.add_argument("--samples", action="store_true", help="print ten stories")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    args = arguments(words)
    try:
        with tempfile.TemporaryDirectory(prefix="shipped-") as folder:
            work = Path(folder)
            make(args, args.run or trained(args.source, args.settings, args.teachers, work), work)
        print(command("info", args.out))
        if args.samples:
            for seed, prompt in enumerate(PROMPTS * 2, start=1):
                print(command("generate", "--checkpoint", args.out, prompt, "--seed", str(seed)))
    except SlmError as error:
        say(f"error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else ""))
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
