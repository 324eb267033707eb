"""The transformer itself: `GPT`, its parts, its key/value cache, and its costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slm.lazy import fetched_when_used

if TYPE_CHECKING:
    from slm.config import GPTConfig
    from slm.model.costs import Costs, model_costs
    from slm.model.gpt import GPT
    from slm.model.kv_cache import KVCache

_HOMES = {
    "Costs": "slm.model.costs",
    "GPT": "slm.model.gpt",
    "GPTConfig": "slm.config",
    "KVCache": "slm.model.kv_cache",
    "model_costs": "slm.model.costs",
}

__all__ = [
    "GPT",
    "Costs",
    "GPTConfig",
    "KVCache",
    "model_costs",
]

__getattr__, __dir__ = fetched_when_used(__name__, _HOMES)
