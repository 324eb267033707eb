"""An exercise: cases, a solution, typical wrong ideas, and hints; it judges what a learner wrote.

The check runs the answer and the solution on the same cases. An answer that differs is compared
with the wrong ideas that learners typically have: each of them is a function, too, so that an
answer is recognized by what it computes and not by how it is written.
"""

from __future__ import annotations

import copy
import dis
import inspect
import linecache
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, Literal

from course.compare import as_text, difference, disagreement
from course.failures import advice_on

Outcome = Literal["right", "wrong", "empty"]
Run = Callable[..., Any]
"""Called with the answer and the arguments of a case; returns what is compared."""

_OF_AN_EMPTY_BODY = {
    "RESUME",
    "NOP",
    "LOAD_CONST",
    "RETURN_CONST",
    "RETURN_VALUE",
    "COPY_FREE_VARS",
}


@dataclass(frozen=True)
class Misconception:
    """A wrong idea that learners typically have.

    Attributes:
        name: completes "It looks like ...".
        advice: one or two sentences that correct the idea without giving the code.
        wrong: an answer of a learner with this idea: a function, or the value of a value exercise.
    """

    name: str
    advice: str
    wrong: Any


@dataclass(frozen=True)
class Verdict:
    """What the check found.

    Attributes:
        outcome: right, wrong, or empty: nothing has been written yet.
        message: what the learner reads.
        misconception: the name of the wrong idea, if it was recognized.
    """

    outcome: Outcome
    message: str
    misconception: str | None = None


@dataclass(frozen=True)
class Raised:
    """The answer raised an exception."""

    kind: str
    message: str
    where: str = field(compare=False)


@dataclass(frozen=True)
class Exercise:
    """A task with everything that judges an answer.

    Attributes:
        number: the lesson and the exercise, such as `1.3`.
        name: what the learner defines: the name of a function or of a value.
        solution: a correct answer.
        cases: the arguments of each call; a value exercise has none.
        misconceptions: recognized in this order.
        hints: from a nudge to almost the answer.
        insight: what a right answer shows, printed when it is found.
        tolerance: relative, and absolute near zero, for numbers that are not integers.
        run: how an answer is used on a case, for example for classes; by default it is called.
        call: how the report writes that use, a format string with the case as its arguments.
    """

    number: str
    name: str
    solution: Any
    misconceptions: Sequence[Misconception]
    hints: Sequence[str]
    cases: Sequence[tuple[Any, ...]] = ((),)
    insight: str = ""
    tolerance: float = 1e-4
    run: Run | None = field(default=None)
    call: str = ""

    @property
    def is_value(self) -> bool:
        """Whether the answer is a value instead of something that is called."""
        return not callable(self.solution)

    def judge(self, answer: Any) -> Verdict:
        """Run an answer on all cases and say what is wrong with it, if anything is."""
        if is_empty(answer):
            return Verdict("empty", self._empty())
        if not self.is_value and not callable(answer):
            wanted = f"`{self.name}` should be a function. It is {as_text(answer)}."
            return Verdict("wrong", self._not_yet(wanted, "Did you call it, `name(...)`?"))
        found = [self._outcome(answer, case) for case in self.cases]
        expected = [self._outcome(self.solution, case) for case in self.cases]
        differing = [
            place
            for place, pair in enumerate(zip(found, expected, strict=True))
            if self._difference(*pair)
        ]
        if not differing:
            return self._judge_side_effects(answer)
        first = differing[0]
        report = self._report(self.cases[first], found[first], expected[first])
        if idea := self._recognized(found, differing):
            text = f"It looks like {idea.name}.\n{idea.advice}"
            return Verdict("wrong", self._not_yet(report, text), idea.name)
        return Verdict("wrong", self._not_yet(report, self._words(found[first], expected[first])))

    def source(self) -> str:
        """The solution as text."""
        if self.is_value:
            return f"{self.name} = {self.solution!r}"
        return inspect.getsource(self.solution).rstrip()

    def hint(self, step: int = 1) -> str:
        """Hint number `step`, counted from 1; the last one if there are not so many."""
        place = min(max(step, 1), len(self.hints))
        rest = len(self.hints) - place
        more = f'hint("{self.number}", {place + 1}) gives more.' if rest else ""
        last = more or f'There is no further hint; solution("{self.number}") shows one way.'
        return f"Hint {place} of {len(self.hints)}: {self.hints[place - 1]}\n{last}"

    def _recognized(self, found: Sequence[Any], differing: Sequence[int]) -> Misconception | None:
        """The wrong idea that computes what was found.

        An idea that agrees in every case comes first. Otherwise, cases in which one of the two
        raised an exception do not count: whoever has the idea may treat special cases in many
        ways.
        """
        outcomes = [
            (idea, [self._outcome(idea.wrong, case) for case in self.cases])
            for idea in self.misconceptions
        ]
        for idea, wrong in outcomes:
            if self._agree(found, wrong):
                return idea
        for idea, wrong in outcomes:
            calm = [
                place
                for place, pair in enumerate(zip(found, wrong, strict=True))
                if not any(isinstance(each, Raised) for each in pair)
            ]
            if set(calm) & set(differing) and self._agree(
                [found[place] for place in calm], [wrong[place] for place in calm]
            ):
                return idea
        return None

    def _agree(self, found: Sequence[Any], wanted: Sequence[Any]) -> bool:
        return not any(self._difference(*pair) for pair in zip(found, wanted, strict=True))

    def _outcome(self, answer: Any, case: tuple[Any, ...]) -> Any:
        """What an answer gives for a case; the case itself stays as it is."""
        arguments = copy.deepcopy(case)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if self.run is not None:
                    return self.run(answer, *arguments)
                return answer if self.is_value else answer(*arguments)
        except Exception as error:
            return Raised(type(error).__name__, str(error), _line_of(error))

    def _difference(self, found: Any, expected: Any) -> str:
        if isinstance(found, Raised) or isinstance(expected, Raised):
            return "" if found == expected else "Python stopped at an error."
        return difference(found, expected, self.tolerance)

    def _words(self, found: Any, expected: Any) -> str:
        """How an answer that was not recognized differs; the answer to a value stays secret."""
        if isinstance(found, Raised):
            return advice_on(found.kind, found.message)
        if self.is_value:
            return disagreement(found, expected)
        return self._difference(found, expected)

    def _judge_side_effects(self, answer: Any) -> Verdict:
        """An answer may not change its arguments, unless the solution does."""
        for case in self.cases if self.run is None and not self.is_value else ():
            arguments, expected = copy.deepcopy(case), copy.deepcopy(case)
            answer(*arguments)
            self.solution(*expected)
            if difference(arguments, expected, self.tolerance):
                report = f"The result is right, but `{self.name}` changes its arguments:"
                changes = f"    before  {as_text(case)}\n    after   {as_text(arguments)}"
                advice = "Work on a copy, for example `list(...)` or `.clone()`."
                return Verdict("wrong", self._not_yet(f"{report}\n{changes}", advice))
        return Verdict("right", f"Exercise {self.number}: right. {self.insight}".rstrip())

    def _report(self, case: tuple[Any, ...], found: Any, expected: Any) -> str:
        if self.is_value:
            return f"{self.name}\n    found     {as_text(found)}"
        given = [as_text(argument, brief=True) for argument in case]
        call = self.call.format(*given) if self.call else f"{self.name}({', '.join(given)})"
        wanted = f"    expected  {as_text(expected)}"
        if isinstance(found, Raised):
            said = f"    error     {found.kind}: {found.message}"
            return f"{call}\n{said}{found.where}\n{wanted}"
        return f"{call}\n    found     {as_text(found)}\n{wanted}"

    def _not_yet(self, report: str, advice: str) -> str:
        lines = [f"Exercise {self.number}: not yet.", report, advice]
        return "\n".join(line for line in [*lines, f'Need a hint? hint("{self.number}")'] if line)

    def _empty(self) -> str:
        return (
            f"Exercise {self.number} is waiting for you: replace the dots in `{self.name}`, then "
            f'run this cell again.\nhint("{self.number}") helps. Until then the lesson continues '
            "with the solution."
        )


def is_empty(answer: Any) -> bool:
    """Whether nothing was written: the value is `...`, or a function or method has no body."""
    if answer is ...:
        return True
    if isinstance(answer, type):
        return any(
            is_empty(each) for each in vars(answer).values() if isinstance(each, FunctionType)
        )
    if not isinstance(answer, FunctionType):
        return False
    steps = list(dis.get_instructions(answer))
    constants = {step.argval for step in steps if step.opname in ("LOAD_CONST", "RETURN_CONST")}
    return {step.opname for step in steps} <= _OF_AN_EMPTY_BODY and constants <= {None, ...}


def _line_of(error: Exception) -> str:
    """The line of the learner's code where an exception was raised, as the end of a report."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == __file__:
            break
        text = frame.line or (linecache.getline(frame.filename, frame.lineno or 0).strip())
        if "site-packages" not in frame.filename and text:
            return f"\n    in line   {text}"
    return ""
