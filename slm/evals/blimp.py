"""BLiMP: 67 paradigms of 1,000 minimal pairs of English grammar (Warstadt et al. 2020).

Scored as in the LM Evaluation Harness: after the token that begins a text, each sentence with a
space before it. One difference: where both sentences are equally likely, which seven pairs of the
data always are, a pair counts half instead of as right.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from slm.data.hub import hub_errors, quiet_datasets, unreachable
from slm.errors import ConfigError, DataError, HubError, UsageError, shown
from slm.evals.pairs import CHANCE, MinimalPair, accuracies, score_pairs
from slm.evals.suite import (
    ITEMS_SHA256,
    Score,
    StageProgress,
    Subject,
    SuiteResult,
    check_seed,
    no_progress,
    score,
)
from slm.log import Log, silent
from slm.storage.safe_reading import open_regular, strict_json

HUB_NAME = "nyu-mll/blimp"
LARGEST_FILE_BYTES = 256 << 20
LARGEST_SENTENCE = 10_000
ENDINGS = (".tsv", ".csv", ".jsonl")


class BlimpPair(NamedTuple):
    """A minimal pair and where it belongs.

    Attributes:
        paradigm: BLiMP's UID, or the task of its supplement.
        field: such as `syntax`; the paradigm where the data have no fields.
        good: the acceptable sentence.
        bad: the unacceptable one.
    """

    paradigm: str
    field: str
    good: str
    bad: str


class BlimpSuite:
    """Accuracy by field and by paradigm.

    Args:
        source: a file (.tsv, .csv or .jsonl) or a folder of such files with columns
            `sentence_good`, `sentence_bad`, and `UID` or `task`; None: the hub's dataset.
        limit: the first pairs of each paradigm only; None: all.
        log: called with sentences for the user.
    """

    name = "blimp"

    def __init__(
        self,
        source: str | Path | None = None,
        *,
        limit: int | None = None,
        log: Log = silent,
    ) -> None:
        self._source = source
        self._limit = limit
        self._log = log
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise ConfigError(
                f"limit must be at least 1 pair of each paradigm, found {limit}",
                hint="leave it out for all",
            )

    def run(
        self, subject: Subject, *, seed: int, progress: StageProgress = no_progress
    ) -> SuiteResult:
        """See `Suite`.

        Raises:
            DataError: the pairs cannot be read.
            HubError: the hub cannot be reached.
            UsageError: there is no such file.
        """
        check_seed(seed)
        rows = _from_hub(self._log) if self._source is None else _from_path(Path(self._source))
        blimp = list(first_of_each(rows, self._limit))
        pairs = [MinimalPair(pair.field, "", f" {pair.good}", f" {pair.bad}") for pair in blimp]
        values = score_pairs(subject, pairs, progress=progress, stage="scoring sentences")
        by_paradigm: dict[str, list[float]] = {}
        for pair, value in zip(blimp, values, strict=True):
            by_paradigm.setdefault(pair.paradigm, []).append(value)
        return SuiteResult(
            suite=self.name,
            score=_mean_of(by_paradigm, seed),
            parts=tuple(accuracies(pairs, values, seed)),
            seed=seed,
            details={
                "source": str(self._source or HUB_NAME),
                "pairs": len(pairs),
                ITEMS_SHA256: hashlib.sha256(repr(blimp).encode()).hexdigest(),
                "paradigms": {name: fmean(found) for name, found in by_paradigm.items()},
            },
        )


def first_of_each(pairs: Iterable[BlimpPair], limit: int | None) -> Iterator[BlimpPair]:
    """The first `limit` pairs of each paradigm."""
    counts: dict[str, int] = {}
    for pair in pairs:
        counts[pair.paradigm] = counts.get(pair.paradigm, 0) + 1
        if limit is None or counts[pair.paradigm] <= limit:
            yield pair


def _mean_of(by_paradigm: Mapping[str, list[float]], seed: int) -> Score:
    """The mean over paradigms, each with the same weight."""
    n_pairs = sum(map(len, by_paradigm.values()))
    weighted = [
        value * n_pairs / (len(by_paradigm) * len(found))
        for found in by_paradigm.values()
        for value in found
    ]
    return score("blimp", weighted, seed=seed, chance=CHANCE)


# -- reading ---------------------------------------------------------------------------------------


def _from_path(path: Path) -> Iterator[BlimpPair]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in ENDINGS)
        if not files:
            raise DataError(
                f"{path} contains no {', '.join(ENDINGS)} file",
                hint="give the folder of BLiMP's .jsonl files, or a single file",
            )
    elif path.exists():
        files = [path]
    else:
        raise UsageError(f"there is no file or folder {path}", hint="check the path")
    found = False
    for file in files:
        for pair in _read_file(file):
            found = True
            yield pair
    if not found:
        raise DataError(f"{path} contains no pairs", hint="give a file that is not empty")


def _read_file(file: Path) -> Iterator[BlimpPair]:
    if file.suffix not in ENDINGS:
        raise DataError(f"{file} is not a {', '.join(ENDINGS)} file", hint="convert it to .jsonl")
    try:
        with open_regular(file) as stream:
            content = stream.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror or error}") from None
    if len(content) > LARGEST_FILE_BYTES:
        raise DataError(f"{file} is larger than {LARGEST_FILE_BYTES >> 20} MiB")
    try:
        # Not splitlines(), which also splits at characters that a sentence may have.
        lines = re.split("\r\n|\n|\r", content.decode("utf-8-sig"))
    except UnicodeError as error:
        raise DataError(f"{file} is not UTF-8: {error}") from None
    rows = _json_rows(lines, file) if file.suffix == ".jsonl" else _table_rows(lines, file)
    for number, row in enumerate(rows, 1):
        yield _pair(row, f"{file}, pair {number:,}", default=file.stem)


def _json_rows(lines: list[str], file: Path) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = strict_json(line.encode("utf-8"))
        except ValueError as error:
            raise DataError(f"{file}, line {number:,} is not valid JSON: {error}") from None
        if not isinstance(row, dict):
            raise DataError(f"{file}, line {number:,} is not a JSON object")
        yield row


def _table_rows(lines: list[str], file: Path) -> Iterator[Mapping[str, Any]]:
    try:
        if file.suffix == ".tsv":
            yield from csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        else:
            yield from csv.DictReader(lines)
    except csv.Error as error:
        raise DataError(f"{file} is not a table: {error}") from None


def _pair(row: Mapping[str, Any], where: str, *, default: str) -> BlimpPair:
    good, bad = row.get("sentence_good"), row.get("sentence_bad")
    for name, sentence in (("sentence_good", good), ("sentence_bad", bad)):
        if not isinstance(sentence, str) or not 0 < len(sentence.strip()) <= LARGEST_SENTENCE:
            raise DataError(
                f"{where}: {name} is {shown(sentence)}, expected a sentence",
                hint="BLiMP's files have the columns sentence_good, sentence_bad, UID and field",
            )
    paradigm = str(row.get("UID") or row.get("task") or default)
    return BlimpPair(paradigm, str(row.get("field") or paradigm), str(good), str(bad))


def _from_hub(log: Log) -> Iterator[BlimpPair]:
    from huggingface_hub import constants

    problem = None if constants.HF_HUB_OFFLINE else unreachable(constants.ENDPOINT)
    if problem is not None:
        raise HubError(
            f"cannot download {HUB_NAME}: {problem}",
            hint="give BLiMP's files with --source PATH, or set HF_HUB_OFFLINE=1 to use the copy "
            "in the cache",
        )
    with hub_errors(HUB_NAME):
        datasets = quiet_datasets()
        names = datasets.get_dataset_config_names(HUB_NAME)
    log(f"reading the {len(names)} paradigms of {HUB_NAME}")
    for name in names:
        with hub_errors(HUB_NAME):
            rows = datasets.load_dataset(HUB_NAME, name, split="train")
        for row in rows:
            yield _pair(row, f"{HUB_NAME}, {name}", default=name)
