"""Which unit tests `make check` runs for a change."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.changed import changed_files, unit_tests_of


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Files of a project, and tests that mirror them."""
    for name in (
        *("slm/config.py", "slm/cli/output.py", "slm/cli/__init__.py", "slm/server/page/a.js"),
        *("storyworld/world.py", "tests/unit/test_config.py", "tests/unit/cli/test_output.py"),
        *("tests/unit/cli/test_app.py", "tests/unit/server/test_app.py"),
        *("tests/unit/storyworld/test_world.py", "tests/unit/cli/conftest.py", "README.md"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "tests"),
    [
        ([], []),
        (["slm/config.py"], ["tests/unit/test_config.py"]),
        (
            ["slm/config.py", "slm/cli/output.py"],
            ["tests/unit/cli/test_output.py", "tests/unit/test_config.py"],
        ),
        (["storyworld/world.py"], ["tests/unit/storyworld/test_world.py"]),
        # Without a test of the same name, those of the folder.
        (["slm/cli/__init__.py"], ["tests/unit/cli"]),
        (["slm/cli/gone.py"], ["tests/unit/cli"]),
        (["slm/server/page/a.js"], ["tests/unit/server"]),
        # Tests, and what they share.
        (["tests/unit/cli/test_app.py"], ["tests/unit/cli/test_app.py"]),
        (["tests/unit/cli/conftest.py", "tests/unit/cli/test_app.py"], ["tests/unit/cli"]),
        # What no unit test is about.
        (["README.md", "docs/LOG.md", "tests/e2e/test_cli.py", "bench/race.py"], []),
    ],
)
def test_files_and_their_tests(project: Path, changed: list[str], tests: list[str]) -> None:
    assert unit_tests_of(changed, project) == tests


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_what_has_changed_since_the_branch_left_main(project: Path) -> None:
    def git(*words: str) -> None:
        author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *author, *words], cwd=project, check=True, capture_output=True)

    git("init", "--initial-branch", "main")
    (project / ".gitignore").write_text("ignored\n")
    git("add", ".")
    git("commit", "-m", "first")
    assert changed_files(project) == []
    git("checkout", "-b", "branch")
    (project / "slm/config.py").write_text("x = 1\n")
    git("commit", "-am", "second")
    (project / "slm/cli/output.py").write_text("y = 2\n")
    (project / "slm/ödd name.py").write_text("")
    (project / "ignored").write_text("")
    found = changed_files(project)
    assert sorted(found) == ["slm/cli/output.py", "slm/config.py", "slm/ödd name.py"]


def test_without_git_nothing_is_known(tmp_path: Path) -> None:
    assert changed_files(tmp_path / "nowhere") == []
