"""The runs behind the scaling law, the fit to them, and its plot.

    python bench/law.py run --source FOLDER --runs 2:128:4 5:192:4 10:192:4
    python bench/law.py add --source FOLDER runs/an-hour
    python bench/law.py fit --plot docs/pictures/law.png

`run` trains each MINUTES:WIDTH:LAYERS with `slm train --minutes`, measures it with `slm eval` on
the whole validation text, and adds it to `--results` (docs/explanation/law.json); `add` does
the same for finished runs of `slm train --minutes`. `fit` fits the constants of
`slm.planning.scaling_law` to these runs and prints them, with the speed of each machine. No other
program should run meanwhile.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from slm.planning.scaling_law import ScalingLaw, effective_bytes

RESULTS = Path("docs/explanation/law.json")
SIZE_EXPONENTS = np.arange(0.10, 0.61, 0.01)
DATA_EXPONENTS = np.arange(0.10, 0.61, 0.01)
REPEATS_WORTH = np.arange(2.0, 21.0)
Runs = Sequence[Mapping[str, Any]]
TINYSTORIES_BYTES = 1.9e9
PUBLISHED: Runs = tuple(
    {"unique_bytes": TINYSTORIES_BYTES, **model}
    for model in (
        {"in_blocks": 8_000_000, "text_bytes": 6.6e9, "bits_per_byte": 0.425},
        {"in_blocks": 5_971_968, "text_bytes": 39.8e9, "bits_per_byte": 0.38},
        {"in_blocks": 84_934_656, "text_bytes": 107e9, "bits_per_byte": 0.27},
    )
)
"""Public models of TinyStories (12 million parameters, 1.6 G tokens; llama2.c's of 15 million, 9.7
G tokens, and of 110 million, 26 G), converted to bits per byte to within 5%. They count half. Our
runs alone do not determine the floor, and put it above what these models reach."""


def train(source: str, minutes: float, width: int, layers: int, out: Path) -> dict[str, Any]:
    """Perform one run with the planned settings, except for its size."""
    shape = [f"n_embd={width}", f"n_layer={layers}", f"n_head={width // 64}"]
    words = ["train", "--minutes", f"{minutes:g}", "--source", source, "--out", str(out), "--json"]
    began_at = time.perf_counter()
    slm(*words, "--set", *shape)
    return {**record_of(out, source), "seconds": round(time.perf_counter() - began_at, 1)}


def record_of(out: Path, source: str) -> dict[str, Any]:
    """The figures of a finished run to which the law is fitted."""
    from slm import open_run
    from slm.data.shards import DataDirectory
    from slm.model import model_costs

    measured = slm("eval", "--checkpoint", str(out), "--source", source, "--json")
    steps = steps_of(out)
    tokens = max(step["tokens"] for step in steps)
    settings = open_run(out).config
    data = DataDirectory.open(settings.data.data_dir)
    costs = model_costs(settings.model)
    return {
        "minutes": settings.train.max_minutes,
        "width": settings.model.n_embd,
        "layers": settings.model.n_layer,
        "parameters": costs.parameters,
        "in_blocks": costs.non_embedding_parameters,
        "flops_per_token": costs.training_flops_per_token,
        "compiled": settings.train.compile == "on",
        "steps": max(step["step"] for step in steps),
        "tokens": tokens,
        "text_bytes": round(tokens * data.bytes_per_token("train")),
        "unique_bytes": data.split("train").bytes,
        "seconds": round(max(step["elapsed_seconds"] for step in steps), 1),
        "training_seconds": round(tokens / median(s["tokens_per_second"] for s in steps), 1),
        "bits_per_byte": round(measured["bits_per_byte"], 4),
    }


def steps_of(out: Path) -> list[dict[str, Any]]:
    """The records of a run's steps; their speeds exclude startup, compilation and evaluation."""
    from slm.config.run_files import METRICS_FILE
    from slm.reporting.metrics import read_metrics

    return [record for record in read_metrics(out / METRICS_FILE) if record["kind"] == "train"]


def slm(*words: str) -> dict[str, Any]:
    """The JSON output of a command of `slm`."""
    command = [sys.executable, "-m", "slm", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def fit_quality(runs: Runs, published: Runs = PUBLISHED) -> ScalingLaw:
    """The law with the least squares of relative errors, over our runs and the published models.

    For given exponents and a given worth of repeats the problem is linear; these are searched on a
    grid.
    """
    weights = np.array([1.0] * len(runs) + [0.5] * len(published))
    runs = [*runs, *published]
    bits = np.array([run["bits_per_byte"] for run in runs])
    size = np.array([float(run["in_blocks"]) for run in runs])
    scale = (weights / bits)[:, None]
    best, least_error = None, math.inf
    for repeats_worth in REPEATS_WORTH:
        text = np.array(
            [effective_bytes(run["text_bytes"], run["unique_bytes"], repeats_worth) for run in runs]
        )
        for size_exponent, exponent in itertools.product(SIZE_EXPONENTS, DATA_EXPONENTS):
            columns = np.stack([np.ones_like(bits), size**-size_exponent, text**-exponent], axis=1)
            factors, *_ = np.linalg.lstsq(columns * scale, weights, rcond=None)
            error = float(((weights * ((columns @ factors) / bits - 1)) ** 2).sum())
            if (factors >= 0).all() and error < least_error:
                floor, size_factor, data_factor = map(float, factors)
                best = ScalingLaw(
                    floor,
                    size_factor,
                    float(size_exponent),
                    data_factor,
                    float(exponent),
                    float(repeats_worth),
                )
                least_error = error
    if best is None:
        raise SystemExit("no law with positive terms fits these runs: add more runs")
    return best


def timed(runs: Runs, machine: str, compiled: bool) -> Runs:
    """The runs of one machine, all compiled or all not, whose training time is known."""
    of = (machine, compiled)
    alike = [run for run in runs if (run["machine"], run["compiled"]) == of]
    return [run for run in alike if "training_seconds" in run]


def fit_speed(runs: Runs) -> tuple[float, float]:
    """Seconds per operation and per token, from runs that are all compiled or all not."""
    flops = np.array([float(run["flops_per_token"]) for run in runs])
    seconds = np.array([run["training_seconds"] / run["tokens"] for run in runs])
    columns = np.stack([flops, np.ones_like(flops)], axis=1) / seconds[:, None]
    (per_flop, per_token), *_ = np.linalg.lstsq(columns, np.ones_like(seconds), rcond=None)
    return float(per_flop), float(per_token)


def predicted(run: Mapping[str, Any], law: ScalingLaw) -> float:
    """Bits per byte of a run according to the law."""
    return law.bits_per_byte(run["in_blocks"], run["text_bytes"], run["unique_bytes"])


def length_of(run: Mapping[str, Any]) -> str:
    """The minutes of a run, or the tokens of one that counted steps."""
    return f"{run['minutes']:g} min" if run["minutes"] else f"{run['tokens'] / 1e6:.0f} M tokens"


def draw(runs: Runs, law: ScalingLaw, path: Path) -> None:
    """Plot the runs of the largest text as points, and the law as one line per size.

    The horizontal axis is the text read.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, ScalarFormatter

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    unique = max(run["unique_bytes"] for run in runs)
    runs = [run for run in runs if run["unique_bytes"] == unique]
    sizes = sorted({(run["in_blocks"], run["width"], run["layers"]) for run in runs})
    seen = np.geomspace(
        min(r["text_bytes"] for r in runs) / 1.5, 3 * max(r["text_bytes"] for r in runs)
    )
    for number, (in_blocks, width, layers) in enumerate(sizes):
        colour = f"C{number}"
        curve = [law.bits_per_byte(in_blocks, s, unique) for s in seen]
        axes.plot(seen / 1e6, curve, color=colour, lw=1, label=f"{layers} layers of width {width}")
        mine = [run for run in runs if run["in_blocks"] == in_blocks]
        bits = [run["bits_per_byte"] for run in mine]
        axes.scatter([run["text_bytes"] / 1e6 for run in mine], bits, color=colour)
        first = {(run["machine"], length_of(run)): run for run in reversed(mine)}
        for (_, length), run in first.items():  # of several seeds, one has a label
            axes.annotate(
                length,
                (run["text_bytes"] / 1e6, run["bits_per_byte"]),
                textcoords="offset points",
                xytext=(5, 5 if run["minutes"] else -12),
                fontsize=8,
            )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.set_xlabel("text read, MB")
    axes.set_ylabel("bits per byte of the validation text")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=100)


def new_records(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the records of the runs that a command names."""
    if args.command == "add":
        yield from (record_of(folder, args.source) for folder in args.folders)
        return
    for text in args.runs:
        minutes, width, layers = text.split(":")
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            yield train(args.source, float(minutes), int(width), int(layers), out)


def main() -> None:
    """Perform runs, or fit the law to existing ones."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run")
    runner.add_argument("--runs", nargs="+", required=True, metavar="MINUTES:WIDTH:LAYERS")
    adder = commands.add_parser("add")
    adder.add_argument("folders", nargs="+", type=Path, metavar="RUN")
    for command in (runner, adder):
        command.add_argument("--source", required=True)
        command.add_argument("--machine", default=platform.processor() or platform.machine())
    fitter = commands.add_parser("fit")
    fitter.add_argument("--plot", type=Path)
    args = parser.parse_args()
    runs = json.loads(args.results.read_text()) if args.results.exists() else []
    if args.command != "fit":
        for record in new_records(args):
            runs.append({"machine": args.machine, **record})
            args.results.write_text(json.dumps(runs, indent=1) + "\n")
            print(runs[-1], file=sys.stderr, flush=True)
        return
    law = fit_quality(runs)
    for name, value in asdict(law).items():
        print(f"{name}: float = {value:.4g}")
    for machine, compiled in sorted({(run["machine"], run["compiled"]) for run in runs}):
        alike = timed(runs, machine, compiled)
        if len({run["flops_per_token"] for run in alike}) > 1:
            per_flop, per_token = fit_speed(alike)
            how = "compiled" if compiled else "eager"
            print(f"{machine}, {how}: {per_flop:.3g} s per operation, {per_token:.3g} s per token")
    for run in runs:
        name = f"{length_of(run)}, {run['layers']} x {run['width']}"
        print(f"{name:20} {run['bits_per_byte']:.4f}, by the law {predicted(run, law):.4f}")
    for model in PUBLISHED:
        found = predicted(model, law)
        print(f"{'published':20} {model['bits_per_byte']:.4f}, by the law {found:.4f}")
    if args.plot:
        draw(runs, law, args.plot)


if __name__ == "__main__":
    main()
