"""The measures of a story, each 0 to 100. docs/explanation/measures.md has what they can see."""

from __future__ import annotations

import functools
import itertools
import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence

import numpy as np

from slm.errors import MissingExtraError
from slm.evals.stories.cast import FEMALE, HE, MALE, SHE, NameMention, PronounContext, mentions
from slm.evals.stories.language import flawless_share
from slm.evals.stories.novelty import NoveltyIndex
from slm.evals.stories.reference import N_PARTS, Reference
from slm.evals.stories.words import ENDS, Story, plain, sentences_of

REPEATED = 6
"""Words in a row that stories seldom repeat."""
DIVERSE = 4


def pronouns(story: Story, reference: Reference) -> float:
    """The mean probability in real stories of each he and she, after what was said before."""
    return _mean_probability(story, reference, PronounContext)


def names(story: Story, reference: Reference) -> float:
    """The mean probability in real stories that a name is new where this story has a new one."""
    return _mean_probability(story, reference, NameMention)


def _mean_probability(
    story: Story, reference: Reference, kind: type[PronounContext] | type[NameMention]
) -> float:
    begin = len(story.sentences) - len(story.new_sentences)
    gender_of = _genders(story, reference)
    found = [
        reference.cast.probability(mention)
        for index, mention in mentions(story.sentences, gender_of, reference.is_name, begin)
        if index >= begin and isinstance(mention, kind)
    ]
    judged = [probability for probability in found if probability is not None]
    return 100.0 * sum(judged) / len(judged) if judged else 100.0


def _genders(story: Story, reference: Reference) -> Callable[[str], str | None]:
    """The genders of names: those of the first sentences with a name, or else the usual ones."""

    @functools.cache
    def gender_of(name: str) -> str | None:
        usual = reference.gender(name)
        if usual is not None:
            return usual
        he = she = 0
        for sentence in story.sentences:
            if name in sentence.words:
                he += sum(word in HE or word in MALE for word in sentence.lower)
                she += sum(word in SHE or word in FEMALE for word in sentence.lower)
                if he != she:
                    return "m" if he > she else "f"
        return None

    return gender_of


def order(story: Story, reference: Reference) -> float:
    """Whether sentences come when such sentences come in stories: 50 without order."""
    sentences = story.sentences
    n = len(sentences)
    if n < 3:
        return 50.0
    expected = []
    for sentence in sentences:
        log_odds = reference.part_log_odds(sentence)
        weights = np.exp(log_odds - log_odds.max())
        expected.append(float(weights @ np.arange(N_PARTS) / weights.sum()))
    agree = sum(np.sign(later - earlier) for earlier, later in itertools.combinations(expected, 2))
    return 50.0 + 50.0 * float(agree) / math.comb(n, 2)


def language(story: Story, knows: Callable[[str], bool]) -> float:
    """Share of the sentences without a flaw."""
    return 100.0 * flawless_share(story, knows)


def repetition(story: Story) -> float:
    """Share of the words that are not part of six words that came before."""
    words = tuple(word for sentence in story.sentences for word in sentence.lower)
    n_given = len(words) - len(story.words)
    if len(words) < REPEATED:
        return 100.0
    seen: set[tuple[str, ...]] = set()
    repeated = [False] * len(words)
    for start in range(len(words) - REPEATED + 1):
        gram = words[start : start + REPEATED]
        if gram in seen:
            repeated[start : start + REPEATED] = [True] * REPEATED
        seen.add(gram)
    new = repeated[n_given:]
    return 100.0 * (1.0 - sum(new) / len(new)) if new else 100.0


def ending(story: Story, reference: Reference) -> float:
    """Whether it ends by itself, after a whole sentence, with words that end stories."""
    sentences = story.new_sentences
    if not story.ended or not sentences:
        return 0.0
    text = plain(story.text).rstrip()
    closed = text.rstrip("\"')")[-1:] in ENDS and text.count('"') % 2 == 0
    if not closed:
        return 0.0
    log_odds = reference.ending_log_odds(sentences[-1])
    return 100.0 / (1.0 + math.exp(-max(-30.0, min(30.0, log_odds))))


def diversity(samples: Sequence[Sequence[str]]) -> float:
    """How little the samples of a prompt share: four words in a row, pair by pair.

    Args:
        samples: the words of each.
    """
    grams = [
        Counter(zip(*(words[offset:] for offset in range(DIVERSE)), strict=False))
        for words in samples
    ]
    shared = []
    for one, other in itertools.combinations(grams, 2):
        smaller = min(one.total(), other.total())
        shared.append((one & other).total() / smaller if smaller else 1.0)
    return 100.0 * (1.0 - max(shared)) if shared else 100.0


def novelty(story: Story, index: NoveltyIndex) -> float:
    """Share of the sequences of eight words that the training text does not have."""
    return 100.0 * (1.0 - index.copied(story.words).share)


def word_test(reference: Reference) -> Callable[[str], bool]:
    """Whether a word in lower case exists, by the training text or by an English dictionary.

    Raises:
        MissingExtraError: the dictionary is not installed.
    """
    try:
        from spellchecker import SpellChecker
    except ImportError:
        raise MissingExtraError(
            "pyspellchecker", extra="quality", purpose="the suite stories"
        ) from None
    dictionary = SpellChecker(language="en")

    @functools.cache
    def knows(word: str) -> bool:
        stem = word.removesuffix("'s")
        return any(reference.knows(form) or form in dictionary for form in (word, stem))

    return knows


def answered(continuation: str, answers: Collection[str], wrong: Collection[str]) -> bool:
    """Whether the first sentence names what the prompt has determined, before anything wrong."""
    sentence = sentences_of(continuation)[:1]
    for word in sentence[0].lower if sentence else ():
        plain_word = word.removesuffix("'s")
        if plain_word in answers:
            return True
        if plain_word in wrong:
            return False
    return False
