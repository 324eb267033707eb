"""Language: words that exist, agreement, articles, quotation marks and sentences that close."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from slm.evals.stories.words import ENDS, Sentence, Story, plain

_WRONG = re.compile(
    r"\b(?:(?:he|she|it) (?:were|are|have|am)\b|"
    r"(?:i) (?:is|are|has|does|were)\b|(?:you|we|they) (?:is|was|has|does|am)\b|"
    r"(?:to|didn't|did not|couldn't|could not|can't|cannot|don't|wouldn't|won't) "
    r"(?:went|was|were|saw|ran|said|took|came|had|got|gave|made|found|felt)\b|"
    r"a (?:apple|egg|elephant|idea|old|animal|ant|owl|umbrella|orange|ice|airplane|octopus)\b|"
    r"an (?:[bcdfgjklmnpqrstvwxyz]\w*)\b)"
)
_REPEATABLE = (
    "very so really ha no bye big far many knock beep moo quack hop again long more good night "
    "tick boom vroom round twinkle choo meow woof splash pop please had that yes up"
)
_MAY_REPEAT = frozenset(_REPEATABLE.split())

UNKNOWN = "unknown word"


def flaws(sentence: Sentence, knows: Callable[[str], bool]) -> list[str]:
    """What is wrong with a sentence.

    Args:
        sentence: a whole one.
        knows: whether a word in lower case exists.
    """
    found = [f"{UNKNOWN} {word}" for word in sentence.lower if not knows(word)]
    text = sentence.text.lower()
    found += [f"grammar: {match[0]}" for match in _WRONG.finditer(text)]
    for one, other in zip(sentence.lower, sentence.lower[1:], strict=False):
        is_close = re.search(rf"\b{re.escape(one)} {re.escape(other)}\b", text) is not None
        if one == other and one not in _MAY_REPEAT and is_close:
            found.append(f"stutter: {one} {one}")
    if sentence.text.rstrip("\"')")[-1:] not in ENDS + ":;,":
        found.append("no end")
    if sentence.text[:1].islower():
        found.append("no capital")
    return found


def unclosed_quotes(story: Story) -> int:
    """Lines of the text with an odd number of quotation marks."""
    return sum(line.count('"') % 2 for line in plain(story.text).splitlines())


def _finished(story: Story) -> Sequence[Sentence]:
    """The sentences of the continuation, without a last one that is unfinished."""
    sentences: Sequence[Sentence] = story.new_sentences
    if sentences and sentences[-1].text.rstrip("\"')")[-1:] not in ENDS:
        return sentences[:-1]
    return sentences


def spelling_and_grammar(story: Story, knows: Callable[[str], bool]) -> tuple[float, float] | None:
    """Shares of the continuation's sentences without an unknown word, and without another flaw.

    Both are parts of `flawless_share`, which also counts quotation marks. None: no sentence.
    """
    found = [flaws(sentence, knows) for sentence in _finished(story)]
    if not found:
        return None
    misspelled = sum(any(flaw.startswith(UNKNOWN) for flaw in each) for each in found)
    ungrammatical = sum(any(not flaw.startswith(UNKNOWN) for flaw in each) for each in found)
    return 1.0 - misspelled / len(found), 1.0 - ungrammatical / len(found)


def flawless_share(story: Story, knows: Callable[[str], bool]) -> float:
    """The share of the continuation's sentences without a flaw, 0 to 1.

    An unfinished last sentence is a matter of the ending, not of language.
    """
    sentences = _finished(story)
    if not sentences:
        return 1.0 if story.words else 0.0
    wrong = sum(bool(flaws(sentence, knows)) for sentence in sentences)
    return max(0.0, 1.0 - (wrong + unclosed_quotes(story)) / len(sentences))
