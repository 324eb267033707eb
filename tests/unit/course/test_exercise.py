"""The check of an exercise: right, empty, known and unknown mistakes, errors, side effects."""

from __future__ import annotations

from typing import Any

import pytest

from course.exercise import Exercise, Misconception, is_empty
from course.lesson import check, expect, find_exercise, hint, solution
from slm.errors import UsageError


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


MEAN = Exercise(
    number="9.1",
    name="mean",
    solution=mean,
    cases=[([1.0, 2.0, 6.0],), ([4.0],)],
    misconceptions=[Misconception("a sum", "Divide by the number of values.", sum)],
    hints=["Add.", "Divide by `len`."],
    insight="It is the center.",
)
WORD = Exercise(
    number="9.2",
    name="word",
    solution="egg",
    misconceptions=[Misconception("the hen", "Which was first?", "hen")],
    hints=["Oval."],
)


def test_a_right_answer() -> None:
    verdict = MEAN.judge(lambda values: sum(values) / len(values))
    assert (verdict.outcome, verdict.misconception) == ("right", None)
    assert verdict.message == "Exercise 9.1: right. It is the center."
    assert WORD.judge("egg").outcome == "right"


def test_a_known_mistake_is_named_with_found_and_expected() -> None:
    def mine(values: list[float]) -> float:
        total = 0.0
        for value in values:
            total += value
        return total

    verdict = MEAN.judge(mine)
    assert (verdict.outcome, verdict.misconception) == ("wrong", "a sum")
    for words in ("mean([1, 2, 6])", "found     9", "expected  3", "It looks like a sum", "hint("):
        assert words in verdict.message
    assert WORD.judge("hen").misconception == "the hen"


def test_an_unknown_mistake_gets_found_expected_and_the_difference() -> None:
    verdict = MEAN.judge(lambda values: 2 * sum(values) / len(values))
    assert (verdict.outcome, verdict.misconception) == ("wrong", None)
    assert "found     6" in verdict.message
    assert "expected  3" in verdict.message
    assert "It is 2 times what is expected." in verdict.message


def test_an_error_shows_its_line() -> None:
    def mine(values: list[float]) -> float:
        return values[0] / 0

    verdict = MEAN.judge(mine)
    assert "error     ZeroDivisionError" in verdict.message
    assert "in line   return values[0] / 0" in verdict.message
    assert "expected  3" in verdict.message


def test_an_error_is_a_known_mistake_if_its_message_is() -> None:
    def raises(values: list[float]) -> float:
        raise TypeError("no")

    strict = Exercise(
        number="9.3",
        name="mean",
        solution=mean,
        cases=MEAN.cases,
        hints=["Add."],
        misconceptions=[Misconception("a refusal", "Answer.", raises)],
    )

    def also_raises(values: list[float]) -> float:
        raise TypeError("no")

    assert strict.judge(also_raises).misconception == "a refusal"
    verdict = strict.judge(lambda: 1)  # called with one argument too many
    assert "TypeError" in verdict.message
    assert verdict.misconception is None


def test_an_idea_is_recognized_although_a_special_case_differs() -> None:
    def fails_without_values(values: list[float]) -> float:
        return sum(values) / min(1, len(values))  # the sum, but an error for no values

    with_none = Exercise(
        number="9.4",
        name="mean",
        solution=lambda values: sum(values) / max(1, len(values)),
        cases=[*MEAN.cases, ([],)],
        misconceptions=MEAN.misconceptions,
        hints=["Add."],
    )
    assert with_none.judge(fails_without_values).misconception == "a sum"

    def always_fails(values: list[float]) -> float:
        raise ValueError("no")

    verdict = with_none.judge(always_fails)
    assert (verdict.outcome, verdict.misconception) == ("wrong", None)


def test_the_answer_to_a_value_is_not_given_away() -> None:
    for wrong in ("cat", "hen", 3):
        message = WORD.judge(wrong).message
        assert "found" in message
        assert "egg" not in message


def test_a_report_may_describe_the_call() -> None:
    described = Exercise(
        number="9.5",
        name="mean",
        solution=mean,
        cases=MEAN.cases,
        misconceptions=[],
        hints=[],
        call="mean({0}), called once",
    )
    assert "mean([1, 2, 6]), called once\n" in described.judge(lambda values: 0).message


def empty(values: list[float]) -> float: ...


def described(values: list[float]) -> float:
    """The mean."""


class Half:
    def __init__(self) -> None:
        self.n = 1

    def forward(self) -> int: ...


class Whole(Half):
    def forward(self) -> int:
        return self.n


@pytest.mark.parametrize("answer", [empty, described, ..., Half])
def test_an_empty_cell(answer: Any) -> None:
    assert is_empty(answer)
    verdict = MEAN.judge(answer)
    assert verdict.outcome == "empty"
    assert "is waiting for you" in verdict.message
    assert 'hint("9.1")' in verdict.message


@pytest.mark.parametrize("answer", [mean, lambda values: 0, Whole, 0, "", sum])
def test_what_is_not_empty(answer: Any) -> None:
    assert not is_empty(answer)


def test_a_result_instead_of_a_function() -> None:
    assert "should be a function. It is 3" in MEAN.judge(3.0).message


def test_an_argument_may_not_be_changed() -> None:
    def mine(values: list[float]) -> float:
        result = sum(values) / len(values)
        values.clear()
        return result

    verdict = MEAN.judge(mine)
    assert verdict.outcome == "wrong"
    assert "changes its arguments" in verdict.message


def test_hints_lead_on() -> None:
    assert MEAN.hint(1) == 'Hint 1 of 2: Add.\nhint("9.1", 2) gives more.'
    assert 'solution("9.1") shows one way' in MEAN.hint(2)
    assert MEAN.hint(7) == MEAN.hint(2)


def test_check_returns_the_answer_or_else_the_solution(capsys: pytest.CaptureFixture[str]) -> None:
    exercise = find_exercise("1.2")
    right = lambda ids: exercise.solution(ids)  # noqa: E731
    assert check("1.2", right) is right
    assert check("1.2", empty) is exercise.solution
    assert check("1.2", lambda ids: {}) is exercise.solution
    printed = capsys.readouterr().out
    assert [word in printed for word in ("right", "waiting", "not yet")] == [True] * 3
    hint("1.2")
    solution("1.2")
    printed = capsys.readouterr().out
    assert printed.startswith("Hint 1 of ")
    assert "def count_pairs(ids" in printed


@pytest.mark.parametrize("number", ["1.99", "77.1", "fox", 1.2])
def test_an_unknown_number(number: Any) -> None:
    if number == 1.2:  # forgotten quotation marks do no harm
        assert find_exercise(number).number == "1.2"
        return
    with pytest.raises(UsageError):
        find_exercise(number)


def test_expect(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLM_COURSE_QUICK", raising=False)
    expect("loss", 2.04, 2.0, within=0.05)
    assert capsys.readouterr().out == "loss: 2.04 (usual: 2 ± 0.05)\n"
    expect("loss", 2.06, 2.0, within=0.05)
    assert "unusual" in capsys.readouterr().out
    monkeypatch.setenv("SLM_COURSE_QUICK", "1")
    expect("loss", 7, 2.0, within=0.05)
    assert capsys.readouterr().out.startswith("loss: 7 (shortened")
