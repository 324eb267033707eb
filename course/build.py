"""Makes notebooks and pages from the lessons' sources.

A source is Markdown with Python blocks in jupytext's format. It becomes a notebook without outputs,
for learners, or is executed from top to bottom and becomes a page with its outputs, for the site.
"""

from __future__ import annotations

import base64
import importlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

from course.exercise import Exercise
from course.lesson import UNUSUAL, exercises_of
from slm.errors import MissingExtraError, SlmError
from slm.storage.files import atomic_write

HERE = Path(__file__).parent
_NAME = re.compile(r"(\d\d)-[a-z-]+\.md")
_PICTURE = re.compile(r'<img alt="([^"]*)" width="(\d+)" src="data:image/png;base64,([^"]+)">')
_CHECK = re.compile(r'\bcheck\("(\d+\.\d+)"')
_CELL_SECONDS = 600


class LessonError(SlmError):
    """A lesson does not run, or a result is not the usual one."""


@dataclass(frozen=True)
class Page:
    """A lesson as Markdown with its outputs.

    Attributes:
        text: Markdown; pictures are linked by their file name.
        pictures: contents of the PNG files by file name.
    """

    text: str
    pictures: dict[str, bytes] = field(default_factory=dict)


def sources() -> list[Path]:
    """The sources of all lessons, in order."""
    return sorted(path for path in HERE.glob("*.md") if _NAME.fullmatch(path.name))


def number_of(source: Path) -> int:
    """The number of a lesson."""
    return int(source.name[:2])


def _extra(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(module, extra="course", purpose="making notebooks") from error


def notebook(source: Path) -> Any:
    """A lesson as a notebook without outputs (an `nbformat` notebook of version 4)."""
    made = _extra("jupytext").read(source, fmt="md")
    made.metadata["kernelspec"] = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    for place, cell in enumerate(made.cells):
        cell["id"] = f"cell-{place}"  # the same notebook every time
        cell.metadata = {key: cell.metadata[key] for key in ("tags",) if key in cell.metadata}
    return made


def write_notebooks(folder: Path) -> list[Path]:
    """Write the notebooks that are not in a folder yet.

    A notebook that is there holds a learner's work and is left as it is.
    """
    nbformat = _extra("nbformat")
    _extra("jupytext")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sources():
        path = folder / f"{source.stem}.ipynb"
        if not path.exists():
            content: str = nbformat.writes(notebook(source))
            atomic_write(path, content)
            written.append(path)
    return written


def executed(source: Path, folder: Path, *, quick: bool, widgets: bool = False) -> Any:
    """A lesson as a notebook with its outputs, run from top to bottom in a process of its own.

    Args:
        source: of the lesson.
        folder: the working directory.
        quick: shorten the computations; the results are then not those of the text.
        widgets: whether there may be sliders.

    Raises:
        LessonError: a cell fails, or a result is farther from the usual one than it may be.
    """
    nbclient = _extra("nbclient")
    made = notebook(source)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(_import_paths())}
    for name, wanted in (("SLM_COURSE_QUICK", quick), ("SLM_COURSE_STATIC", not widgets)):
        environment.pop(name, None)
        if wanted:
            environment[name] = "1"
    resources = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(
        made, timeout=_CELL_SECONDS, resources=resources, extra_arguments=["--log-level=ERROR"]
    )
    try:
        client.execute(env=environment)
    except nbclient.exceptions.CellExecutionError as error:
        raise LessonError(f"{source.name} does not run: {error}") from error
    printed = (output.get("text", "") for cell in made.cells for output in cell.get("outputs", []))
    unusual = [line for text in printed for line in text.splitlines() if UNUSUAL in line]
    if unusual:
        raise LessonError("\n    ".join([f"{source.name} has unusual results:", *unusual]))
    return made


def page(source: Path, made: Any) -> Page:
    """The page of a lesson.

    Args:
        source: of the lesson.
        made: the notebook with outputs, from `executed`.
    """
    by_number = {exercise.number: exercise for exercise in exercises_of(number_of(source))}
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in made.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        shown = _CHECK.search(cell.source)
        if shown is None:
            parts += _outputs(source.stem, cell.outputs, pictures)
        else:
            parts += _folded(by_number[shown[1]])
    return Page("\n\n".join(parts) + "\n", pictures)


def _outputs(stem: str, outputs: Sequence[Any], pictures: dict[str, bytes]) -> list[str]:
    """The outputs of a cell as Markdown; adds their pictures."""
    parts = []
    for output in outputs:
        data = output.get("data", {})
        html = data.get("text/html", "")
        if found := _PICTURE.search(html):
            name = f"{stem}-{len(pictures) + 1}.png"
            pictures[name] = base64.b64decode(found[3])
            alt = re.sub(r"\s+", " ", unescape(found[1])).replace("[", "(").replace("]", ")")
            parts.append(f"![{alt}]({name})")
        elif html:
            parts.append(html)
        elif text := (output.get("text") or data.get("text/plain") or "").rstrip():
            parts.append(f"```text\n{text}\n```")
    return parts


def _folded(exercise: Exercise) -> list[str]:
    """Hints and solution of an exercise, folded away."""
    folds = [(f"Hint {place}", words) for place, words in enumerate(exercise.hints, start=1)]
    folds.append(("Solution", f"```python\n{exercise.source()}\n```"))
    opened = "<details markdown>\n<summary>"
    return [
        f"{opened}{title} for {exercise.number}</summary>\n\n{text}\n\n</details>"
        for title, text in folds
    ]


def _import_paths() -> list[str]:
    """Where a kernel finds this course, then what the environment says."""
    inherited = os.environ.get("PYTHONPATH", "")
    return [str(HERE.parent), *(inherited.split(os.pathsep) if inherited else [])]
