"""Continuing texts: sampling, batches, streams. PyTorch is imported only where it computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slm.lazy import fetched_when_used

if TYPE_CHECKING:
    from slm.generate.backend import Engine, build_engine, build_generator, load_generator
    from slm.generate.cached_decoder import CachedDecoder
    from slm.generate.decoder import Decoder
    from slm.generate.generator import Generator, TokenEvent
    from slm.generate.options import GenerationOptions
    from slm.generate.row import Completion, FinishReason
    from slm.generate.sampling import filter_logits, sample
    from slm.generate.slots import PlainSlots, Slots

_HOMES = {
    "CachedDecoder": "slm.generate.cached_decoder",
    "Completion": "slm.generate.row",
    "Decoder": "slm.generate.decoder",
    "Engine": "slm.generate.backend",
    "FinishReason": "slm.generate.row",
    "GenerationOptions": "slm.generate.options",
    "Generator": "slm.generate.generator",
    "PlainSlots": "slm.generate.slots",
    "Slots": "slm.generate.slots",
    "TokenEvent": "slm.generate.generator",
    "build_engine": "slm.generate.backend",
    "build_generator": "slm.generate.backend",
    "filter_logits": "slm.generate.sampling",
    "load_generator": "slm.generate.backend",
    "sample": "slm.generate.sampling",
}

__all__ = [
    "CachedDecoder",
    "Completion",
    "Decoder",
    "Engine",
    "FinishReason",
    "GenerationOptions",
    "Generator",
    "PlainSlots",
    "Slots",
    "TokenEvent",
    "build_engine",
    "build_generator",
    "filter_logits",
    "load_generator",
    "sample",
]

__getattr__, __dir__ = fetched_when_used(__name__, _HOMES)
