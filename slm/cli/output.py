"""Output streams: results on stdout, comments and progress on stderr."""

from __future__ import annotations

import io
import json
import math
import os
import sys
from collections.abc import Iterable
from typing import Any


def prepare_streams() -> None:
    """Make the program robust against closed or limited standard streams.

    A stream that the parent process has closed is opened as the null device: otherwise the next
    file would get its descriptor, and output to the stream would end up in that file. Characters
    that the console cannot encode are replaced.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest free one
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def print_json(data: dict[str, Any]) -> None:
    """The result as one JSON object on stdout; non-finite numbers become null."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(_finite(data), indent=2, ensure_ascii=not is_utf8, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def print_table(rows: Iterable[tuple[str, ...]], *, indent: str = "") -> None:
    """Print rows of equal length in aligned columns on stdout."""
    rows = list(rows)
    if not rows:
        return
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print(indent + "  ".join(cells).rstrip())
