"""Packages for another system, followed from wheel to wheel."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from course.wheelhouse import PLATFORMS, Wheelhouse, WheelhouseError, pins_of

pytestmark = pytest.mark.slow


def wheel(folder: Path, name: str, *requires: str, version: str = "1.0", tag: str = "any") -> None:
    """A wheel without code."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-{tag}.whl", "w") as archive:
        head = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
        archive.writestr(f"{info}/METADATA", head + needs)
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nTag: py3-none-{tag}\n")
        archive.writestr(f"{name}/_vendor/other-2.0.dist-info/METADATA", "Name: other\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def house(tmp_path: Path):
    """`house(platform, **pins)`: an empty folder whose wheels come from `tmp_path / "index"`."""
    (tmp_path / "index").mkdir()
    (tmp_path / "wheels").mkdir()

    def make(platform: str, **pins: str) -> Wheelhouse:
        options = ("--no-index", f"--find-links={tmp_path / 'index'}")
        return Wheelhouse(tmp_path / "wheels", PLATFORMS[platform], "3.12", pins, options)

    return make


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("windows", {"top": "win_amd64", "color": "any", "deep": "any", "served": "any"}),
        ("linux", {"top": "manylinux_2_28_x86_64", "deep": "any", "served": "any"}),
        ("macos", {"top": "macosx_11_0_arm64", "deep": "any", "served": "any"}),
    ],
)
def test_conditions_are_those_of_the_system_that_installs(house, tmp_path, platform, expected):
    index = tmp_path / "index"
    for tag in ("win_amd64", "manylinux_2_28_x86_64", "macosx_11_0_arm64"):
        windows = 'color; sys_platform == "win32"'
        served = 'served; extra == "serve"'
        old = 'old; python_version < "3.12"'
        unwanted = 'unwanted; extra == "dev"'
        wheel(index, "top", windows, served, old, unwanted, tag=tag)
    wheel(index, "color", "deep[more]")
    wheel(index, "served", "deep")
    wheel(index, "deep")
    made = house(platform)

    made.complete([Requirement("top[serve]")])

    assert {name: path.stem.rpartition("-")[2] for name, path in made.wheels().items()} == expected


def test_pinned_versions_are_taken_where_they_fit(house, tmp_path):
    index = tmp_path / "index"
    wheel(index, "top", "free", "bound>=2")
    for version in ("1.0", "2.0", "3.0"):
        wheel(index, "free", version=version)
        wheel(index, "bound", version=version)
    made = house("windows", free="2.0", bound="1.0")

    made.complete([Requirement("top")])

    found = {name: path.name.split("-")[1] for name, path in made.wheels().items()}
    assert found == {"top": "1.0", "free": "2.0", "bound": "3.0"}


def test_a_package_without_a_wheel_is_named(house, tmp_path):
    wheel(tmp_path / "index", "top", "absent")
    with pytest.raises(WheelhouseError, match=r"did not find 1 package .*absent"):
        house("windows").complete([Requirement("top")])


def test_a_build_for_gpus_is_refused(house, tmp_path):
    wheel(tmp_path / "index", "torch", 'nvidia-cublas; platform_system == "Linux"', "plain")
    wheel(tmp_path / "index", "plain")
    with pytest.raises(WheelhouseError, match="GPU"):
        house("linux").complete([Requirement("torch")])
    house("windows").complete([Requirement("torch")])


def test_constraints_are_read(tmp_path):
    (tmp_path / "c.txt").write_text("# a note\nPyYAML==6.0  # why\nipython_pygments==1.1\n")
    assert pins_of(tmp_path / "c.txt") == {"pyyaml": "6.0", "ipython-pygments": "1.1"}
