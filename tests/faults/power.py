"""A power cut at every moment: what of the file operations before it may be on the disk.

The operations are done for real below a folder, and logged. Of a power cut after any of them, this
is what POSIX leaves open, and file systems do in some order or other:

- a file's bytes count as written once the file was fsynced; until then all, none, or some of them
  are there, or zeros in their place;
- a name that was made, moved or removed counts once its directory was fsynced; until then each such
  change is there or not, whatever happened to the others. A rename is there or not as a whole, and
  a later change of a name implies the earlier ones of the same name, as in any journal.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import random
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Inode = int
Name = tuple[Inode, str]
"""A directory, and a name in it."""
Tree = dict[str, bytes | None]
"""What is on a disk: the bytes of every file by its path, None for a directory."""


@dataclass(frozen=True)
class Renamed:
    """Names that were given to another inode, or to none, all at once."""

    names: dict[Name, Inode | None]


@dataclass(frozen=True)
class Written:
    """All bytes that a file now holds, for whoever reads it before the power fails."""

    inode: Inode
    content: bytes


@dataclass(frozen=True)
class Synced:
    """A file whose bytes are safe now, or a directory (no content) whose names are."""

    inode: Inode
    content: bytes | None


Event = Renamed | Written | Synced


class Recorder:
    """Logs the file operations below a folder while `recording()`; what is there is safe."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log: list[Event] = []
        self._inodes: dict[int, Inode] = {}
        self._n_inodes = 0
        self._open_paths: dict[int, str] = {}
        self._io_open, self._os_open = io.open, os.open
        self.root_inode = self._new(root)
        for folder, folders, files in os.walk(root):
            parent = self._inodes[Path(folder).stat().st_ino]
            for name in (*folders, *files):
                path = Path(folder, name)
                inode = self._new(path)
                self.log.append(Renamed({(parent, name): inode}))
                if name in files:
                    content = path.read_bytes()
                    self.log += [Written(inode, content), Synced(inode, content)]
            self.log.append(Synced(parent, None))
        self.n_before = len(self.log)

    def _new(self, path: Any) -> Inode:
        self._n_inodes += 1
        self._inodes[os.lstat(path).st_ino] = self._n_inodes
        return self._n_inodes

    def _parent(self, path: Any, dir_fd: int | None = None) -> tuple[Inode | None, str]:
        path = os.fspath(path)
        folder, name = os.path.split(path)
        status = Path(folder).stat() if dir_fd is None or folder else os.fstat(dir_fd)
        return self._inodes.get(status.st_ino), name

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Log what the block does, which must be in one thread."""
        names = ("mkdir", "rename", "replace", "unlink", "remove", "rmdir", "fsync", "open")
        originals = {name: getattr(os, name) for name in names}
        builtins_open = builtins.open
        wrappers: dict[str, Callable[..., Any]] = {
            "mkdir": self._mkdir(os.mkdir),
            "rename": self._rename(os.rename),
            "replace": self._rename(os.replace),
            "unlink": self._remove(os.unlink),
            "remove": self._remove(os.remove),
            "rmdir": self._remove(os.rmdir),
            "fsync": self._fsync,
            "open": self._open_descriptor,
        }
        for name, wrapper in wrappers.items():
            setattr(os, name, wrapper)
        io.open = builtins.open = self._open_stream  # type: ignore[assignment]
        try:
            yield
        finally:
            for name, original in originals.items():
                setattr(os, name, original)
            io.open, builtins.open = self._io_open, builtins_open

    def _mkdir(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *args: Any, **kwargs: Any) -> None:
            original(path, *args, **kwargs)
            self._made(path)

        return call

    def _made(self, path: Any) -> Inode | None:
        parent, name = self._parent(path)
        if parent is None:
            return None
        inode = self._new(path)
        self.log.append(Renamed({(parent, name): inode}))
        return inode

    def _rename(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(source: Any, target: Any, *args: Any, **kwargs: Any) -> None:
            inode = self._inodes.get(os.lstat(source).st_ino)
            places = self._parent(source), self._parent(target)
            original(source, target, *args, **kwargs)
            if inode is not None and places[0][0] is not None and places[1][0] is not None:
                old, new = (places[0][0], places[0][1]), (places[1][0], places[1][1])
                self.log.append(Renamed({old: None, new: inode}))

        return call

    def _remove(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *args: Any, dir_fd: int | None = None, **kwargs: Any) -> None:
            parent, name = self._parent(path, dir_fd)
            status = os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
            original(path, *args, dir_fd=dir_fd, **kwargs)
            if stat.S_ISDIR(status.st_mode) or status.st_nlink == 1:
                self._inodes.pop(status.st_ino, None)  # the number may be given to another one
            if parent is not None:
                self.log.append(Renamed({(parent, name): None}))

        return call

    def _fsync(self, descriptor: int) -> None:
        """Log it; the disk itself need not be waited for."""
        status = os.fstat(descriptor)
        inode = self._inodes.get(status.st_ino)
        if inode is None:
            return
        if stat.S_ISDIR(status.st_mode):
            self.log.append(Synced(inode, None))
            return
        try:
            content = os.pread(descriptor, status.st_size, 0)
        except OSError:  # opened for writing only
            with self._io_open(self._open_paths[descriptor], "rb") as stream:
                content = stream.read()
        # What is still in a stream's buffer was not given to the system, and is not safe.
        self.log.append(Synced(inode, content))

    def _open_descriptor(self, path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        is_new = bool(flags & os.O_CREAT) and not os.path.lexists(path)
        descriptor = self._os_open(path, flags, *args, **kwargs)
        if is_new:
            inode = self._made(path)
            if inode is not None:
                self.log.append(Written(inode, b""))
        return descriptor

    def _open_stream(self, file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if not set(mode) & set("wax"):
            return self._io_open(file, mode, *args, **kwargs)
        is_new = not os.path.lexists(file)
        stream = self._io_open(file, mode, *args, **kwargs)
        self._open_paths[stream.fileno()] = os.fspath(file)
        if is_new:
            self._made(file)
        inode = self._inodes.get(os.fstat(stream.fileno()).st_ino)
        if inode is None:
            return stream
        content = Path(file).read_bytes() if "a" in mode else b""
        self.log.append(Written(inode, content))
        return RecordedStream(stream, self.log, inode, content)


class RecordedStream:
    """A stream that is written from front to back, and logs what the file will hold."""

    def __init__(self, stream: Any, log: list[Event], inode: Inode, content: bytes) -> None:
        self._stream = stream
        self._log = log
        self._inode = inode
        self._content = content

    def __enter__(self) -> RecordedStream:
        return self

    def __exit__(self, *details: object) -> None:
        self._stream.close()

    def write(self, content: Any) -> Any:
        raw = content.encode() if isinstance(content, str) else bytes(content)
        self._content += raw
        self._log.append(Written(self._inode, self._content))
        return self._stream.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@dataclass
class Disk:
    """What is safe, and what is not yet, after some events."""

    root: Inode
    names: dict[Name, Inode] = field(default_factory=dict)
    pending: list[Renamed] = field(default_factory=list)
    safe: dict[Inode, bytes] = field(default_factory=dict)
    seen: dict[Inode, bytes] = field(default_factory=dict)
    """What a reader sees while there is power."""

    def take(self, event: Event) -> None:
        """Go one event on."""
        if isinstance(event, Renamed):
            self.pending.append(event)
        elif isinstance(event, Written):
            self.seen[event.inode] = event.content
        elif event.content is not None:
            self.safe[event.inode] = event.content
        else:
            inside = [r for r in self.pending if any(d == event.inode for d, _ in r.names)]
            kept = self._with_earlier(inside)
            _apply(self.names, kept)
            self.pending = [r for r in self.pending if not any(r is k for k in kept)]

    def _with_earlier(self, chosen: list[Renamed]) -> list[Renamed]:
        """The chosen changes, and all earlier ones of the same names, in their order."""
        kept, names = [], set()
        for change in reversed(self.pending):
            if any(change is c for c in chosen) or names & change.names.keys():
                kept.append(change)
                names |= change.names.keys()
        return kept[::-1]

    def after_power_cut(self, keep: Callable[[], bool], content: Callable[[], str]) -> Tree:
        """One of the states that a power cut may leave.

        Args:
            keep: decides of each change of a name that is not safe.
            content: decides of each file that is not: "all", "none", "part" or "zeros" of it.
        """
        names = dict(self.names)
        _apply(names, self._with_earlier([change for change in self.pending if keep()]))
        children: dict[Inode, list[tuple[str, Inode]]] = {}
        for (folder, name), inode in names.items():
            children.setdefault(folder, []).append((name, inode))
        tree: Tree = {}
        waiting = [("", self.root)]
        while waiting:
            path, folder = waiting.pop()
            for name, inode in sorted(children.get(folder, [])):
                place = f"{path}{name}"
                if inode in self.seen:
                    tree[place] = self._bytes_of(inode, content)
                else:
                    tree[place] = None
                    waiting.append((f"{place}/", inode))
        return tree

    def _bytes_of(self, inode: Inode, content: Callable[[], str]) -> bytes:
        safe, seen = self.safe.get(inode, b""), self.seen[inode]
        if safe == seen:
            return safe
        rest = seen[len(safe) :] if seen.startswith(safe) else seen
        kept = seen[: len(seen) - len(rest)]
        lost: dict[str, bytes] = {
            "all": seen,
            "none": safe,
            "part": kept + rest[: len(rest) // 2],
            "zeros": kept + bytes(len(rest)),
        }
        return lost[content()]


def _apply(names: dict[Name, Inode], changes: list[Renamed]) -> None:
    for change in changes:
        for name, inode in change.names.items():
            if inode is None:
                names.pop(name, None)
            else:
                names[name] = inode


def states_after_power_cuts(
    recorder: Recorder, chance: random.Random, draws: int
) -> Iterator[tuple[Tree, bool]]:
    """Different states that a power cut may leave, and whether all was over by then.

    After each event: the extremes (all or no names, with all bytes, none, or zeros), and `draws`
    random states.
    """
    disk = Disk(recorder.root_inode)
    found: set[int] = set()
    n_events = len(recorder.log)
    for number, event in enumerate(recorder.log, start=1):
        disk.take(event)
        if number < recorder.n_before:
            continue
        is_over = number == n_events
        trees = [
            disk.after_power_cut(lambda keep=keep: keep, lambda content=content: content)
            for keep in (True, False)
            for content in ("all", "none", "zeros")
        ]
        trees += [
            disk.after_power_cut(
                lambda: chance.random() < 0.5,
                lambda: chance.choice(["all", "none", "part", "zeros"]),
            )
            for _ in range(draws)
        ]
        for tree in trees:
            identity = hash((is_over, *sorted(tree.items(), key=lambda item: item[0])))
            if identity not in found:
                found.add(identity)
                yield tree, is_over


def materialise(tree: Tree, place: Path) -> Path:
    """Write a state of the disk into a new folder."""
    place.mkdir(parents=True)
    for path, content in sorted(tree.items()):
        if content is None:
            (place / path).mkdir()
        else:
            (place / path).write_bytes(content)
    return place
