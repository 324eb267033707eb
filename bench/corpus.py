"""Measures the built-in story corpus, or a text file of stories, against the project's goals.

    python bench/corpus.py [--stories 100000] [--megabytes 15] [--seed 0] [--compare FILE] [--json]

Measures:
- words and punctuation: the matches of `\\w+(?:'\\w+)?|[^\\w\\s]`, as written (no lower-casing);
- distinct 4-grams: different 4-grams / all 4-grams among the first 1,000,000 tokens;
- sentences: each line of a story is split at white space after `.`, `!` or `?`;
  distinct sentences: different / all among the first `--megabytes` million bytes;
- xz: size of the first 5,000,000 bytes, stories separated by `<|endoftext|>` lines, after `xz -9e`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

TOKEN = re.compile(r"\w+(?:'\w+)?|[^\w\s]")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
SEPARATOR = "<|endoftext|>"
XZ_BYTES = 5_000_000
GRAM_TOKENS = 1_000_000


@dataclass
class Measures:
    """The measures of a text; speeds and plots only for the generator."""

    stories: int = 0
    duplicates: int = 0
    mean_bytes: float = 0.0
    shortest: int = 0
    longest: int = 0
    xz_bytes: int = 0
    distinct_4grams: float = 0.0
    distinct_sentences: float = 0.0
    distinct_words: int = 0
    plot_kinds: int | None = None
    stories_per_second: float | None = None
    megabytes_per_second: float | None = None


GOALS: dict[str, tuple[str, float]] = {
    "duplicates": ("<=", 0),
    "xz_bytes": (">=", 560_000),
    "distinct_4grams": (">=", 0.25),
    "distinct_sentences": (">=", 0.60),
    "distinct_words": (">=", 1_500),
    "plot_kinds": (">=", 40),
    "megabytes_per_second": (">=", 1.0),
}


def measure(texts: list[str], megabytes: float) -> Measures:
    """The measures that need only the texts."""
    seen: set[bytes] = set()
    sizes = []
    for text in texts:
        seen.add(hashlib.blake2b(text.encode(), digest_size=16).digest())
        sizes.append(len(text.encode()))
    within = list(_first_bytes(texts, int(megabytes * 1_000_000)))
    share_of_grams, _ = _grams(within)
    sentences = [s for text in within for s in sentences_of(text)]
    words = {
        token.lower() for text in within for token in TOKEN.findall(text) if token[0].isalpha()
    }
    joined = f"\n{SEPARATOR}\n".join(_first_bytes(texts, XZ_BYTES)).encode()[:XZ_BYTES]
    return Measures(
        stories=len(texts),
        duplicates=len(texts) - len(seen),
        mean_bytes=sum(sizes) / len(sizes),
        shortest=min(sizes),
        longest=max(sizes),
        xz_bytes=len(lzma.compress(joined, format=lzma.FORMAT_XZ, preset=9 | lzma.PRESET_EXTREME)),
        distinct_4grams=share_of_grams,
        distinct_sentences=len(set(sentences)) / len(sentences),
        distinct_words=len(words),
    )


def sentences_of(text: str) -> list[str]:
    """The sentences of a story."""
    return [
        sentence.strip()
        for line in text.split("\n")
        for sentence in SENTENCE_END.split(line)
        if sentence.strip()
    ]


def _grams(texts: list[str]) -> tuple[float, int]:
    tokens: list[str] = []
    for text in texts:
        tokens += TOKEN.findall(text)
        if len(tokens) >= GRAM_TOKENS:
            break
    del tokens[GRAM_TOKENS:]
    grams = list(zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False))
    return len(set(grams)) / len(grams), len(tokens)


def _first_bytes(texts: list[str], limit: int) -> Iterator[str]:
    """The first texts with at least `limit` bytes in total."""
    total = 0
    for text in texts:
        if total >= limit:
            return
        total += len(text.encode()) + len(SEPARATOR) + 2
        yield text


def measure_generator(stories: int, megabytes: float, seed: int) -> Measures:
    """Generate and measure the built-in corpus."""
    from storyworld import generate_stories

    next(generate_stories(seed))  # compiles the patterns before timing
    started_at = time.process_time()  # of this process only
    generated = list(islice(generate_stories(seed), stories))
    seconds = time.process_time() - started_at
    texts = [story.text for story in generated]
    measures = measure(texts, megabytes)
    measures.plot_kinds = len({story.facts.plot for story in generated})
    measures.stories_per_second = len(generated) / seconds
    measures.megabytes_per_second = sum(map(len, texts)) / seconds / 1e6
    return measures


def read_stories(path: Path) -> list[str]:
    """The stories of a text file, separated by `<|endoftext|>` lines."""
    pieces = path.read_text(encoding="utf-8").split(SEPARATOR)
    return [piece.strip() for piece in pieces if piece.strip()]


def verdict(name: str, value: float | None) -> str:
    """PASS or FAIL for a measure with a goal, otherwise empty."""
    if name not in GOALS or value is None:
        return ""
    relation, goal = GOALS[name]
    met = value <= goal if relation == "<=" else value >= goal
    return f"{'PASS' if met else 'FAIL'} (goal {relation} {goal:,})"


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the built-in story corpus.")
    parser.add_argument("--stories", type=int, default=100_000)
    parser.add_argument("--megabytes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compare", type=Path, help="measure this text file instead")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.compare is not None:
        measures = measure(read_stories(options.compare), options.megabytes)
    else:
        measures = measure_generator(options.stories, options.megabytes, options.seed)
    values = {name: value for name, value in asdict(measures).items() if value is not None}
    failed = [n for n, v in values.items() if verdict(n, v).startswith("FAIL")]
    if options.json:
        print(json.dumps({**values, "failed": failed}, indent=2))
    else:
        for name, value in values.items():
            shown = f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"
            print(f"{name:22s} {shown:>14s}  {verdict(name, value)}".rstrip())
    return 1 if failed and options.compare is None else 0


if __name__ == "__main__":
    sys.exit(main())
