"""Stories: continue fixed prompts and measure the continuations. No judge, no network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from slm.errors import ConfigError, DataError
from slm.evals.judge import Cost, cost_of
from slm.evals.stories import measures
from slm.evals.stories.language import spelling_and_grammar
from slm.evals.stories.novelty import Copied, NoveltyIndex
from slm.evals.stories.prompts import PROMPTS, Prompt
from slm.evals.stories.reference import Reference
from slm.evals.stories.words import Story
from slm.evals.suite import (
    Score,
    StageProgress,
    Subject,
    SuiteResult,
    check_seed,
    no_progress,
    score,
)
from slm.generation.options import GenerationOptions
from slm.generation.sequence import Completion
from slm.log import Log, silent
from slm.quantities import counted

SAMPLES = 4
MOST_SAMPLES = 64
MAX_NEW_TOKENS = 256
AT_ONCE = 8
"""Prompts between two reports of progress."""
BUILTIN_STORIES = 1_500
FEWEST_STORIES = 100
PARTS_OF_LANGUAGE = ("spelling", "grammar")
"""Of the measure `language`; in the details, because they are not calibrated on their own."""


class StoriesSuite:
    """The measures of `slm.evals.stories.measures`, each over all samples of all prompts.

    Args:
        reference: returns the documents of a text of stories, to compare with; None: the training
            text of the model, or where that is unknown the built-in corpus, and then novelty is not
            measured.
        limit: samples of each prompt; None: 4.
        reads_once: the models that it tests have the same training text, which is kept in memory.
        log: called with sentences for the user.

    Raises:
        ConfigError: the limit is out of range.
    """

    name = "stories"

    def __init__(
        self,
        reference: Callable[[], Iterator[str]] | None = None,
        *,
        limit: int | None = None,
        reads_once: bool = False,
        log: Log = silent,
    ) -> None:
        self._reference = reference
        self._read_before: tuple[Reference, NoveltyIndex | None] | None = None
        self._reads_once = reads_once
        self._samples = SAMPLES if limit is None else limit
        self._log = log
        if not isinstance(self._samples, int) or not 2 <= self._samples <= MOST_SAMPLES:
            raise ConfigError(
                f"limit must be from 2 to {MOST_SAMPLES} samples of each prompt, found {limit}",
                hint=f"leave it out for {SAMPLES}",
            )

    def judging_cost(self) -> Cost:
        """What it takes to let a judge grade the stories that the suite writes."""
        return cost_of([prompt.text for prompt in PROMPTS], self._samples, MAX_NEW_TOKENS)

    def run(
        self, subject: Subject, *, seed: int, progress: StageProgress = no_progress
    ) -> SuiteResult:
        """See `Suite`.

        Raises:
            DataError: the reference has too few stories.
            MissingExtraError: the dictionary is not installed.
        """
        check_seed(seed)
        reference, index = self._read_before or self._read(subject, progress)
        self._read_before = (reference, index) if self._reads_once else None
        completions = self._write(subject, seed, progress)
        stories = [
            Story(each.prompt + each.text, prompt=each.prompt, ended=each.finish_reason == "end")
            for each in completions
        ]
        prompts = [prompt for prompt in PROMPTS for _ in range(self._samples)]
        groups = [number for number in range(len(PROMPTS)) for _ in range(self._samples)]
        knows = measures.word_test(reference)
        values = _values(stories, prompts, reference, knows, progress)
        copied = [] if index is None else [index.copied(story.words) for story in stories]
        if copied:
            values["novelty"] = [100.0 * (1.0 - each.share) for each in copied]
        parts = [score(name, found, seed=seed, groups=groups) for name, found in values.items()]
        parts.insert(-1 if copied else len(parts), self._diversity(stories, seed))
        return SuiteResult(
            suite=self.name,
            score=None,
            parts=tuple(parts),
            seed=seed,
            details={
                **_language_details(stories, knows, groups, seed),
                "samples": self._samples,
                "max_new_tokens": MAX_NEW_TOKENS,
                **_novelty_details(index, copied),
                "stories": [
                    {
                        "prompt": story.prompt,
                        "text": story.text[len(story.prompt) :],
                        "ended": story.ended,
                        **{name: found[number] for name, found in values.items()},
                    }
                    for number, story in enumerate(stories)
                ],
            },
        )

    def _read(
        self, subject: Subject, progress: StageProgress
    ) -> tuple[Reference, NoveltyIndex | None]:
        """The reference, and an index of the training text."""
        from storyworld import generate_stories

        def text() -> Iterable[str] | None:
            return subject.training_text() if self._reference is None else self._reference()

        progress("reading the training text", 0.0, 0, "stories")
        documents = text()
        if documents is None:
            self._log(
                "the training text is not known, so novelty is not measured; words are compared "
                "with the built-in corpus. Give the text with --source to compare with it"
            )
            builtin = (story.text for story in generate_stories(0))
            return Reference(next(builtin) for _ in range(BUILTIN_STORIES)), None
        reference = Reference(documents)
        if reference.n_stories < FEWEST_STORIES:
            raise DataError(
                f"the text to compare with has {counted(reference.n_stories, 'story')}, expected "
                f"at least {FEWEST_STORIES}",
                hint="give a larger text of stories with --source",
            )
        progress("reading the training text", 0.5, reference.n_stories, "stories")
        index = NoveltyIndex(text() or ())
        if not index.is_complete:
            self._log(
                f"novelty compares with the first {index.n_words / 1e6:,.0f} million words of the "
                "training text"
            )
        return reference, index

    def _write(self, subject: Subject, seed: int, progress: StageProgress) -> list[Completion]:
        options = GenerationOptions(seed=seed, samples=self._samples, max_new_tokens=MAX_NEW_TOKENS)
        found: list[Completion] = []
        for start in range(0, len(PROMPTS), AT_ONCE):
            progress("writing stories", start / len(PROMPTS), len(found), "stories")
            texts = [prompt.text for prompt in PROMPTS[start : start + AT_ONCE]]
            found += subject.complete(texts, options)
        return found

    def _diversity(self, stories: list[Story], seed: int) -> Score:
        values = [
            measures.diversity([story.words for story in stories[start : start + self._samples]])
            for start in range(0, len(stories), self._samples)
        ]
        return score("diversity", values, seed=seed)


def _values(
    stories: list[Story],
    prompts: list[Prompt],
    reference: Reference,
    knows: Callable[[str], bool],
    progress: StageProgress,
) -> dict[str, list[float]]:
    """Each measure of each story."""
    values: dict[str, list[float]] = {}
    for number, (story, prompt) in enumerate(zip(stories, prompts, strict=True)):
        answered = measures.answered(story.continuation, prompt.answers, prompt.wrong)
        for name, value in (
            ("answers", 100.0 * answered),
            ("pronouns", measures.pronouns(story, reference)),
            ("names", measures.names(story, reference)),
            ("order", measures.order(story, reference)),
            ("language", measures.language(story, knows)),
            ("repetition", measures.repetition(story)),
            ("ending", measures.ending(story, reference)),
        ):
            values.setdefault(name, []).append(value)
        progress("measuring", (number + 1) / len(stories), number + 1, "stories")
    return values


def _language_details(
    stories: list[Story], knows: Callable[[str], bool], groups: list[int], seed: int
) -> dict[str, Any]:
    """The parts of the measure `language`, which say which of them a model has learned."""
    shares = [spelling_and_grammar(story, knows) for story in stories]
    found = [(each, group) for each, group in zip(shares, groups, strict=True) if each is not None]
    return {
        name: asdict(
            score(
                name,
                [100.0 * share[number] for share, _ in found],
                seed=seed,
                groups=[group for _, group in found],
            )
        )
        for number, name in enumerate(PARTS_OF_LANGUAGE)
    }


def _novelty_details(index: NoveltyIndex | None, copied: list[Copied]) -> dict[str, Any]:
    if index is None:
        return {"training_words_indexed": 0}
    longest = [each.longest for each in copied]
    most = copied[int(np.argmax(longest))]
    return {
        "training_words_indexed": index.n_words,
        "training_text_is_complete": index.is_complete,
        "longest_copied_words": max(longest),
        "median_copied_words": float(np.median(longest)),
        "nearest_training_story": most.nearest,
    }
