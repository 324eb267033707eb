"""Every exercise: its solution passes, each wrong answer is named, and its words are complete."""

from __future__ import annotations

import re
from typing import Any

import pytest

from course.build import number_of, sources
from course.exercise import Exercise, Misconception
from course.lesson import exercises_of
from tests.unit.course.learners import REJECTED, WRITTEN
from tests.unit.course.newcomers import SOLVED

LESSONS = {number_of(source): source for source in sources()}
ALL = [exercise for lesson in LESSONS for exercise in exercises_of(lesson)]
TYPICAL = [(exercise, idea) for exercise in ALL for idea in exercise.misconceptions]

each_exercise = pytest.mark.parametrize("exercise", ALL, ids=lambda exercise: exercise.number)


@each_exercise
def test_the_solution_passes(exercise: Exercise) -> None:
    verdict = exercise.judge(exercise.solution)
    assert verdict.outcome == "right", verdict.message


@pytest.mark.parametrize("number", SOLVED)
def test_a_right_answer_written_otherwise_passes(number: str) -> None:
    verdict = next(one for one in ALL if one.number == number).judge(SOLVED[number])
    assert verdict.outcome == "right", verdict.message


@pytest.mark.parametrize(
    ("exercise", "idea"), TYPICAL, ids=[f"{one.number} {idea.name}" for one, idea in TYPICAL]
)
def test_each_typical_wrong_answer_is_named(exercise: Exercise, idea: Misconception) -> None:
    verdict = exercise.judge(idea.wrong)
    assert verdict.misconception == idea.name, verdict.message
    assert idea.advice in verdict.message


@pytest.mark.parametrize(
    ("number", "name", "answer"),
    [(number, name, answer) for (number, name), answer in WRITTEN.items()],
    ids=[f"{number} {name}" for number, name in WRITTEN],
)
def test_the_same_idea_written_otherwise_is_named(number: str, name: str, answer: Any) -> None:
    exercise = next(one for one in ALL if one.number == number)
    verdict = exercise.judge(answer)
    assert verdict.misconception == name, verdict.message


@pytest.mark.parametrize(
    ("number", "answer"),
    [(number, answer) for (number, _), answer in REJECTED.items()],
    ids=[f"{number} {what}" for number, what in REJECTED],
)
def test_other_mistakes_do_not_pass(number: str, answer: Any) -> None:
    exercise = next(one for one in ALL if one.number == number)
    verdict = exercise.judge(answer)
    assert (verdict.outcome, verdict.misconception) == ("wrong", None), verdict.message


def strange(*arguments: Any) -> Any:
    return "seven geese"


@each_exercise
def test_any_other_wrong_answer_gets_found_and_expected(exercise: Exercise) -> None:
    verdict = exercise.judge("seven geese" if exercise.is_value else strange)
    assert (verdict.outcome, verdict.misconception) == ("wrong", None)
    assert re.search("found .*seven geese|error  ", verdict.message)
    assert ("    expected  " in verdict.message) != exercise.is_value  # no value is given away
    assert f'hint("{exercise.number}")' in verdict.message


@each_exercise
def test_an_exercise_is_complete(exercise: Exercise) -> None:
    assert len(exercise.misconceptions) >= 2
    assert len(exercise.hints) >= 2
    for idea in exercise.misconceptions:
        assert not idea.name.endswith(".")  # it ends a sentence of the check
        assert idea.advice.endswith((".", "?"))
    assert exercise.source()


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_lesson_has_each_exercise_once_and_in_order(lesson: int) -> None:
    text = LESSONS[lesson].read_text("utf-8")
    exercises = exercises_of(lesson)
    assert len(exercises) >= 5
    numbers = [exercise.number for exercise in exercises]
    assert re.findall(r"^### Exercise (\d+\.\d+): ", text, re.MULTILINE) == numbers
    asked = re.findall(r'^(\w+) = check\("(\d+\.\d+)", (\w+)\)$', text, re.MULTILINE)
    assert asked == [(exercise.name, exercise.number, exercise.name) for exercise in exercises]


@pytest.mark.parametrize("lesson", LESSONS)
def test_no_lesson_refers_forward(lesson: int) -> None:
    text = LESSONS[lesson].read_text("utf-8")
    named = [int(number) for number in re.findall(r"\b[Ll]essons? (\d)", text)]
    assert [number for number in named if number > lesson] == []
