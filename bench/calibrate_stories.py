"""Do the story measures see what they claim to see? Real stories against damaged ones.

    python bench/calibrate_stories.py --train train.txt --held-out validation.txt

Each of `corruptions.py` is applied to held-out real stories. AUC is the probability that a measure
ranks a real story above a damaged one, ties half: 0.5 is blind, 1 is perfect. Prints the table of
docs/explanation/measures.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from corruptions import CORRUPTIONS, middle_of

from slm.data.documents import whole_stories
from slm.data.readers import read_documents
from slm.evals.stories import measures
from slm.evals.stories.novelty import NoveltyIndex
from slm.evals.stories.reference import Reference
from slm.evals.stories.words import Story


def texts_of(path: Path) -> Iterator[str]:
    return whole_stories(read_documents(path))


def auc(real: Sequence[float], damaged: Sequence[float]) -> float:
    """P(real > damaged) + P(equal) / 2."""
    one, other = np.asarray(real)[:, None], np.asarray(damaged)[None, :]
    return float((one > other).mean() + (one == other).mean() / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--stories", type=int, default=400, help="held-out stories")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    reference = Reference(texts_of(options.train))
    index = NoveltyIndex(texts_of(options.train))
    knows = measures.word_test(reference)
    real = list(itertools.islice(texts_of(options.held_out), options.stories))
    copies = list(itertools.islice(texts_of(options.train), options.stories))
    kinds: dict[str, Callable[[Story], float]] = {
        "pronouns": lambda story: measures.pronouns(story, reference),
        "names": lambda story: measures.names(story, reference),
        "order": lambda story: measures.order(story, reference),
        "language": lambda story: measures.language(story, knows),
        "repetition": measures.repetition,
        "ending": lambda story: measures.ending(story, reference),
        "novelty": lambda story: measures.novelty(story, index),
    }
    table: dict[str, dict[str, Any]] = {}
    for name, corrupt in CORRUPTIONS.items():
        rng = random.Random(options.seed)
        pairs = [(text, corrupt(text, rng, reference)) for text in real]
        table[name] = _row(kinds, [(one, other) for one, other in pairs if other is not None])
    table["training story copied"] = _row(kinds, list(zip(real, copies, strict=False)))
    halves = [Story(text, prompt=text[: middle_of(text)]) for text in real]
    level = {
        name: float(np.mean([kind(story) for story in halves])) for name, kind in kinds.items()
    }
    if options.json:
        table["real stories"] = level
        print(json.dumps(table, indent=2))
        return
    print("| corruption | stories | " + " | ".join(kinds) + " |")
    print("|---|---|" + "---|" * len(kinds))
    for name, row in table.items():
        print(f"| {name} | {row['stories']} | " + " | ".join(f"{row[k]:.3f}" for k in kinds) + " |")
    print("\nreal stories, second half: " + ", ".join(f"{k} {v:.1f}" for k, v in level.items()))


def _with_prompt(one: str, other: str) -> tuple[Story, Story]:
    """Two stories whose first half counts as given, if it is the same."""
    given = one[: middle_of(one)]
    prompt = given if other.startswith(given) else ""
    return Story(one, prompt=prompt), Story(other, prompt=prompt)


def _row(
    kinds: dict[str, Callable[[Story], float]], pairs: list[tuple[str, str]]
) -> dict[str, Any]:
    stories = [_with_prompt(one, other) for one, other in pairs]
    real, damaged = [one for one, _ in stories], [other for _, other in stories]
    found: dict[str, float] = {
        name: auc([kind(story) for story in real], [kind(story) for story in damaged])
        for name, kind in kinds.items()
    }
    return {"stories": len(pairs), **found}


if __name__ == "__main__":
    main()
