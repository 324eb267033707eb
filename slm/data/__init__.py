"""From text to token files to batches: sources, preparation, shards, and the loader.

The names below are loaded when first used, so that importing the package costs nothing. To make a
data directory: `from slm.data.prepare import prepare`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slm.data.loader import DataLoader
    from slm.data.shards import DataDirectory
    from slm.data.sources import Source, open_source

__all__ = [
    "DataDirectory",
    "DataLoader",
    "Source",
    "open_source",
]

_HOMES = {
    "DataDirectory": "slm.data.shards",
    "DataLoader": "slm.data.loader",
    "Source": "slm.data.sources",
    "open_source": "slm.data.sources",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
