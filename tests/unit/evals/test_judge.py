"""Grades of a judge: the form of its answers, and what becomes of those that have another."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from slm.errors import EndpointError
from slm.evals.endpoint import Endpoint
from slm.evals.judge import (
    ANSWER_TOKENS,
    ATTEMPTS,
    GRADES,
    INSTRUCTIONS,
    Judged,
    JudgeResult,
    cost_of,
    grades_in,
    judge_stories,
)
from slm.evals.stories.prompts import PROMPTS
from slm.evals.stories.suite import StoriesSuite
from tests.unit.evals.scripted_server import Asked, Reply, ScriptedServer, scripted

GOOD = {"grammar": 8, "creativity": 1, "consistency": 10, "plot": 5}


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps(GOOD),
        f"\n {json.dumps(GOOD, indent=2)}\n",
        f"```json\n{json.dumps(GOOD)}\n```",
        f"```\n{json.dumps(GOOD)}```",
        json.dumps(dict(reversed(GOOD.items()))),
    ],
)
def test_one_object_with_four_integers_is_an_answer(answer: str) -> None:
    assert grades_in(answer) == GOOD
    assert tuple(grades_in(answer)) == GRADES


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("", "not one JSON object"),
        ("Grammar: 8/10, Creativity: 7/10", "not one JSON object"),
        (f"Here you are: {json.dumps(GOOD)}", "not one JSON object"),
        (f"{json.dumps(GOOD)} {json.dumps(GOOD)}", "not one JSON object"),
        (json.dumps([GOOD]), "not exactly the keys"),
        (json.dumps({**GOOD, "age": 5}), "not exactly the keys"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "plot"}), "not exactly the keys"),
        (json.dumps({**GOOD, "plot": 11}), "plot is 11"),
        (json.dumps({**GOOD, "plot": 0}), "plot is 0"),
        (json.dumps({**GOOD, "plot": 7.5}), "plot is 7.5"),
        (json.dumps({**GOOD, "plot": "7"}), "plot is '7'"),
        (json.dumps({**GOOD, "plot": True}), "plot is True"),
        (json.dumps(GOOD)[:-1] + ', "plot": 9}', "not one JSON object"),
        ("[" * 9_000, "not one JSON object"),
        ('{"plot": ' + "9" * 9_000 + "}", "not one JSON object"),
        (" x" * 9_000, "an answer of 17,999 characters"),
    ],
)
def test_everything_else_is_not(answer: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        grades_in(answer)


def stories(n: int) -> list[Judged]:
    return [Judged(f"Prompt {number // 2}.", f"Text {number}") for number in range(n)]


def graded(
    script: Callable[[str, int], Any], n: int = 20, **options: Any
) -> tuple[JudgeResult, ScriptedServer]:
    """What comes of answers; the script gets a story's text and how often it was sent before."""
    sent: dict[str, int] = {}

    def answer(asked: Asked) -> Any:
        assert asked.path == "/v1/chat/completions"
        text = asked.body["messages"][1]["content"].rpartition("\n")[2]
        sent[text] = sent.get(text, 0) + 1
        found = script(text, sent[text] - 1)
        if isinstance(found, Reply):
            return found
        usage = {"prompt_tokens": 300, "completion_tokens": 20}
        return {"choices": [{"message": {"content": found}}], "usage": usage}

    with scripted(answer) as server, Endpoint(server.address) as endpoint:
        return judge_stories(endpoint, stories(n), seed=0, **options), server


def test_grades_are_means_with_intervals_over_prompts() -> None:
    seen: list[int] = []

    def script(text: str, attempt: int) -> str:
        return json.dumps({**GOOD, "grammar": 2 if int(text.split()[1]) % 2 else 4})

    result, server = graded(script, on_progress=lambda share, done: seen.append(done))
    assert [each.name for each in result.scores] == list(GRADES)
    assert [each.value for each in result.scores] == pytest.approx([30.0, 10.0, 100.0, 50.0])
    # Both samples of a prompt are drawn together, so every resample has the same mean.
    assert (result.scores[0].low, result.scores[0].high) == pytest.approx((30.0, 30.0))
    assert (result.graded, result.missing) == (20, 0)
    assert (result.prompt_tokens, result.answer_tokens) == (20 * 300, 20 * 20)
    assert seen == list(range(1, 21))
    body = server.bodies("/v1/chat/completions")[0]
    assert body["messages"][0] == {"role": "system", "content": INSTRUCTIONS}
    assert (body["temperature"], body["max_tokens"]) == (0, ANSWER_TOKENS)
    json.dumps(result.to_json())


def test_a_bad_answer_is_asked_for_again() -> None:
    result, server = graded(lambda text, attempt: json.dumps(GOOD) if attempt else "Good story!")
    assert (result.graded, result.missing) == (20, 0)
    assert len(server.bodies("/v1/chat/completions")) == 40
    assert result.prompt_tokens == 40 * 300


def test_a_few_stories_may_have_no_grades() -> None:
    result, server = graded(
        lambda text, attempt: "I cannot." if text == "Text 7" else json.dumps(GOOD)
    )
    assert (result.graded, result.missing) == (19, 1)
    assert result.grades[7] is None
    assert result.scores[0].n == 19
    assert len(server.bodies("/v1/chat/completions")) == 19 + ATTEMPTS


def test_many_must_not_and_the_rest_is_not_paid_for() -> None:
    with pytest.raises(EndpointError, match=r"no grades for 11 of the first 11 stories: not one"):
        graded(lambda text, attempt: "Good story!", n=100)


@pytest.mark.parametrize(
    "body", [{}, {"choices": []}, {"choices": [{"message": {"content": None}}]}, {"choices": 5}]
)
def test_an_answer_without_a_text_is_missing(body: object) -> None:
    with pytest.raises(EndpointError, match="an answer without a text"):
        graded(lambda text, attempt: Reply(body))


def test_an_error_of_the_server_ends_it() -> None:
    with pytest.raises(EndpointError, match="status 400: 'no such model'"):
        graded(lambda text, attempt: Reply({"error": {"message": "no such model"}}, 400))


def test_the_cost_is_known_before() -> None:
    cost = StoriesSuite(limit=3).judging_cost()
    assert cost.requests == 3 * len(PROMPTS)
    assert cost.answer_tokens == cost.requests * ANSWER_TOKENS
    assert cost.prompt_tokens > cost.requests * (len(INSTRUCTIONS) // 4 + 256)
    assert cost_of(["abcd" * 100], 1, 0).prompt_tokens - cost_of([""], 1, 0).prompt_tokens == 100
    assert str(cost).startswith("144 requests, about ")
