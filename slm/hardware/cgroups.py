"""Container limits: how much CPU time and memory Linux allows this process.

A control group (cgroup) limits all processes in it, and its parent groups limit it: the tightest
limit counts. Version 1 has one hierarchy per resource, version 2 has one in all, and a system may
mount both. A container often sees only a part of a hierarchy, mounted as if it were complete, so
the mount points are read from `mountinfo`. See cgroups(7) and
https://docs.kernel.org/admin-guide/cgroup-v2.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

DEFAULT_PERIOD = 100_000
"""Default period of a quota in microseconds."""
LARGEST_FILE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits by the control groups of a process; None: unlimited."""

    cpus: float | None = None
    """CPU seconds per second."""
    memory_bytes: int | None = None


@dataclass(frozen=True)
class _Mount:
    """The visible part of a hierarchy of groups."""

    version: int
    controllers: frozenset[str]
    """Of a version 1 hierarchy; empty for version 2."""
    root: PurePosixPath
    """The group at the mount point."""
    point: Path


def cgroup_limits(root: Path = Path("/")) -> Limits:
    """The tightest limits of the groups that this process is in.

    Args:
        root: of the file system; files that cannot be read or parsed are ignored.
    """
    paths = _paths_by_controller(_read(root / "proc/self/cgroup"))
    cpus: list[float] = []
    memory: list[int] = []
    for mount in _mounts(_read(root / "proc/self/mountinfo"), root):
        for group in _groups(mount, paths):
            if mount.version == 2:
                quota, _, period = _read(group / "cpu.max").partition(" ")
                cpus += _quota(quota, period)
                for name in ("memory.max", "memory.high"):
                    memory += _bytes(_read(group / name))
            if "cpu" in mount.controllers:
                quota = _read(group / "cpu.cfs_quota_us")
                cpus += _quota(quota, _read(group / "cpu.cfs_period_us"))
            if "memory" in mount.controllers:
                memory += _bytes(_read(group / "memory.limit_in_bytes"))
    return Limits(min(cpus, default=None), min(memory, default=None))


def _read(path: Path) -> str:
    """The text of a small file; empty if it cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(LARGEST_FILE).strip()
    except (OSError, ValueError):
        return ""


def _paths_by_controller(text: str) -> dict[str, PurePosixPath]:
    """The process's path in the hierarchy of each controller; '' is version 2.

    Lines are `number:controller,controller:path`.
    """
    paths = {}
    for line in text.splitlines():
        fields = line.split(":", 2)
        if len(fields) == 3 and fields[2].startswith("/"):
            for controller in fields[1].split(","):
                paths[controller] = PurePosixPath(fields[2])
    return paths


def _mounts(text: str, root: Path) -> Iterator[_Mount]:
    """The mounted hierarchies.

    Lines are `id parent device root point options [tags...] - type source options`.
    """
    for line in text.splitlines():
        place, separator, kind = line.partition(" - ")
        places, kinds = place.split(" "), kind.split(" ")
        if not separator or len(places) < 6 or len(kinds) < 3:
            continue
        if kinds[0] in ("cgroup", "cgroup2"):
            is_old = kinds[0] == "cgroup"
            yield _Mount(
                version=1 if is_old else 2,
                controllers=frozenset(kinds[2].split(",")) if is_old else frozenset(),
                root=PurePosixPath(_unescaped(places[3])),
                point=root / _unescaped(places[4]).lstrip("/"),
            )


def _unescaped(name: str) -> str:
    r"""A path of `mountinfo`, with its octal escapes (`\040`) decoded."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), name)


def _groups(mount: _Mount, paths: dict[str, PurePosixPath]) -> Iterator[Path]:
    """Folders of the process's groups in a hierarchy, from the mount point to its own group.

    If the process is not below the mounted group, for example in a container that sees its path on
    the host, its group is the mount point.
    """
    names = mount.controllers or {""}
    for path in {paths[name] for name in names if name in paths}:
        group = mount.point
        yield group
        if path.is_relative_to(mount.root):
            for part in path.relative_to(mount.root).parts:
                if part == "..":
                    break
                group = group / part
                yield group


def _quota(quota: str, period: str) -> list[float]:
    """CPUs from a quota and a period in microseconds; empty without a limit."""
    used, each = _number(quota), _number(period or str(DEFAULT_PERIOD))
    return [used / each] if used and each else []


def _bytes(text: str) -> list[int]:
    found = _number(text)
    return [] if found is None else [found]


def _number(text: str) -> int | None:
    """A number in these files; None: `max`, -1, or an invalid value."""
    return int(text) if re.fullmatch(r"[0-9]{1,20}", text) else None
