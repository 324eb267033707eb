"""A folder from which slm and the course install without a network, on Windows, macOS or Linux.

    python -m course.wheelhouse FOLDER [--platform windows] [--python 3.12] [--extras serve,course]

Needs a network, and the project folder. pip fetches the packages for another system, but judges
conditions such as `sys_platform == "win32"` by its own. So the requirements are followed here, from
the metadata of each wheel, as they are on the system that will install them.
"""

from __future__ import annotations

import argparse
import email
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from slm.errors import SlmError
from slm.quantities import counted, megabytes
from slm.storage.files import atomic_write

ROOT = Path(__file__).parents[1]
TORCH = "torch==2.13.0"
LATE_PATCH = 99
"""Some packages ask for a late patch release of a version of Python, such as 3.11.5."""
WINDOWS_SCRIPT = """\
@echo off
rem Installs slm into a new folder "slm" here, without a network and without administrator rights.
py -{python} -m venv slm || python -m venv slm || exit /b 1
slm\\Scripts\\python -m pip install --no-index --find-links "%~dp0wheels" {wanted} || exit /b 1
echo Done. Start with:  slm\\Scripts\\slm --help
"""
POSIX_SCRIPT = """\
#!/bin/sh
# Installs slm into a new folder "slm" here, without a network and without administrator rights.
set -e
python{python} -m venv slm
slm/bin/python -m pip install --no-index --find-links "$(dirname "$0")/wheels" {wanted}
echo "Done. Start with:  slm/bin/slm --help"
"""


class WheelhouseError(SlmError):
    """The folder cannot be completed."""


@dataclass(frozen=True)
class Platform:
    """A system that will install from the folder.

    Attributes:
        tags: the platforms that its wheels may name.
        markers: what conditions of requirements see there.
    """

    tags: tuple[str, ...]
    markers: dict[str, str]


PLATFORMS = {
    "windows": Platform(
        ("win_amd64",),
        {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"}
        | {"platform_machine": "AMD64"},
    ),
    "macos": Platform(
        ("macosx_14_0_arm64", "macosx_14_0_universal2"),
        {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"}
        | {"platform_machine": "arm64"},
    ),
    "linux": Platform(
        (
            *(f"manylinux_2_{minor}_x86_64" for minor in range(34, 4, -1)),
            *("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"),
        ),
        {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
        | {"platform_machine": "x86_64"},
    ),
}


@dataclass
class Wheelhouse:
    """A folder of wheels for one system.

    Attributes:
        folder: where the wheels are.
        platform: the system that will install them.
        python: its version of Python, such as `3.12`.
        pins: versions by canonical name; a package without one is taken in its newest version.
        options: further options of pip, for example `--extra-index-url`.
    """

    folder: Path
    platform: Platform
    python: str
    pins: dict[str, str] = field(default_factory=dict)
    options: Sequence[str] = ()

    def complete(self, wanted: Iterable[Requirement]) -> None:
        """Add the wheels that these requirements need, and those that they need in turn.

        Raises:
            WheelhouseError: a package has no wheel for the system.
        """
        seen: set[tuple[str, str]] = set()
        level = list(wanted)
        while level:
            have = self.wheels()
            missing = {canonicalize_name(each.name): each for each in level}
            self._download([each for name, each in missing.items() if name not in have])
            have = self.wheels()
            following = []
            for each in level:
                name = canonicalize_name(each.name)
                for extra in ("", *each.extras):
                    if (name, extra) not in seen:
                        seen.add((name, extra))
                        following += self._needed(have[name], extra)
            level = following

    def wheels(self) -> dict[str, Path]:
        """The wheels that are there, by canonical name."""
        return {parse_wheel_filename(path.name)[0]: path for path in self.folder.glob("*.whl")}

    def _needed(self, wheel: Path, extra: str) -> list[Requirement]:
        """What a wheel requires on the system, for itself or for one of its extras."""
        with zipfile.ZipFile(wheel) as archive:
            (path,) = (
                name
                for name in archive.namelist()
                if name.endswith(".dist-info/METADATA") and name.count("/") == 1
            )
            fields = email.message_from_bytes(archive.read(path)).get_all("Requires-Dist") or []
        environment = {
            **self.platform.markers,
            "python_version": self.python,
            "python_full_version": f"{self.python}.{LATE_PATCH}",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }
        requirements = [Requirement(text) for text in fields]
        return [
            each
            for each in requirements
            if (
                extra == ""
                if each.marker is None
                else each.marker.evaluate({**environment, "extra": extra})
                and not (extra and each.marker.evaluate({**environment, "extra": ""}))
            )
        ]

    def _download(self, missing: Sequence[Requirement]) -> None:
        if not missing:
            return
        gpu = [each.name for each in missing if each.name.startswith("nvidia-")]
        if gpu:
            raise WheelhouseError(
                f"this build of torch needs {len(gpu)} GPU packages of several GB: {gpu[0]} ...",
                hint="name the index of CPU builds, which PyTorch's page of installation shows: "
                "--pip-option=--extra-index-url=ADDRESS",
            )
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--python-version", f"{self.python}.{LATE_PATCH}"]
        command += ["--implementation", "cp", "--dest", str(self.folder), *self.options]
        for tag in self.platform.tags:
            command += ["--platform", tag]
        done = subprocess.run(
            [*command, *map(self._pinned, missing)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "No matching" in line]
            raise WheelhouseError(
                f"pip did not find {counted(len(missing), 'package')} for that system: "
                + (" ".join(errors) or done.stderr.strip()),
                hint="try another version of Python; not every package has wheels for the newest",
            )

    def _pinned(self, requirement: Requirement) -> str:
        pin = self.pins.get(canonicalize_name(requirement.name))
        if pin and requirement.specifier.contains(pin, prereleases=True):
            return f"{requirement.name}=={pin}"
        return f"{requirement.name}{requirement.specifier}"


def pins_of(constraints: Path) -> dict[str, str]:
    """The versions in a file of constraints, by canonical name."""
    lines = (line.partition("#")[0].strip() for line in constraints.read_text("utf-8").splitlines())
    pairs = (line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version for name, version in pairs}


def build_wheel(folder: Path) -> None:
    """Build the wheel of this project into a folder."""
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        done = subprocess.run(
            [*command, "--wheel-dir", temporary, str(ROOT)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise WheelhouseError(f"the project's own wheel was not built: {done.stderr.strip()}")
        for old in folder.glob("slm-*.whl"):
            old.unlink()
        for wheel in Path(temporary).glob("*.whl"):
            atomic_write(folder / wheel.name, wheel.read_bytes())


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m course.wheelhouse", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("folder", type=Path, help="what to make; wheels that are there are kept")
    parser.add_argument(
        "--platform", choices=PLATFORMS, default="windows", help="default: %(default)s"
    )
    parser.add_argument(
        "--python", default="3.12", metavar="X.Y", help="of the classroom (default: %(default)s)"
    )
    parser.add_argument("--extras", default="serve,course", help="default: %(default)s")
    parser.add_argument(
        "--pip-option", action="append", default=[], metavar="OPTION", help="passed to pip"
    )
    options = parser.parse_args(arguments)
    wanted = f"slm[{options.extras}]" if options.extras else "slm"
    wheels = options.folder / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    pins = pins_of(ROOT / "constraints.txt")
    house = Wheelhouse(
        wheels, PLATFORMS[options.platform], options.python, pins, options.pip_option
    )
    try:
        build_wheel(wheels)
        house.complete([Requirement(TORCH), Requirement(wanted)])
    except SlmError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_code
    name, text = (
        ("install.bat", WINDOWS_SCRIPT.replace("\n", "\r\n"))
        if options.platform == "windows"
        else ("install.sh", POSIX_SCRIPT)
    )
    how = name if options.platform == "windows" else f"sh {name}"
    script = text.format(python=options.python, wanted=f'"{wanted}"')
    atomic_write(options.folder / name, script.encode("utf-8"))
    size = sum(path.stat().st_size for path in wheels.iterdir())
    print(f"{counted(len(house.wheels()), 'wheel')}, {megabytes(size)}, in {wheels.resolve()}")
    print(f"In the classroom, copy {options.folder} to each computer and run: {how}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
