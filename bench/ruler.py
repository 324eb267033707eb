"""One ruler for everybody's models: the table of docs/explanation/measures.md.

    python bench/ruler.py --text held-out.txt --reference train.txt --blimp blimp.tsv
        builtin runs/ten [MODEL ...] [--endpoint URL ...] [--results ruler.json] [--speed-only]

A model is what `--checkpoint` takes: a run, a checkpoint, an imported model, or builtin. Columns:

- training: tokens read and time taken, where that is known;
- bits per byte of the text, in float32, which must be in nobody's training data;
- stories: the mean of the measures of that suite that rise with training (`RISING`), compared with
  one reference for all models;
- facts, BLiMP: accuracy, chance 50; facts also on plots and names that the corpus does not have;
- tokens/s: one sequence of `SPEED_TOKENS` new tokens as `slm generate` runs it, best of three.

Everything but the speed is kept in the file of results, by the model's weights, so that a table can
grow by a model at a time. Servers get bits per byte only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import slm
from slm.api.endpoints import score_endpoint
from slm.errors import SlmError
from slm.evals.facts import HELD_OUT
from slm.evals.suite import SuiteResult
from slm.model.costs import model_costs
from slm.quantities import duration
from slm.reporting.display import say, scoring_progress
from slm.storage.files import atomic_write

RISING = ("answers", "pronouns", "names", "order", "language", "ending")
SPEED_TOKENS = 200
SPEED_ROUNDS = 3
COLUMNS = (
    "model",
    "parameters",
    "training",
    "bits per byte",
    "stories",
    "facts",
    "facts, held out",
    "BLiMP",
    "tokens/s",
)


@dataclass(frozen=True)
class Row:
    """A model's line; None: not measured."""

    name: str
    parameters: int | None = None
    training_tokens: int | None = None
    training_seconds: float | None = None
    bits_per_byte: float | None = None
    stories: float | None = None
    facts: float | None = None
    facts_held_out: float | None = None
    blimp: float | None = None
    tokens_per_second: float | None = None

    def cells(self) -> list[str]:
        """As in the table."""
        training = "not known"
        if self.training_tokens:
            time_taken = duration(self.training_seconds or 0.0)
            training = f"{self.training_tokens / 1e6:,.1f} M tokens, {time_taken}"
        return [
            self.name,
            "" if self.parameters is None else f"{self.parameters / 1e6:.2f} M",
            training,
            _figure(self.bits_per_byte, 4),
            _figure(self.stories, 1),
            _figure(self.facts, 1),
            _figure(self.facts_held_out, 1),
            _figure(self.blimp, 1),
            _figure(self.tokens_per_second, 0),
        ]


def _figure(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


class Results:
    """The rows that were measured before, by what was measured on what."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, dict[str, Any]] = (
            json.loads(path.read_text()) if path.exists() else {}
        )

    def get(self, key: str) -> Row | None:
        """The row of a key."""
        return Row(**self._rows[key]) if key in self._rows else None

    def keep(self, key: str, row: Row) -> None:
        """Save a row, without its speed."""
        self._rows[key] = asdict(replace(row, tokens_per_second=None))
        atomic_write(self._path, json.dumps(self._rows, indent=2) + "\n")


def weights_digest(lm: slm.LanguageModel) -> str:
    """A SHA-256 of the weights as they are computed with."""
    digest = hashlib.sha256()
    for name, values in lm.model.state_dict().items():
        digest.update(name.encode() + values.cpu().numpy().tobytes())
    return digest.hexdigest()


def measurements(
    lm: slm.LanguageModel, name: str, known: Row | None, args: argparse.Namespace
) -> Iterator[Row]:
    """The row after each measurement, without the speed."""
    row = replace(
        known or Row(name),
        name=name,
        parameters=model_costs(lm.config).parameters,
        training_tokens=lm.state.tokens_seen or None,
        training_seconds=lm.state.time.elapsed_seconds or None,
    )
    if row.bits_per_byte is None:
        found = slm.evaluate(lm, source=args.text)
        row = replace(row, bits_per_byte=found.bits_per_byte)
    yield row
    if row.stories is None:
        written = _suite(lm, "stories", source=args.reference)
        if written is not None:
            scores = {part.name: part.value for part in written.parts}
            row = replace(row, stories=fmean(scores[each] for each in RISING))
    yield row
    if row.facts is None:
        asked = _suite(lm, "facts")
        if asked is not None:
            of_corpus = [p.value for p in asked.parts if not p.name.endswith(HELD_OUT)]
            held_out = [p.value for p in asked.parts if p.name.endswith(HELD_OUT)]
            row = replace(row, facts=fmean(of_corpus), facts_held_out=fmean(held_out))
    yield row
    if row.blimp is None and args.blimp is not None:
        compared = _suite(lm, "blimp", source=args.blimp)
        if compared is not None and compared.score is not None:
            row = replace(row, blimp=compared.score.value)
    yield row


def _suite(lm: slm.LanguageModel, suite: str, **options: Any) -> SuiteResult | None:
    """A suite's result; None: the model cannot take it, for example with a short context."""
    say(f"{lm.path}: {suite}")
    try:
        return lm.evaluate(suite, **options)
    except SlmError as error:
        say(f"note: {lm.path} has no result in {suite}: {error.message}")
        return None


def tokens_per_second(lm: slm.LanguageModel) -> float:
    """Of one sequence, prompt and sampling included; the best of some rounds."""
    options = slm.GenerationOptions(max_new_tokens=SPEED_TOKENS, temperature=0.8, seed=0)
    speeds = []
    for round_number in range(SPEED_ROUNDS):
        started_at = time.perf_counter()
        chosen = replace(options, seed=round_number)
        (completion,) = lm.generator.complete(["Once upon a time"], chosen)
        speeds.append(completion.new_tokens / (time.perf_counter() - started_at))
    return max(speeds)


def of_endpoint(address: str, text: str) -> Row:
    """The row of a server's model."""
    with scoring_progress() as report:
        found = score_endpoint(
            address, text, None, model=None, end_of_text=None, report=report, log=say
        )
    return Row(found.model, bits_per_byte=found.result.bits_per_byte)


def table(rows: list[Row]) -> str:
    """The rows in Markdown."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Measure what is not known yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--endpoint", action="append", default=[], metavar="URL")
    parser.add_argument("--text", required=True, help="a file that no model was trained on")
    parser.add_argument("--reference", required=True, help="stories that all are compared with")
    parser.add_argument("--blimp", help="BLiMP's file; without it, that column is empty")
    parser.add_argument("--results", type=Path, default=Path("ruler.json"))
    parser.add_argument("--speed-only", action="store_true", help="measure nothing but tokens/s")
    args = parser.parse_args()
    texts = [args.text, args.reference, *([args.blimp] if args.blimp else [])]
    digests = [hashlib.sha256(Path(text).read_bytes()).hexdigest()[:16] for text in texts]
    results = Results(args.results)
    rows = []
    for path in args.models:
        lm = slm.load(path)
        key = f"{weights_digest(lm)[:16]} on {', '.join(digests)}"
        known = results.get(key)
        row = known or Row(Path(path).name)
        if not args.speed_only:
            for row in measurements(lm, Path(path).name, known, args):
                results.keep(key, row)
        rows.append(replace(row, tokens_per_second=tokens_per_second(lm)))
    rows += [of_endpoint(address, args.text) for address in args.endpoint]
    print(table(rows))


if __name__ == "__main__":
    main()
