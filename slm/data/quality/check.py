"""Checks a text as a stream of documents, and writes it again without what is wrong.

The first pass looks at every document and remembers numbers only, a second one fetches examples of
duplicates, and a third writes. Held-out documents are read first, so that a training document that
repeats one of them is the one to go.
"""

from __future__ import annotations

import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from slm.data.documents import DocumentPart
from slm.data.file_source import existing_path
from slm.data.quality.duplicates import Duplicate, DuplicateFinder
from slm.data.quality.findings import EXAMPLE_CHARS, EXAMPLES, Cleaned, Finding, TextReport
from slm.data.quality.problems import (
    BOILERPLATE,
    LINE_BREAKS,
    ODD,
    around,
    encoding_mender,
    is_cut_off,
)
from slm.data.readers import read_documents
from slm.data.reservoir import Reservoir
from slm.data.sources import Source, is_builtin, open_source
from slm.data.splits import Split
from slm.errors import DataError, MissingExtraError, UsageError
from slm.log import Log, silent, without_repeats
from slm.storage.files import atomic_directory
from slm.tokenizer.base import EOT_TEXT

MOST_LINES = 200_000
"""Different lines that are counted, to find the repeated ones."""
REPEATED_LINE_SHARE = 0.01
REPEATED_LINE_COUNT = 20
LANGUAGE_SAMPLE = 300
LANGUAGE_CHARS = 400
SHORT_WORDS = 10

Report = Callable[[str, float | None, float, str], None]


class _Part(NamedTuple):
    """A document, or a part of a very long one."""

    number: int
    split: Split
    text: str
    begins: bool
    ends: bool

    @property
    def is_whole(self) -> bool:
        return self.begins and self.ends


class TextCheck:
    """Checks the text of a source, which may have zero bytes, unlike a text to train on.

    Args:
        source: `builtin`, a dataset, a file or a folder. A single file has no held-out split.
        limit: training documents to read; None: all.
        report: called with the progress.
        log: called with sentences for the user.

    Raises:
        UsageError: there is no such source.
        MissingExtraError: a library is not installed.
    """

    def __init__(
        self,
        source: str,
        *,
        limit: int | None = None,
        report: Report = lambda *values: None,
        log: Log = silent,
    ) -> None:
        self._source = source
        self._limit = limit
        self._report = report
        self._log = without_repeats(log)  # the text is read several times
        self._mend = encoding_mender()
        self._duplicates: dict[int, Duplicate] = {}
        self._last_with: dict[str, int] = {}
        """The last document with a kind of problem."""
        self._n_held_out = 0
        self._repeated_lines: set[int] = set()

    # -- reading -----------------------------------------------------------------------------------

    def _parts(self) -> Iterator[tuple[Split, DocumentPart]]:
        path = existing_path(self._source)
        if not is_builtin(self._source) and path is not None and path.is_file():
            n_read = 0
            for part in read_documents(path, allow_zero_bytes=True, log=self._log):
                yield "train", part
                n_read += part.ends_story
                if n_read == self._limit:
                    return
            return
        for part in self._opened.parts("validation"):
            yield "validation", part
        for part in self._opened.parts("train"):
            yield "train", part

    @cached_property
    def _opened(self) -> Source:
        """Opened once: the folder for the repaired copy may be inside the one of the text."""
        return open_source(self._source, limit=self._limit, allow_zero_bytes=True, log=self._log)

    def _documents(self) -> Iterator[_Part]:
        number, begins = 0, True
        for split, part in self._parts():
            yield _Part(number, split, part.text, begins, part.ends_story)
            begins = part.ends_story
            number += part.ends_story

    # -- the first pass ----------------------------------------------------------------------------

    def check(self) -> TextReport:
        """Look at all of it.

        Raises:
            DataError: it cannot be read, or is empty.
        """
        findings = {
            "encoding": Finding("damaged encoding", "mended"),
            "odd": Finding("control or invisible characters", "removed"),
            "exact": Finding("exact duplicates", "dropped"),
            "near": Finding("near duplicates", "dropped"),
            "overlap": Finding("training documents like a held-out one", "dropped"),
            "end": Finding("cut off at the end", "kept"),
            "start": Finding("cut off at the start", "kept"),
            "boilerplate": Finding("addresses, markup, legal text", "kept"),
            "lines": Finding("lines that many documents share", "removed"),
            "short": Finding(f"fewer than {SHORT_WORDS} words", "kept"),
            "empty": Finding("empty", "dropped"),
            "language": Finding("another language", "kept"),
        }
        self._last_with.clear()
        finder = DuplicateFinder()
        lengths = array("I")
        lines: Counter[int] = Counter()
        sample: Reservoir[str] = Reservoir(LANGUAGE_SAMPLE, seed=0)
        n_bytes = n_documents = 0
        for n_seen, part in enumerate(self._documents(), 1):
            n_documents = part.number + 1
            n_bytes += len(part.text.encode("utf-8", "surrogatepass"))
            if part.split == "validation":
                self._n_held_out = n_documents
            if n_seen % 500 == 0:
                self._report("reading", None, n_bytes / 1e6, "MB")
            if part.begins:  # of a very long document, the rest is not compared
                finder.add(part.text if part.is_whole else f"\0{part.number}")
                lengths.append(0)
                _count_lines(part.text, lines)
            lengths[-1] = min(lengths[-1] + len(part.text.split()), 2**31)
            self._look(part, findings)
            sample.add(part.text[:LANGUAGE_CHARS])
        if not n_documents:
            raise DataError(f"{self._source} contains no text", hint="check that it is not empty")
        self._report("comparing", None, n_documents, "documents")
        self._duplicates = {found.document: found for found in finder.duplicates()}
        fewest = max(REPEATED_LINE_COUNT, int(REPEATED_LINE_SHARE * n_documents))
        self._repeated_lines = {line for line, count in lines.items() if count >= fewest}
        self._fetch_examples(findings)
        return TextReport(
            source=self._source,
            documents=n_documents,
            held_out=self._n_held_out,
            bytes=n_bytes,
            findings=list(findings.values()),
            words=_spread(lengths),
            languages=self._languages(sample.items, findings["language"]),
            not_compared=finder.n_left_out,
        )

    def _look(self, part: _Part, findings: dict[str, Finding]) -> None:
        def add(kind: str, example: str) -> None:
            if self._last_with.get(kind) != part.number:  # not in an earlier part of it
                self._last_with[kind] = part.number
                findings[kind].add(example)

        text = part.text
        mended = self._mend(text)
        if mended != text:
            at = next((i for i, (a, b) in enumerate(zip(text, mended, strict=False)) if a != b), 0)
            add("encoding", around(text, at, at + 8))
        if odd := ODD.search(mended):
            place = around(mended, *odd.span(), room=30)
            add("odd", f"U+{ord(odd[0]):04X} in: {ODD.sub(' ', place)}")
        if found := BOILERPLATE.search(text):
            add("boilerplate", around(text, *found.span()))
        if not part.is_whole:
            return
        n_words = len(text.split())
        if not n_words:
            add("empty", repr(text[:20]))
            return
        if n_words < SHORT_WORDS:
            add("short", around(text, 0, EXAMPLE_CHARS))
        where = is_cut_off(text)
        if where == "end":
            add("end", around(text, len(text) - 1, len(text), room=80))
        elif where == "start":
            add("start", around(text, 0, 1, room=80))

    def _kind_of(self, duplicate: Duplicate) -> str:
        if duplicate.document >= self._n_held_out > duplicate.original:
            return "overlap"
        return "exact" if duplicate.is_exact else "near"

    def _fetch_examples(self, findings: dict[str, Finding]) -> None:
        """One more pass, for the texts of duplicates and of repeated lines."""
        wanted: dict[int, str] = {}
        per_kind: Counter[str] = Counter()
        for duplicate in self._duplicates.values():
            kind = self._kind_of(duplicate)
            findings[kind].documents += 1
            per_kind[kind] += 1
            if per_kind[kind] <= EXAMPLES:
                wanted[duplicate.document] = kind
        if not wanted and not self._repeated_lines:
            return
        shown: set[int] = set()
        last = -1
        for part in self._documents():
            if part.begins and part.number in wanted:
                kind = wanted.pop(part.number)
                findings[kind].examples.append(around(part.text, 0, EXAMPLE_CHARS, room=0))
            if self._repeated_lines:
                lines = part.text.splitlines()
                here = [line for line in lines if _line_hash(line) in self._repeated_lines]
                if here and part.number != last:
                    findings["lines"].documents += 1
                    last = part.number
                for line in here:
                    if len(shown) < EXAMPLES and _line_hash(line) not in shown:
                        shown.add(_line_hash(line))
                        findings["lines"].examples.append(around(line, 0, EXAMPLE_CHARS, room=0))
            elif not wanted:
                return

    def _languages(self, sample: list[str], finding: Finding) -> dict[str, float]:
        try:
            import py3langid
        except ImportError:
            raise MissingExtraError(
                "py3langid", extra="quality", purpose="slm data check"
            ) from None
        texts = [text for text in sample if len(text.split()) >= SHORT_WORDS]
        self._report("recognizing languages", None, len(texts), "documents")
        codes = [str(py3langid.classify(text)[0]) for text in texts]
        counts = Counter(codes).most_common()
        for text, code in zip(texts, codes, strict=True):
            if code != counts[0][0]:
                finding.add(f"{code}: {around(text, 0, EXAMPLE_CHARS, room=0)}")
        return {code: count / len(codes) for code, count in counts}

    # -- the mended text ---------------------------------------------------------------------------

    def clean(self, out: Path) -> Cleaned:
        """Write the mended text into a new folder: `train.txt`, and perhaps `validation.txt`.

        Call `check` before.

        Raises:
            UsageError: something is there already.
            WriteError, NoSpaceError: it cannot be written.
        """
        require_new_folder(out)
        changes: Counter[str] = Counter()
        splits: list[Split] = ["validation", "train"] if self._n_held_out else ["train"]
        n_documents = n_bytes = 0
        with atomic_directory(out) as folder:
            for split in splits:
                with (folder / f"{split}.txt").open("wb") as stream:
                    for text, ends in self._mended(split, changes):
                        content = text.encode("utf-8", "replace")
                        stream.write(content + (f"\n{EOT_TEXT}\n".encode() if ends else b""))
                        n_bytes += len(content)
                        n_documents += ends
        done = {name: count for name, count in changes.items() if count}
        files = [str(out / f"{split}.txt") for split in splits]
        return Cleaned(files, n_documents, n_bytes, done)

    def _mended(self, split: Split, changes: Counter[str]) -> Iterator[tuple[str, bool]]:
        last = -1
        for part in self._documents():
            if part.split != split:
                continue
            if part.number in self._duplicates:
                kind = self._kind_of(self._duplicates[part.number])
                changes[f"{_DROPPED[kind]} dropped"] += 1
                continue
            better = self._mend(part.text)
            is_mended = better != part.text and part.number != last
            changes["documents with a mended encoding"] += is_mended
            last = part.number if is_mended else last
            better, n_breaks = LINE_BREAKS.subn("\n", better)
            changes["odd line breaks replaced"] += n_breaks
            plain = ODD.sub("", better)
            changes["characters removed"] += len(better) - len(plain)
            # In the new file it would end the document.
            changes["end-of-text markers removed"] += plain.count(EOT_TEXT)
            plain = plain.replace(EOT_TEXT, "")
            if self._repeated_lines:
                kept = [
                    line
                    for line in plain.split("\n")
                    if _line_hash(line) not in self._repeated_lines
                ]
                changes["repeated lines removed"] += plain.count("\n") + 1 - len(kept)
                plain = "\n".join(kept)
            if part.is_whole and not plain.strip():
                changes["empty documents dropped"] += 1
                continue
            yield plain, part.ends


def require_new_folder(out: Path) -> None:
    """Refuse a place for the mended text where something is already.

    Raises:
        UsageError: it is a file, or a folder that is not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists already", hint="give a new folder")


_DROPPED = {
    "exact": "exact duplicates",
    "near": "near duplicates",
    "overlap": "training documents like a held-out one",
}


def _line_hash(line: str) -> int:
    return zlib.crc32(" ".join(line.split()).encode("utf-8", "surrogatepass"))


def _count_lines(text: str, lines: Counter[int]) -> None:
    """Count the lines of a text with several."""
    if "\n" not in text.strip():
        return
    lines_of_text = LINE_BREAKS.sub("\n", text).split("\n")
    for line in {line for line in lines_of_text if len(line.split()) >= 3}:
        number = _line_hash(line)
        if number in lines or len(lines) < MOST_LINES:
            lines[number] += 1


def _spread(lengths: array[int]) -> dict[str, float]:
    values = np.frombuffer(lengths, dtype=np.uint32)
    low, middle, high, most = np.percentile(values, [0, 50, 95, 100])
    return {"fewest": low, "median": middle, "95%": high, "most": most}
