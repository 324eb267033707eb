"""What a check finds in a text, and what cleaning changes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from slm.quantities import counted

EXAMPLES = 3
EXAMPLE_CHARS = 100


@dataclass
class Finding:
    """A kind of problem.

    Attributes:
        name: for people.
        documents: how many have it.
        examples: some of them, cut.
        mended: what `--clean` does about it.
    """

    name: str
    mended: str
    documents: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        """One more document."""
        self.documents += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(example[: EXAMPLE_CHARS + 60])


@dataclass
class TextReport:
    """What was found in a text."""

    source: str
    documents: int
    held_out: int
    """Documents of the validation split."""
    bytes: int
    findings: list[Finding]
    words: dict[str, float]
    """Words of a document: fewest, median, 95%, most."""
    languages: dict[str, float]
    """Share of the sampled documents by ISO 639-1 code; the most frequent first."""
    not_compared: int
    """Documents that were not compared, because there were too many."""

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        return asdict(self)


@dataclass(frozen=True)
class Cleaned:
    """What cleaning kept and changed; `str` gives it in words."""

    files: list[str]
    documents: int
    bytes: int
    changes: dict[str, int]
    """What was done, and how often."""

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        return asdict(self)

    def __str__(self) -> str:
        done = [f"{name}: {count:,}" for name, count in self.changes.items()]
        return f"{counted(self.documents, 'document')} written; {', '.join(done) or 'no changes'}"
