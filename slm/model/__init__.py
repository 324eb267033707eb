"""The transformer itself: `GPT`, its parts, its key/value cache, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slm.lazy import fetched_when_used

if TYPE_CHECKING:
    from slm.config import GPTConfig
    from slm.model.accounting import Costs, costs_of
    from slm.model.gpt import GPT
    from slm.model.kv_cache import KVCache

_HOMES = {
    "Costs": "slm.model.accounting",
    "GPT": "slm.model.gpt",
    "GPTConfig": "slm.config",
    "KVCache": "slm.model.kv_cache",
    "costs_of": "slm.model.accounting",
}

__all__ = [
    "GPT",
    "Costs",
    "GPTConfig",
    "KVCache",
    "costs_of",
]

__getattr__, __dir__ = fetched_when_used(__name__, _HOMES)
