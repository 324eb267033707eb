"""From text to token files to batches: sources, preparation, shards, and the loader.

The names below are imported when they are first used, so that importing the package is fast. To
make a data directory: `from slm.data.prepare import prepare`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slm.lazy import fetched_when_used

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


__getattr__, __dir__ = fetched_when_used(__name__, _HOMES)
