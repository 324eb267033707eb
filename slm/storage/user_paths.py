"""Paths that users give in Python, where no shell expands `~`."""

from __future__ import annotations

import os
from pathlib import Path


def user_path(path: str | Path) -> Path:
    """A path with `~` replaced by the home folder; unchanged where there is no such home."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  Path.expanduser raises in that case
