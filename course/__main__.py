"""`python -m course`: write the lessons as notebooks, or as pages with their outputs."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from course.build import executed, page, sources, write_notebooks
from slm.errors import SlmError
from slm.quantities import counted, duration
from slm.storage.files import atomic_write


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m course", description=__doc__)
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("course-notebooks"),
        help="where to write (default: %(default)s); notebooks that are there are kept",
    )
    parser.add_argument(
        "--pages",
        action="store_true",
        help="run each lesson and write Markdown with its outputs instead; replaces what is there",
    )
    parser.add_argument("--quick", action="store_true", help="with --pages: shorten computations")
    parser.add_argument(
        "--only", type=int, metavar="N", nargs="*", help="with --pages: only these lessons"
    )
    options = parser.parse_args(arguments)
    try:
        if options.pages:
            _write_pages(options.folder, quick=options.quick, only=options.only)
        else:
            _write_notebooks(options.folder)
    except SlmError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


def _write_notebooks(folder: Path) -> None:
    written = write_notebooks(folder)
    print(f"{counted(len(written), 'new notebook')} in {folder.resolve()}")
    print("Open the first one in Jupyter or VS Code:")
    print(f'    "{sys.executable}" -m jupyter lab "{folder / sources()[0].stem}.ipynb"')


def _write_pages(folder: Path, *, quick: bool, only: list[int] | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources():
        if only and int(source.name[:2]) not in only:
            continue
        started_at = time.perf_counter()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as workplace:
            made = page(source, executed(source, Path(workplace), quick=quick))
        atomic_write(folder / source.name, made.text.encode("utf-8"))
        for name, png in made.pictures.items():
            atomic_write(folder / name, png)
        print(f"{source.name}: {duration(time.perf_counter() - started_at)}")


if __name__ == "__main__":
    sys.exit(main())
