"""Four grades for stories by a language model elsewhere, after Eldan and Li 2023 (TinyStories).

The paper asked GPT-4 to grade how a model continues a story: grammar, creativity, consistency with
the beginning, and plot, from 1 to 10. Here any model behind `POST /v1/chat/completions` can be the
judge, with a prompt of our own. An answer must be exactly one JSON object with four integers. An
answer that is not is asked for again, and then counts as missing.

Grades depend on the judge. Compare only grades by the same one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from slm.errors import EndpointError, shown
from slm.evals.suite import Score, score
from slm.quantities import counted

if TYPE_CHECKING:
    from slm.evals.endpoint import Endpoint

GRADES = ("grammar", "creativity", "consistency", "plot")
HIGHEST = 10
ATTEMPTS = 2
"""Times that a story is sent at most."""
MOST_MISSING = 0.1
"""Share of the stories that may have no grades."""
ANSWER_TOKENS = 200
CHARACTERS_PER_TOKEN = 4
"""For the estimate of the cost: usual for English."""
LONGEST_ANSWER = 10_000

INSTRUCTIONS = """\
You grade stories for small children that a computer program has continued. You get the beginning, \
which is given, and the continuation, which you grade. The beginning may stop inside a sentence; \
the continuation may be cut off at its end, which is no fault.

Give four integers from 1 (very bad) to 10 (as good as a good author of children's books):
- grammar: is the continuation correct English?
- creativity: does it have ideas of its own, apart from phrases that any story could have?
- consistency: does it fit the beginning: the same people, things, places, and the open sentence?
- plot: do its events follow from each other and make sense as a story?

Answer with one JSON object and nothing else, in this form:
{"grammar": 1, "creativity": 1, "consistency": 1, "plot": 1}"""

FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)


class Judged(NamedTuple):
    """A story to grade.

    Attributes:
        prompt: the beginning.
        text: the continuation, which is graded.
    """

    prompt: str
    text: str


@dataclass(frozen=True)
class Cost:
    """What grading takes."""

    requests: int
    prompt_tokens: int
    """An estimate: tokenizers differ."""
    answer_tokens: int
    """At most."""

    def __str__(self) -> str:
        return (
            f"{counted(self.requests, 'request')}, about {self.prompt_tokens:,} tokens to read and "
            f"at most {self.answer_tokens:,} to write; up to {ATTEMPTS} times as much if answers "
            "have the wrong form"
        )


@dataclass(frozen=True)
class JudgeResult:
    """The grades of a judge."""

    endpoint: str
    model: str
    scores: tuple[Score, ...]
    """The mean of each grade, where 10 counts as 100."""
    graded: int
    """Stories that have grades."""
    missing: int
    """Stories for which the judge gave no answer of the right form."""
    prompt_tokens: int
    """As the server counts them, of all requests; 0 if it does not."""
    answer_tokens: int
    grades: tuple[dict[str, int] | None, ...]
    """Of each story; None: missing."""

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        return asdict(self)


class _Answer(NamedTuple):
    grades: dict[str, int] | None
    problem: str
    prompt_tokens: int
    answer_tokens: int


def cost_of(prompts: Sequence[str], samples: int, longest: int) -> Cost:
    """What grading takes, before the stories are written.

    Args:
        prompts: their beginnings.
        samples: continuations of each.
        longest: tokens of a continuation at most.
    """
    characters = sum(len(_question(Judged(prompt, ""))) + len(INSTRUCTIONS) for prompt in prompts)
    n = len(prompts) * samples
    reading = math.ceil(characters / CHARACTERS_PER_TOKEN) * samples + n * longest
    return Cost(requests=n, prompt_tokens=reading, answer_tokens=n * ANSWER_TOKENS)


def judge_stories(
    endpoint: Endpoint,
    stories: Sequence[Judged],
    *,
    seed: int,
    on_progress: Callable[[float, int], None] = lambda share, done: None,
) -> JudgeResult:
    """Ask a judge for the grades of stories.

    Args:
        endpoint: the judge.
        stories: the samples of one prompt must follow each other.
        seed: of the intervals.
        on_progress: called with the share that is done and the stories graded.

    Raises:
        EndpointError: the judge does not answer, or more than a tenth of the stories have no
            answer of the right form.
    """
    judge = _Judge(endpoint)
    answers: list[_Answer] = []
    n_missing = 0
    for answer in endpoint.map(judge.ask, stories):
        answers.append(answer)
        n_missing += answer.grades is None
        if n_missing > MOST_MISSING * len(stories):
            raise EndpointError(
                f"{endpoint.address} gave no grades for {n_missing} of the first "
                f"{counted(len(answers), 'story')}: {answer.problem}",
                hint="use a larger model as the judge: it must follow the form of the answer",
            )
        on_progress(len(answers) / len(stories), len(answers))
    graded = [
        (story.prompt, answer.grades)
        for story, answer in zip(stories, answers, strict=True)
        if answer.grades is not None
    ]
    numbers = {prompt: number for number, (prompt, _) in enumerate(graded)}
    groups = [numbers[prompt] for prompt, _ in graded]
    return JudgeResult(
        endpoint=endpoint.address,
        model=endpoint.model,
        scores=tuple(
            score(name, [100.0 * g[name] / HIGHEST for _, g in graded], seed=seed, groups=groups)
            for name in GRADES
        ),
        graded=len(graded),
        missing=n_missing,
        prompt_tokens=sum(answer.prompt_tokens for answer in answers),
        answer_tokens=sum(answer.answer_tokens for answer in answers),
        grades=tuple(answer.grades for answer in answers),
    )


class _Judge:
    """Asks for the grades of a story."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def ask(self, story: Judged) -> _Answer:
        problem, prompt_tokens, answer_tokens = "", 0, 0
        for _ in range(ATTEMPTS):
            found = self._endpoint.chat(
                {
                    "messages": [
                        {"role": "system", "content": INSTRUCTIONS},
                        {"role": "user", "content": _question(story)},
                    ],
                    "temperature": 0,
                    "max_tokens": ANSWER_TOKENS,
                }
            )
            usage = found.get("usage")
            prompt_tokens += _count(usage, "prompt_tokens")
            answer_tokens += _count(usage, "completion_tokens")
            try:
                grades = grades_in(_text_of(found))
            except ValueError as error:
                problem = str(error)
            else:
                return _Answer(grades, "", prompt_tokens, answer_tokens)
        return _Answer(None, problem, prompt_tokens, answer_tokens)


def grades_in(answer: str) -> dict[str, int]:
    """The four grades in an answer, which has nothing else, except that a code fence is allowed.

    Raises:
        ValueError: it has another form; the message says which.
    """
    text = answer.strip()
    if len(text) > LONGEST_ANSWER:
        raise ValueError(f"an answer of {len(text):,} characters")
    fenced = FENCE.fullmatch(text)
    try:
        found = json.loads(fenced[1] if fenced else text, object_pairs_hook=_once_each)
    except (ValueError, RecursionError):
        raise ValueError(f"not one JSON object: {shown(answer)}") from None
    if not isinstance(found, dict) or set(found) != set(GRADES):
        raise ValueError(f"not exactly the keys {', '.join(GRADES)}: {shown(answer)}")
    for name in GRADES:
        grade = found[name]
        if isinstance(grade, bool) or not isinstance(grade, int) or not 1 <= grade <= HIGHEST:
            raise ValueError(f"{name} is {shown(grade)}, expected an integer from 1 to {HIGHEST}")
    return {name: found[name] for name in GRADES}


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _question(story: Judged) -> str:
    return f"Beginning:\n{story.prompt}\n\nContinuation:\n{story.text}"


def _text_of(answer: dict[str, Any]) -> str:
    """The text of a chat completion.

    Raises:
        ValueError: there is none.
    """
    choices = answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    text = message.get("content") if isinstance(message, dict) else None
    if not isinstance(text, str):
        raise ValueError(f"an answer without a text: {shown(answer)}")
    return text


def _count(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
