"""Coherence: how many stories of a model keep their hero, and how many of its words are words.

    python bench/coherence.py runs/demo [RUN ...] [--stories 100] [--prompt "Once upon a time"]
        [--temperature 0.8 0.5] [--top-k K] [--top-p P] [--min-p P] [--json]

For models that were trained on a built-in corpus (`--source builtin` or `builtin:easy`), since only
of these stories is it known how each must use names and pronouns. Columns:

- hero: stories that keep the hero's name and pronouns to the end (`storyworld.continuity`);
- words: words that occur in the training stories;
- ended: stories that the model ended within `--max-new-tokens`;
- 4-grams: different sequences of four words among all of them, in the first 10,000 words: variety;
- copied: sequences of 12 words that occur in the training stories.

Each corpus is first measured by itself, which calibrates the figures: held-out stories as they are,
with another name for the hero from the middle on, and with all pronouns of the other gender.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from corruptions import hero_renamed, narration_flipped

from slm.checkpoint import load_checkpoint, resolve_checkpoint
from slm.cli.output import print_table
from slm.data.documents import whole_stories
from slm.data.sources import is_builtin, open_source
from slm.errors import UsageError
from slm.generation import GenerationOptions, load_generator
from storyworld import COLLECTIONS
from storyworld.continuity import check_continuity

PASSAGE = 12
GRAM_WORDS = 10_000
WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)*")


@dataclass(frozen=True)
class Coherence:
    """The measures of some stories; each one a share, 0 to 1."""

    hero: float
    words: float
    grams: float
    copied: float
    ended: float = 1.0


@dataclass(frozen=True)
class Corpus:
    """What the training stories of a source contain, and some held-out ones."""

    words: frozenset[str]
    passages: frozenset[int]
    """Hashes of all sequences of `PASSAGE` words."""
    held_out: tuple[str, ...]


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return [word.lower() for word in WORD.findall(text)]


def passages_of(words: Sequence[str], length: int = PASSAGE) -> Iterator[int]:
    """A hash of each sequence of `length` words."""
    return (hash(tuple(words[at : at + length])) for at in range(len(words) - length + 1))


@cache
def corpus_of(source: str, stories: int) -> Corpus:
    """Read the first stories of a built-in corpus."""
    opened = open_source(source, limit=stories)
    words: set[str] = set()
    passages: set[int] = set()
    for text in whole_stories(opened.parts("train")):
        found = words_of(text)
        words.update(found)
        passages.update(passages_of(found))
    held_out = tuple(whole_stories(opened.parts("validation")))
    return Corpus(frozenset(words), frozenset(passages), held_out)


def measure(texts: Sequence[str], corpus: Corpus) -> Coherence:
    """The measures of some stories of a corpus."""
    words = [words_of(text) for text in texts]
    every = [word for found in words for word in found]
    grams = list(passages_of(every[:GRAM_WORDS], 4))
    passages = [passage for found in words for passage in passages_of(found)]
    return Coherence(
        hero=sum(check_continuity(text).kept for text in texts) / len(texts),
        words=sum(word in corpus.words for word in every) / max(1, len(every)),
        grams=len(set(grams)) / max(1, len(grams)),
        copied=sum(passage in corpus.passages for passage in passages) / max(1, len(passages)),
    )


def calibration(source: str, corpus: Corpus, n_stories: int) -> Iterator[tuple[str, Coherence]]:
    """The measures of real stories, and of the same ones with mistakes."""
    texts = corpus.held_out[:n_stories]
    collection = COLLECTIONS[source.partition(":")[2] or "full"]
    names = collection.boys + collection.girls
    rng = random.Random(0)
    yield "held-out stories", measure(texts, corpus)
    yield (
        "with the hero renamed",
        measure([hero_renamed(text, names, rng) for text in texts], corpus),
    )
    yield "with pronouns flipped", measure([narration_flipped(text) for text in texts], corpus)


def stories_of(
    checkpoint: str, prompt: str, options: GenerationOptions
) -> tuple[list[str], float, str]:
    """Texts of a model with their prompt, the share that it ended, and the source of its data.

    Raises:
        UsageError: it was not trained on a built-in corpus.
    """
    loaded = load_checkpoint(resolve_checkpoint(checkpoint))
    source = loaded.config.data.source
    if not is_builtin(source):
        raise UsageError(
            f"{checkpoint} was trained on {source}",
            hint="names and pronouns can be checked in built-in stories only",
        )
    found = load_generator(loaded, device="cpu", dtype="float32").complete([prompt], options)
    ended = sum(each.finish_reason == "end" for each in found) / len(found)
    return [each.prompt + each.text for each in found], ended, source


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="+", metavar="RUN")
    parser.add_argument("--stories", type=int, default=100)
    parser.add_argument("--training-stories", type=int, default=20_000, help="read for their words")
    parser.add_argument("--prompt", default="Once upon a time")
    parser.add_argument("--temperature", type=float, nargs="+", default=[0.8])
    parser.add_argument("--top-k", type=int, default=50)
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--min-p", type=float, default=0.0)
    parser.add_argument("--max-new-tokens", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--texts", type=Path, help="write the stories to this file")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(arguments)
    rows: list[tuple[str, Coherence]] = []
    calibrated: set[str] = set()
    for checkpoint in args.checkpoints:
        for temperature in args.temperature:
            options = GenerationOptions(
                max_new_tokens=args.max_new_tokens,
                temperature=temperature,
                top_k=args.top_k,
                top_p=args.top_p,
                min_p=args.min_p,
                seed=args.seed,
                samples=args.stories,
            )
            texts, ended, source = stories_of(checkpoint, args.prompt, options)
            corpus = corpus_of(source, args.training_stories)
            if source not in calibrated:
                calibrated.add(source)
                rows += [
                    (f"{source}, {name}", found)
                    for name, found in calibration(source, corpus, args.stories)
                ]
            measured = replace(measure(texts, corpus), ended=ended)
            rows.append((f"{checkpoint}, temperature {temperature:g}", measured))
            if args.texts is not None:
                with args.texts.open("a", encoding="utf-8") as file:
                    file.writelines(f"{text}\n<|endoftext|>\n" for text in texts)
    if args.json:
        print(json.dumps([{"name": name, **asdict(found)} for name, found in rows]))
        return
    print_table(
        [
            ("", "hero", "words", "ended", "4-grams", "copied"),
            *(
                (
                    name,
                    f"{found.hero:.0%}",
                    f"{found.words:.2%}",
                    f"{found.ended:.0%}",
                    f"{found.grams:.0%}",
                    f"{found.copied:.0%}",
                )
                for name, found in rows
            ),
        ]
    )


if __name__ == "__main__":
    main()
