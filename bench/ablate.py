"""Ablations: A against B for the same time, with several seeds and confidence intervals.

    python bench/ablate.py --source FOLDER --preset modern-12m --minutes 2 --seeds 3 \\
        --change "learning rate halved: train.learning_rate=5e-3" --results ablate.jsonl

A is the preset with the settings of `--set`; each `--change` adds its own settings, which may
include a tokenizer (`data.tokenizer=bpe:2048`). A run is a new process of `slm train` that lasts
`--minutes` (or `--steps`), followed by `slm eval` of its best checkpoint: bits per byte of the
whole validation text, the same text for all. The data are prepared in advance in ./data, once per
tokenizer, and passed with `--data`, so their preparation does not count.

The variants alternate, and the first one changes from seed to seed, so that a slowdown of the
machine affects all of them equally. The result is the difference to A with the same seed: its mean
over the seeds, and its 95% confidence interval by Student's t distribution.

With `--results` every run is saved immediately, and the same command resumes. Saved runs are used
only if the code, the settings, the length and the data are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from paired import against, draw, order_of_runs

import slm
from slm.cli.output import print_table
from slm.config import RunConfig
from slm.errors import SlmError, UsageError
from slm.presets import full_name
from slm.reporting.display import say
from slm.runs.settings import from_preset

BASELINE = "A"

FIXED_HERE = {
    "train.seed": "--seeds",
    "train.max_steps": "--steps",
    "train.max_minutes": "--minutes",
    "train.out_dir": "a temporary folder",
    "data.source": "--source",
    "data.data_dir": "--source",
}
"""Settings that a change must not contain, and what determines them."""


@dataclass(frozen=True)
class Variant:
    """One side of the comparison: a name, and its settings over those of the preset."""

    name: str
    settings: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """The result of one run, as saved in the results file."""

    identity: str
    """Hash of code, settings, length and data; see `identity_of`."""
    variant: str
    settings: tuple[str, ...]
    seed: int
    bits_per_byte: float | None
    """None: the run failed."""
    steps: int
    tokens_per_second: float
    """Trained tokens per second of the run, evaluations included."""
    seconds: float
    """Of the whole `slm train`, imports included."""
    failure: str | None


def parse_change(text: str) -> Variant:
    """`name: key=value key=value`; without a name, the settings are the name.

    Raises:
        UsageError: it has no setting, or one that this benchmark determines itself.
        ConfigError: there is no such setting.
    """
    name, colon, rest = text.partition(": ")
    if not colon or "=" not in rest:
        name, rest = text, text
    name = name.strip()
    try:
        settings = tuple(shlex.split(rest))
    except ValueError as error:
        raise UsageError(f"--change {text!r}: {error}") from None
    if not settings or not name:
        raise UsageError(
            f"--change {text!r} changes nothing", hint='write "name: key=value key=value"'
        )
    check_settings(settings)
    return Variant(name, settings)


def check_settings(settings: Iterable[str]) -> None:
    """Reject arguments that are not `key=value`, or that this benchmark determines itself.

    Raises:
        UsageError, ConfigError: the message names the setting.
    """
    for word in settings:
        if "=" not in word:
            raise UsageError(f"{word!r} is not key=value", hint='write "name: key=value key=value"')
        if setting_of(word) in FIXED_HERE:
            decider = FIXED_HERE[setting_of(word)]
            raise UsageError(f"{word} cannot be compared here: {decider} determines it")


def setting_of(word: str) -> str:
    """The full name of the setting in `key=value`."""
    return full_name(word.partition("=")[0].strip())


def variants_of(common: Sequence[str], changes: Iterable[str]) -> list[Variant]:
    """A, and one variant per change.

    Raises:
        UsageError, ConfigError: a setting is invalid, or two variants have the same name.
    """
    check_settings(common)
    found = [Variant(BASELINE, tuple(common))]
    for change in map(parse_change, changes):
        if change.name in {variant.name for variant in found}:
            raise UsageError(f"two variants are called {change.name!r}")
        changed = {setting_of(word) for word in change.settings}
        kept = [word for word in common if setting_of(word) not in changed]
        found.append(Variant(change.name, (*kept, *change.settings)))
    return found


def summary(runs: Sequence[Run], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Figures of every variant over the seeds, and its difference to A."""
    result: dict[str, dict[str, Any]] = {}
    bits: dict[str, dict[int, float]] = {name: {} for name in names}
    for run in runs:
        if run.bits_per_byte is not None:
            bits[run.variant][run.seed] = run.bits_per_byte
    for name in names:
        of_variant = [run for run in runs if run.variant == name]
        done = [run for run in of_variant if run.bits_per_byte is not None]
        values = list(bits[name].values())
        figures: dict[str, Any] = {
            "runs": [asdict(run) for run in of_variant],
            "mean": statistics.fmean(values) if values else None,
            "stdev": statistics.stdev(values) if len(values) > 1 else None,
            "failed": len(of_variant) - len(done),
        }
        for key in ("steps", "tokens_per_second", "seconds"):
            figures[key] = statistics.fmean(getattr(run, key) for run in done) if done else None
        if name != BASELINE:
            figures |= against(bits[BASELINE], bits[name])
            if figures["failed"]:
                figures["verdict"] += f"; {figures['failed']} of its runs failed"
        result[name] = figures
    return result


def identity_of(settings: RunConfig, fingerprint: str, length: Sequence[str], dtype: str) -> str:
    """A hash of everything that determines a run except its seed."""
    digest = hashlib.sha256()
    package = Path(slm.__file__).parent
    for file in sorted([*package.rglob("*.py"), *package.rglob("*.toml")]):
        digest.update(file.read_bytes())
    chosen = settings.to_json()
    decisive = [chosen["model"], chosen["train"], fingerprint, list(length), dtype]
    digest.update(json.dumps(decisive, sort_keys=True).encode("utf-8"))
    return digest.hexdigest()[:16]


def noted_runs(path: Path | None) -> list[Run]:
    """The runs in a results file; an incomplete line is skipped."""
    runs = []
    for line in path.read_text("utf-8").splitlines() if path and path.exists() else []:
        try:
            runs.append(Run(**json.loads(line)))
        except (ValueError, TypeError):
            say(f"note: {path} has a line that is not a result: {line[:60]!r}")
    return runs


def note(run: Run, path: Path) -> None:
    """Append a run on a new line, even after an incomplete one."""
    broken = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
    with path.open("a", encoding="utf-8") as stream:
        stream.write(("\n" if broken else "") + json.dumps(asdict(run)) + "\n")


def slm_command(words: Sequence[str], where: Path) -> tuple[dict[str, Any] | None, str]:
    """Run a command of this `slm` and read the JSON that it prints.

    Returns:
        The JSON and an empty string; or None and the error if the command failed.

    Raises:
        SystemExit: it was killed, or its arguments are invalid.
    """
    paths = [str(Path(slm.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-m", "slm", *words, "--json"],
        cwd=where,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode == 0:
        data: dict[str, Any] = json.loads(done.stdout)
        return data, ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    if done.returncode == 1 and errors:
        return None, errors[-1].removeprefix("error: ")
    raise SystemExit(f"slm {shlex.join(words)} ended with {done.returncode}\n{done.stderr[-2000:]}")


def train_and_measure(
    variant: Variant, seed: int, data: Path, identity: str, args: argparse.Namespace
) -> Run:
    """Perform one run and return its figures; its folder is deleted afterwards."""
    own = [word for word in variant.settings if not setting_of(word).startswith("data.")]
    with tempfile.TemporaryDirectory(prefix="ablate-") as folder:
        place = Path(folder)
        words = ["--preset", args.preset, "--data", str(data), "--out", "run", "--seed", str(seed)]
        words += [*length_words(args), *(["--set", *own] if own else [])]
        started_at = time.perf_counter()
        trained, failure = slm_command(["train", *words], place)
        seconds = time.perf_counter() - started_at
        measured = None
        if trained is not None:
            words = ["--checkpoint", "run", "--data", str(data), "--dtype", args.eval_dtype]
            measured, failure = slm_command(["eval", *words], place)
    bits = None if measured is None else measured["bits_per_byte"]
    if bits is None and not failure:
        failure = "its loss is non-finite"
    trained = trained or {"step": 0, "tokens": 0, "elapsed_seconds": seconds}
    return Run(
        identity=identity,
        variant=variant.name,
        settings=variant.settings,
        seed=seed,
        bits_per_byte=bits,
        steps=trained["step"],
        tokens_per_second=trained["tokens"] / trained["elapsed_seconds"],
        seconds=seconds,
        failure=failure or None,
    )


def length_words(args: argparse.Namespace) -> list[str]:
    """The flag of `slm train` for the length."""
    if args.steps is not None:
        return ["--steps", str(args.steps)]
    return ["--minutes", f"{args.minutes:g}"]


def prepared(variants: Sequence[Variant], args: argparse.Namespace) -> dict[str, tuple[Path, str]]:
    """The data and the identity of every variant; missing data are prepared.

    Raises:
        SlmError: settings are invalid, the text is not available, or variants would be measured on
            different texts.
    """
    from slm.data.data_paths import default_data_dir
    from slm.data.prepare import prepare
    from slm.data.sources import source_of

    flags = {"data.source": (args.source, "--source")}
    found: dict[str, tuple[Path, str]] = {}
    texts: dict[str, tuple[int, int]] = {}
    chosen = {v.name: from_preset(args.preset, None, flags, v.settings) for v in variants}
    for name, settings in chosen.items():
        data = settings.data
        directory = prepare(
            source_of(data, log=say), data.tokenizer, default_data_dir(data), log=say
        )
        identity = identity_of(settings, directory.fingerprint, length_words(args), args.eval_dtype)
        twin = next((other for other, (_, known) in found.items() if known == identity), None)
        if twin is not None:
            raise UsageError(f"{name!r} has the same settings as {twin!r}")
        found[name] = directory.path.resolve(), identity
        validation = directory.split("validation")
        texts[name] = validation.bytes, validation.stories
    if len(set(texts.values())) > 1:
        raise UsageError(
            f"the variants would be measured on different texts: {texts} (bytes, stories)"
        )
    return found


def compare(variants: Sequence[Variant], args: argparse.Namespace) -> list[Run]:
    """All runs in order, including saved ones."""
    places = prepared(variants, args)
    by_name = {variant.name: variant for variant in variants}
    known = {(run.identity, run.seed): run for run in noted_runs(args.results)}
    order = order_of_runs([*by_name], range(1, args.seeds + 1))
    runs = []
    for number, (seed, name) in enumerate(order, 1):
        data, identity = places[name]
        variant = by_name[name]
        if (identity, seed) in known:  # under any name
            noted = known[identity, seed]
            run = replace(noted, variant=name, settings=variant.settings)
        else:
            run = train_and_measure(variant, seed, data, identity, args)
            if args.results is not None:
                note(run, args.results)
        bits = run.failure if run.bits_per_byte is None else f"{run.bits_per_byte:.4f}"
        say(f"{number} of {len(order)}: seed {seed}, {name}: {bits}, {run.steps:,} steps")
        runs.append(run)
    return runs


HEAD = (
    *("", "mean", "deviation", "steps", "seconds", "tokens/s"),
    *("difference to A", "95% interval", "verdict"),
)


def shown(figures: Mapping[str, Any]) -> tuple[str, ...]:
    """One variant as cells of the table, from the second column on."""

    def cell(key: str, form: str) -> str:
        return "?" if figures[key] is None else format(figures[key], form)

    forms = {"mean": ".4f", "stdev": ".4f", "steps": ",.0f", "seconds": ".0f"}
    cells = [cell(key, form) for key, form in {**forms, "tokens_per_second": ",.0f"}.items()]
    if "verdict" not in figures:
        return (*cells, "", "", "")
    interval = figures["interval"]
    between = "?" if interval is None else f"{interval[0]:+.4f} to {interval[1]:+.4f}"
    change = f"{cell('difference', '+.4f')} ({cell('share', '+.1%')})"
    return (*cells, change, between, figures["verdict"])


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", default="builtin", help="the text, as for slm train")
    parser.add_argument("--preset", default="modern-12m")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, help="length of each run by the clock")
    length.add_argument("--steps", type=int, help="length of each run in optimizer steps")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--change", action="append", required=True, metavar="NAME: KEY=VALUE ...")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE")
    parser.add_argument("--eval-dtype", default="float32", help="dtype of slm eval")
    parser.add_argument("--results", type=Path, help="save runs here, and resume from them")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(words)
    if args.seeds < 1:
        parser.error("--seeds must be at least 1")
    return args


def main() -> None:
    args = arguments()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        variants = variants_of(args.set, args.change)
        runs = compare(variants, args)
    except SlmError as error:
        say(f"error: {error.message}\nhint: {error.hint or 'see --help'}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say("interrupted; with --results, the same command resumes")
        sys.exit(130)
    result = summary(runs, [variant.name for variant in variants])
    if args.plot:
        draw({name: result[name] for name in result if name != BASELINE}, args.plot)
    length = " ".join(length_words(args)).removeprefix("--")
    if args.json:
        asked = {"preset": args.preset, "source": args.source, "length": length, "set": args.set}
        print(json.dumps({**asked, "seeds": args.seeds, "variants": result}))
        return
    print(f"{args.preset} on {args.source}, {length}, {args.seeds} seeds")
    print("bits per byte of the validation text; lower is better\n")
    print_table([HEAD, *((name, *shown(figures)) for name, figures in result.items())])
    if len(variants) > 2:
        print("\nOf 20 changes without effect, one will look better or worse by chance.")


if __name__ == "__main__":
    main()
