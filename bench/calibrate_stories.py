"""Do the story measures see what they claim to see? Real stories against damaged ones.

    python bench/calibrate_stories.py --train train.txt --held-out validation.txt

Each corruption is applied to held-out real stories. AUC is the probability that a measure ranks a
real story above a damaged one, ties half: 0.5 is blind, 1 is perfect. Prints the table of
docs/explanation/measures.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from slm.data.documents import whole_stories
from slm.data.readers import read_documents
from slm.evals.stories import measures
from slm.evals.stories.novelty import NoveltyIndex
from slm.evals.stories.reference import Reference
from slm.evals.stories.words import Story, sentences_of

ENOUGH_SENTENCES = 6


def texts_of(path: Path) -> Iterator[str]:
    return whole_stories(read_documents(path))


def middle_of(text: str) -> int:
    """The end of a sentence in the middle; 0 if there is none."""
    return text.find(". ", len(text) // 2) + 1


# -- corruptions: a text to a damaged one, or None where it has nothing to damage ------------------


def names_swapped(text: str, chance: random.Random, reference: Reference) -> str | None:
    """Two names of different gender change places in the second half."""
    names = {word for sentence in sentences_of(text) for word in sentence.words}
    names = {name for name in names if reference.is_name(name) and text.count(name) >= 3}
    men = sorted(name for name in names if reference.gender(name) == "m")
    women = sorted(name for name in names if reference.gender(name) == "f")
    if not men or not women:
        return None
    one, other = chance.choice(men), chance.choice(women)
    middle = middle_of(text)
    if middle <= 0 or one not in text[middle:] or other not in text[middle:]:
        return None
    swap = {one: other, other: one}
    pattern = re.compile(rf"\b({one}|{other})\b")
    return text[:middle] + pattern.sub(lambda found: swap[found[0]], text[middle:])


def stranger(text: str, chance: random.Random, reference: Reference) -> str | None:
    """From the middle on, somebody has another name, which nobody had before."""
    names = {word for sentence in sentences_of(text) for word in sentence.words}
    names = sorted(name for name in names if reference.is_name(name) and text.count(name) >= 3)
    middle = middle_of(text)
    inside = [name for name in names if re.search(rf"\b{name}\b", text[middle:])]
    pool = [name for name in ("Lily", "Tom", "Mia", "Ben", "Sara", "Max") if name not in text]
    if not inside or middle <= 0:
        return None
    pattern = re.compile(rf"\b{chance.choice(inside)}\b")
    return text[:middle] + pattern.sub(chance.choice(pool), text[middle:])


def pronouns_flipped(text: str, chance: random.Random, reference: Reference) -> str | None:
    """All he, him and his become she, her and hers in the second half, and the other way round."""
    flip = {"he": "she", "she": "he", "him": "her", "her": "him", "his": "her", "hers": "his",
            "himself": "herself", "herself": "himself"}  # fmt: skip
    middle = middle_of(text)

    def flipped(found: re.Match[str]) -> str:
        other = flip[found[0].lower()]
        return other.capitalize() if found[0][0].isupper() else other

    pattern = re.compile(rf"\b({'|'.join(flip)})\b", re.IGNORECASE)
    if middle <= 0 or len(pattern.findall(text[middle:])) < 3:
        return None
    return text[:middle] + pattern.sub(flipped, text[middle:])


def sentences_shuffled(text: str, chance: random.Random, reference: Reference) -> str | None:
    sentences = [sentence.text for sentence in sentences_of(text)]
    if len(sentences) < ENOUGH_SENTENCES:
        return None
    chance.shuffle(sentences)
    return " ".join(sentences)


def sentence_repeated(text: str, chance: random.Random, reference: Reference) -> str | None:
    """A sentence of the second half comes twice."""
    given = text[: middle_of(text)]
    sentences = sentences_of(text[len(given) :])
    long_enough = [i for i, s in enumerate(sentences) if len(s.words) >= measures.REPEATED]
    if not long_enough:
        return None
    index = chance.choice(long_enough)
    told = [sentence.text for sentence in sentences]
    return " ".join([given, *told[: index + 1], told[index], *told[index + 1 :]])


def word_misspelt(text: str, chance: random.Random, reference: Reference) -> str | None:
    """A word of five letters or more in the second half loses a letter, or two change places."""
    begin = middle_of(text)
    found = [match for match in re.finditer(r"\b[a-z]{5,}\b", text) if match.start() > begin]
    if not found:
        return None
    match = chance.choice(found)
    word, at = match[0], chance.randrange(1, len(match[0]) - 2)
    broken = word[:at] + word[at + 1 :]
    if chance.random() < 0.5 and word[at] != word[at + 1]:
        broken = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return text[: match.start()] + broken + text[match.end() :]


def cut_inside(text: str, chance: random.Random, reference: Reference) -> str | None:
    """The end is cut off, inside a sentence."""
    words = text.split(" ")
    end = chance.randrange(len(words) // 2, len(words) - 2) if len(words) > 20 else 0
    while end and words[end - 1].rstrip("\"'\n")[-1:] in ".!?":
        end -= 1
    return " ".join(words[:end]) if end else None


def cut_between(text: str, chance: random.Random, reference: Reference) -> str | None:
    """The last third or more is cut off, between sentences."""
    sentences = [sentence.text for sentence in sentences_of(text)]
    if len(sentences) < ENOUGH_SENTENCES:
        return None
    return " ".join(sentences[: chance.randrange(len(sentences) // 3, len(sentences) * 2 // 3)])


Corruption = Callable[[str, random.Random, Reference], str | None]
CORRUPTIONS: dict[str, Corruption] = {
    "names swapped": names_swapped,
    "stranger": stranger,
    "pronouns flipped": pronouns_flipped,
    "sentences shuffled": sentences_shuffled,
    "sentence repeated": sentence_repeated,
    "word misspelt": word_misspelt,
    "cut inside": cut_inside,
    "cut between": cut_between,
}


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
        chance = random.Random(options.seed)
        pairs = [(text, corrupt(text, chance, reference)) for text in real]
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
