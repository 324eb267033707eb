"""Every lesson runs from top to bottom, shortened, with all exercises still empty."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from course.build import executed, notebook, number_of, page, sources, write_notebooks
from course.lesson import exercises_of
from course.show import Picture
from tests.unit.course.newcomers import SOLVED

LESSONS = sources()
EMPTY_LINE = re.compile(r"^Exercise (\d+\.\d+) is waiting for you", re.MULTILINE)

SOLVED_LESSONS = [
    source
    for source in LESSONS
    if all(exercise.number in SOLVED for exercise in exercises_of(number_of(source)))
]
"""The lessons of which there are answers to all exercises."""

each_lesson = pytest.mark.parametrize("source", LESSONS, ids=lambda source: source.stem)


def run(source: Path, answers: dict[str, Any] | None = None) -> list[Any]:
    """Run all cells in this process and return what their last lines show.

    Args:
        source: of the lesson.
        answers: what is checked in place of the empty cells, by the number of the exercise.
    """
    names: dict[str, Any] = {"__name__": "__main__", "ANSWERS": answers}
    shown = []
    for place, cell in enumerate(notebook(source).cells):
        if cell.cell_type != "code":
            continue
        code = cell.source
        if answers is not None:
            code = re.sub(r'check\("(\d+\.\d+)", \w+\)', r'check("\1", ANSWERS["\1"])', code)
        tree = ast.parse(code)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        title = f"{source.name}, cell {place}"
        exec(compile(tree, title, "exec"), names)
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), title, "eval"), names))
    return shown


@pytest.mark.slow
@each_lesson
def test_the_lesson_runs(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SLM_COURSE_QUICK", "1")
    monkeypatch.chdir(tmp_path)
    matplotlib.use("agg")
    with matplotlib.rc_context():
        shown = run(source)
    printed = capsys.readouterr().out
    numbers = [exercise.number for exercise in exercises_of(number_of(source))]
    assert EMPTY_LINE.findall(printed) == numbers
    pictures = [each for each in shown if isinstance(each, Picture)]
    assert pictures
    for each in pictures:
        assert each.png.startswith(b"\x89PNG")
        assert len(each.alt) >= 40
        assert each.alt.endswith(".")
        assert len(each.png) <= 120_000


@pytest.mark.slow
@pytest.mark.parametrize("source", SOLVED_LESSONS, ids=lambda source: source.stem)
def test_the_lesson_runs_with_the_answers_of_a_learner(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SLM_COURSE_QUICK", "1")
    monkeypatch.chdir(tmp_path)
    matplotlib.use("agg")
    with matplotlib.rc_context():
        run(source, SOLVED)
    printed = capsys.readouterr().out
    numbers = [exercise.number for exercise in exercises_of(number_of(source))]
    assert re.findall(r"^Exercise (\d+\.\d+): right", printed, re.MULTILINE) == numbers


@each_lesson
def test_the_lesson_is_in_order(source: Path) -> None:
    text = source.read_text("utf-8")
    assert text.startswith(f"# Lesson {number_of(source)}: ")
    assert "**Sources.**" in text
    assert "../slm/" in text  # what to read next
    assert "expect(" in text
    assert [line for line in text.splitlines() if len(line) > 120] == []


EMPHASIZED = {"your", "similar", "estimate", "he", "she", "before", "adds", "above", "read", "time"}
"""Words in italics that are no terms."""


@each_lesson
def test_every_term_is_in_the_glossary(source: Path) -> None:
    glossary = (source.parents[1] / "docs/reference/glossary.md").read_text("utf-8").lower()
    text = re.sub(r"```.*?```|`[^`]*`", "", source.read_text("utf-8"), flags=re.DOTALL)
    italics = re.findall(r"(?<![\w*])\*([^*\s][^*]*?)\*(?![\w*])", text)
    terms = {" ".join(words.lower().split()) for words in italics} - EMPHASIZED
    assert terms
    forms = {term: (term, term.removesuffix("s"), term.removesuffix("es")) for term in terms}
    assert [term for term in terms if not any(form in glossary for form in forms[term])] == []


@pytest.mark.slow
def test_a_lesson_becomes_a_page(tmp_path: Path) -> None:
    """In a process of its own, as a notebook."""
    source = LESSONS[0]
    made = page(source, executed(source, tmp_path, quick=True))
    for exercise in exercises_of(1):
        assert f"<summary>Solution for {exercise.number}</summary>" in made.text
        assert f"<summary>Hint 1 for {exercise.number}</summary>" in made.text
    assert "is waiting for you" not in made.text  # what an empty cell says is of no use to a reader
    assert list(made.pictures) == re.findall(r"!\[[^\]]{40,}\]\(([^)]+)\)", made.text)
    assert "```text\n" in made.text


def test_notebooks_with_a_learners_work_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "notebooks"
    first, *_ = written = write_notebooks(folder)
    assert [path.stem for path in written] == [source.stem for source in LESSONS]
    first.write_text("mine", "utf-8")
    assert write_notebooks(folder) == []
    assert first.read_text("utf-8") == "mine"
    first.unlink()
    assert write_notebooks(folder) == [first]
