"""Every operation that changes something on the disk, with a hook before each one.

A write counts as one operation, and so does closing a stream, which writes what it still holds.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import os
from collections.abc import Callable, Iterator
from typing import Any, Protocol

CHANGING = (
    "mkdir",
    "rename",
    "replace",
    "unlink",
    "remove",
    "rmdir",
    "link",
    "symlink",
    "truncate",
    "ftruncate",
    "fsync",
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Hook(Protocol):
    """Called before each operation; `half` does half of a write, where it is one."""

    def __call__(self, half: Callable[[], object] | None = None) -> None: ...


class HookedStream:
    """A stream for writing that tells of its writes, and of its end."""

    def __init__(self, stream: Any, before: Hook) -> None:
        self._stream = stream
        self._before = before

    def __enter__(self) -> HookedStream:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def write(self, content: Any) -> Any:
        def half() -> None:
            self._stream.write(content[: len(content) // 2])
            self._stream.flush()

        self._before(half)
        return self._stream.write(content)

    def close(self) -> None:
        try:
            if not self._stream.closed:
                self._before()
        finally:
            self._stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def hooked_operations(before: Hook) -> Iterator[None]:
    """Call `before` ahead of every operation of the block that changes something."""
    originals = {name: getattr(os, name) for name in CHANGING if hasattr(os, name)}
    os_open, os_write, io_open = os.open, os.write, io.open

    def hook(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            before()
            return original(*args, **kwargs)

        return call

    def opened_descriptor(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & WRITING:
            before()
        return os_open(path, flags, *args, **kwargs)

    def written(descriptor: int, content: Any) -> int:
        before(lambda: os_write(descriptor, content[: len(content) // 2]))
        return os_write(descriptor, content)

    def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if not set(mode) & set("wax+"):
            return io_open(file, mode, *args, **kwargs)
        before()
        return HookedStream(io_open(file, mode, *args, **kwargs), before)

    for name, original in originals.items():
        setattr(os, name, hook(original))
    os.open, os.write = opened_descriptor, written
    io.open = builtins.open = opened  # type: ignore[assignment]
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(os, name, original)
        os.open, os.write = os_open, os_write
        io.open = builtins.open = io_open


def count_operations(action: Callable[[], object]) -> int:
    """How many operations something makes."""
    count = 0

    def before(half: Callable[[], object] | None = None) -> None:
        nonlocal count
        count += 1

    with hooked_operations(before):
        action()
    return count
