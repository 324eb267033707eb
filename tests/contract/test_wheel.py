"""The wheel and the source distribution have all files of the package, its model included."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.fixtures.make_fixtures import HERE

ROOT = Path(__file__).parents[2]
BUILD = """
import sys
from setuptools import build_meta
out = sys.argv[1]  # which setuptools changes
build_meta.build_wheel(out)
build_meta.build_sdist(out)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], list[str]]:
    """The project's folder, and the names in its wheel and source distribution."""
    pytest.importorskip("setuptools")
    project, out = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("out")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project)
    for package in ("slm", "storyworld", "course"):
        if (ROOT / package).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, project / package, ignore=ignored)
    if not (project / "slm" / "builtin").exists():  # a copy of the project without the model
        shutil.copytree(HERE / "int8", project / "slm" / "builtin")
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(out)],
        cwd=project,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,), (source,) = out.glob("*.whl"), out.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = archive.namelist()
    with tarfile.open(source) as archive:
        in_source = [name.partition("/")[2] for name in archive.getnames()]
    return project, in_wheel, in_source


@pytest.mark.slow
def test_no_file_of_the_package_is_missing(built: tuple[Path, list[str], list[str]]) -> None:
    project, in_wheel, in_source = built
    files = {
        path.relative_to(project).as_posix()
        for package in ("slm", "storyworld")
        for path in (project / package).rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    assert "slm/builtin/model.safetensors" in files
    assert "slm/builtin/MANIFEST.json" in files
    assert files - set(in_wheel) == set()
    assert files - set(in_source) == set()
