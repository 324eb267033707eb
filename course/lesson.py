"""What a lesson calls: check an answer, print a hint or a solution, and compare a result.

`SLM_COURSE_QUICK` makes the long computations of all lessons short, for tests.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from course.compare import as_text
from course.exercise import Exercise
from slm.errors import UsageError


def exercises_of(lesson: int) -> Sequence[Exercise]:
    """The exercises of a lesson, in order."""
    try:
        found: Sequence[Exercise] = import_module(f"course.exercises.lesson{lesson}").EXERCISES
    except ModuleNotFoundError as error:
        raise UsageError(f"there is no lesson {lesson}", hint="lessons count from 1") from error
    return found


def find_exercise(number: str) -> Exercise:
    """The exercise with a number such as `1.3`.

    Raises:
        UsageError: there is none.
    """
    number = str(number)  # quotation marks are easily forgotten
    lesson, _, place = number.partition(".")
    if not (lesson.isdigit() and place.isdigit()):
        raise UsageError(f"no exercise is called {number!r}", hint='write it as check("1.3", name)')
    exercises = exercises_of(int(lesson))
    for exercise in exercises:
        if exercise.number == number:
            return exercise
    raise UsageError(
        f"lesson {lesson} has no exercise {number}",
        hint=f"it has {', '.join(exercise.number for exercise in exercises)}",
    )


def check(number: str, answer: Any) -> Any:
    """Check an answer and print what was found.

        merge = check("1.4", merge)

    Returns:
        The answer if it is right; otherwise the solution, so that the lesson can continue.
    """
    exercise = find_exercise(number)
    verdict = exercise.judge(answer)
    print(verdict.message)
    return answer if verdict.outcome == "right" else exercise.solution


def hint(number: str, step: int = 1) -> None:
    """Print a hint: 1 is a nudge, the last one is almost the answer."""
    print(find_exercise(number).hint(step))


def solution(number: str) -> None:
    """Print one way to solve an exercise."""
    print(find_exercise(number).source())


def amount(full: int, *, quick: int) -> int:
    """`full`, or `quick` where `SLM_COURSE_QUICK` is set: for steps, texts and repetitions."""
    return quick if is_quick() else full


def is_quick() -> bool:
    """Whether the computations are shortened, and results therefore differ from the text."""
    return bool(os.environ.get("SLM_COURSE_QUICK"))


def expect(name: str, value: float, usual: float, *, within: float) -> None:
    """Print a result next to the usual one.

    Args:
        name: what it is, with its unit.
        value: what was computed here.
        usual: what the authors of the lesson found.
        within: how far other machines and versions may be from it.
    """
    value = float(value)
    if is_quick():
        print(f"{name}: {as_text(value)} (shortened, so not as in the text)")
        return
    line = f"{name}: {as_text(value)} (usual: {as_text(float(usual))} ± {as_text(float(within))})"
    far = abs(value - usual) > within
    print(f"{line}{UNUSUAL if far else ''}")


UNUSUAL = " - unusual: was something above changed, or run twice?"
"""The end of the line of a result that is farther away than it may be."""
