"""The unit tests that belong to what has changed since the branch left `main`; for `make check`.

Usage: python -m tests.changed; prints files and folders for pytest, all unit tests where nothing
has changed or where it is not known what has.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
UNIT = PurePosixPath("tests/unit")
PACKAGE = "slm"
"""Its folders are mirrored without its own name; those of other packages with theirs."""


def changed_files(root: Path) -> list[str]:
    """Files that differ from the last commit that this branch shares with `main`, and new ones.

    An empty list where the folder is not a Git repository.
    """

    def git(*words: str) -> list[str]:
        done = subprocess.run(
            ["git", *words], cwd=root, check=True, capture_output=True, encoding="utf-8"
        )
        return [name for name in done.stdout.split("\0") if name]

    try:
        start = git("merge-base", "HEAD", "main")[0].strip()
        changed = git("diff", "--name-only", "--relative", "-z", start)
        return changed + git("ls-files", "--others", "--exclude-standard", "-z")
    except (OSError, subprocess.CalledProcessError):
        return []


def unit_tests_of(files: Iterable[str], root: Path) -> list[str]:
    """The test files and folders that belong to these files, each once."""
    found = {place for name in files if (place := _place_of(PurePosixPath(name), root)) is not None}
    return sorted(str(place) for place in found if not found.intersection(place.parents))


def _place_of(path: PurePosixPath, root: Path) -> PurePosixPath | None:
    """Where the tests of a file are: it itself, the file that mirrors it, or the nearest folder."""
    if path.is_relative_to(UNIT):
        place = path if path.name.startswith("test_") else path.parent
    elif path.parts[0] in ("tests", "docs") or len(path.parts) == 1:
        return None
    else:
        folders = path.parts[1:-1] if path.parts[0] == PACKAGE else path.parts[:-1]
        place = UNIT.joinpath(*folders, f"test_{path.stem.removeprefix('_')}.py")
    while not (root / place).exists():
        place = place.parent
    return place if place != UNIT and UNIT in place.parents else None


if __name__ == "__main__":
    print(*(unit_tests_of(changed_files(ROOT), ROOT) or [UNIT]))
