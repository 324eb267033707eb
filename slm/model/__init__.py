"""The transformer itself: `GPT`, its parts, its key/value cache, and what it costs."""

from slm.model.accounting import Costs, costs_of
from slm.model.gpt import GPT
from slm.model.kv_cache import KVCache

__all__ = ["GPT", "Costs", "KVCache", "costs_of"]
