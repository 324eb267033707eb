"""The tests that belong to what has changed since the branch left `main`; for `make check`.

Usage: python -m tests.changed; prints files and folders for pytest: those that mirror what has
changed. They are all there are where nothing has changed, or something that all tests share.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
UNIT, BENCH = PurePosixPath("tests/unit"), PurePosixPath("tests/bench")
ROOMS = {"slm": UNIT, "bench": BENCH, "storyworld": UNIT / "storyworld", "course": UNIT / "course"}
"""Where the tests are of each folder with code."""
SHARED = {"pyproject.toml", "constraints.txt", "tests/conftest.py", "tests/surroundings.py"}
"""What every test depends on."""
ALWAYS = "tests/contract/test_pages.py"
"""Quick, and about every change; so there is a test also where all others are slow ones."""


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


def mirrors_of(files: Iterable[str], root: Path) -> list[str]:
    """The test files and folders that belong to these files, each once."""
    found = {place for name in files if (place := _place_of(PurePosixPath(name), root)) is not None}
    return sorted(str(place) for place in found if not found.intersection(place.parents))


def _place_of(path: PurePosixPath, root: Path) -> PurePosixPath | None:
    """Where the tests of a file are: it itself, the file that mirrors it, or the nearest folder."""
    if path.is_relative_to(UNIT) or path.is_relative_to(BENCH):
        place = path if path.name.startswith("test_") else path.parent
    elif path.parts[0] in ROOMS:
        place = ROOMS[path.parts[0]].joinpath(*path.parts[1:-1], f"test_{path.stem}.py")
    else:
        return None
    while not (root / place).exists():
        place = place.parent
    return place if place.is_relative_to(BENCH) or UNIT in place.parents else None


def places_for(files: Collection[str], root: Path) -> list[str]:
    """The tests for a change of these files."""
    if not files or SHARED.intersection(files):
        return [str(BENCH), str(UNIT)]
    return mirrors_of(files, root)


if __name__ == "__main__":
    print(ALWAYS, *places_for(changed_files(ROOT), ROOT))
