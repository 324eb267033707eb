from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from slm.errors import ConfigError, DataError
from slm.evals.stories import suite
from slm.evals.stories.prompts import PROMPTS
from slm.evals.stories.suite import StoriesSuite
from slm.evals.suite import Request
from slm.generation.options import GenerationOptions
from slm.generation.sequence import Completion

pytest.importorskip("spellchecker")


class Teller:
    """Continues every prompt with one of some texts."""

    name = "teller"

    def __init__(self, texts: Sequence[str], training: list[str] | None) -> None:
        self.texts = texts
        self.training = training

    def log_likelihoods(
        self, requests: Sequence[Request], *, on_progress: Callable[[float, int], None]
    ) -> list[float]:
        raise NotImplementedError

    def complete(self, prompts: Sequence[str], options: GenerationOptions) -> list[Completion]:
        return [
            Completion(prompt, self.texts[n % len(self.texts)], (1,), "end", 1, False, 0, 0, n)
            for prompt in prompts
            for n in range(options.samples)
        ]

    def training_text(self) -> Iterator[str] | None:
        return None if self.training is None else iter(self.training)


def test_there_are_as_many_prompts_as_in_the_paper_and_each_is_determined() -> None:
    assert len(PROMPTS) >= 44
    assert len({prompt.text for prompt in PROMPTS}) == len(PROMPTS)
    for prompt in PROMPTS:
        assert prompt.answers
        assert not prompt.answers & prompt.wrong
        assert not prompt.text.endswith((" ", "."))
        assert all(word == word.lower() for word in prompt.answers | prompt.wrong)


def test_every_measure_has_a_score(stories: list[str]) -> None:
    teller = Teller([" it was a good day. They went home.", " the the end"], stories[:200])
    result = StoriesSuite(limit=2).run(teller, seed=0)
    names = [part.name for part in result.parts]
    assert names == [
        "answers", "pronouns", "names", "order", "language", "repetition", "ending",
        "diversity", "novelty",
    ]  # fmt: skip
    for part in result.parts:
        assert 0.0 <= part.low <= part.value <= part.high <= 100.0
        assert part.n == len(PROMPTS) * (1 if part.name == "diversity" else 2)
    assert len(result.details["stories"]) == 2 * len(PROMPTS)
    assert result == StoriesSuite(limit=2).run(teller, seed=0)


def test_copies_are_found(stories: list[str]) -> None:
    teller = Teller([f" {stories[3]}"], stories[:200])
    result = StoriesSuite(limit=2).run(teller, seed=0)
    scores = {part.name: part.value for part in result.parts}
    assert scores["novelty"] == 0.0
    assert scores["diversity"] == 0.0
    assert result.details["nearest_training_story"] == 3


def test_without_a_training_text_novelty_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "BUILTIN_STORIES", 150)
    notes: list[str] = []
    result = StoriesSuite(limit=2, log=notes.append).run(Teller([" he ran."], None), seed=0)
    assert "novelty" not in [part.name for part in result.parts]
    assert "novelty is not measured" in notes[0]


def test_a_text_to_compare_with_has_stories(stories: list[str]) -> None:
    small = StoriesSuite(lambda: iter(stories[:5]), limit=2)
    with pytest.raises(DataError, match="has 5 stories"):
        small.run(Teller([" he ran."], None), seed=0)


@pytest.mark.parametrize("limit", [0, 1, 65])
def test_a_limit_out_of_range_is_refused(limit: int) -> None:
    with pytest.raises(ConfigError, match="samples of each prompt"):
        StoriesSuite(limit=limit)
