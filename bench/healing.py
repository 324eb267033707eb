"""Effect of token healing on prompts that end with a space, inside a word, or after a word.

    python bench/healing.py runs/demo stories.txt [--prompts 100] [--seeds 3] [--factors 1 4 20]

Prompts are cut from the stories of a text file (separated by lines `<|endoftext|>`) and continued
with and without healing. `words`: how often the resulting word occurs in the file. `unchanged`: how
often the text is the same as without healing.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from slm.checkpoint import load_checkpoint, resolve_checkpoint
from slm.generation import GenerationOptions, Generator, healing, load_generator
from slm.generation.sequence import TokenSequence

KINDS = (
    "after a space",
    "inside a word",
    "one letter of a word",
    "after a word",
    "after the first word",
)


class Unhealed(Generator):
    """Continues the prompt's ids without healing."""

    def _sequence(
        self, prompt: str, options: GenerationOptions, seed: int, index: int
    ) -> TokenSequence:
        return TokenSequence(
            prompt,
            self.tokenizer,
            options,
            seed=seed,
            index=index,
            block_size=self.engine.block_size,
            prompt_ids=self.tokenizer.encode(prompt),
        )


def prompts(kind: str, stories: list[str]) -> Iterator[str]:
    """A prompt from each story."""
    rng = random.Random(kind)
    for story in stories:
        found = [m for m in re.finditer(r"[A-Za-z]{4,} ", story[:400]) if m.start() > 20]
        if not found:
            continue
        word = rng.choice(found)
        inside = rng.randrange(1, len(word.group()) - 1)
        end = {
            "after a space": word.end(),
            "inside a word": word.start() + inside,
            "one letter of a word": word.start() + 1,
            "after a word": word.end() - 1,
            "after the first word": len(story.split()[0]),
        }[kind]
        yield story[:end]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("text", type=Path)
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--factors", type=float, nargs="*", default=[healing.FACTOR])
    args = parser.parse_args()
    text = args.text.read_text("utf-8")
    words = set(re.findall(r"[A-Za-z']+", text))
    stories = [part.strip() for part in text.split("<|endoftext|>") if len(part.strip()) > 200]
    random.Random(0).shuffle(stories)
    checkpoint = load_checkpoint(resolve_checkpoint(args.checkpoint))
    healed = load_generator(checkpoint, device="cpu", dtype="float32")
    plain = Unhealed(
        healed.model,
        healed.tokenizer,
        batch_size=healed.batch_size,
        decoder=healed.decoder,
        draw=healed._draw,
    )
    options = GenerationOptions(max_new_tokens=12, seed=1, samples=args.seeds)
    print(f"{'':22}{'words':>8}{'unchanged':>11}")
    for kind in KINDS:
        cut = list(prompts(kind, stories))[: args.prompts]
        before = plain.complete(cut, options)
        show(kind, "without", before, before, words)
        for factor in args.factors:
            with patch.object(healing, "FACTOR", factor):
                after = healed.complete(cut, options)
            show("", f"with, {factor:g}", after, before, words)


def show(kind: str, way: str, found: list, before: list, words: set[str]) -> None:
    real = 0
    for each in found:
        start = re.search(r"[A-Za-z']*$", each.prompt).group()
        word = start + re.match(r"[A-Za-z']*", each.text).group()
        punctuated = not start and re.match(r'["“]', each.text) is not None
        real += punctuated or word in words or word.strip("'") in words
    same = sum(one.text == other.text for one, other in zip(found, before, strict=True))
    print(f"{kind:22}{way:10}{real / len(found):8.1%}{same / len(found):11.1%}")


if __name__ == "__main__":
    main()
