"""Continuing texts: sampling, batches, streams. PyTorch is imported only where it computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slm.lazy import fetched_when_used

if TYPE_CHECKING:
    from slm.generation.backend import Engine, build_engine, build_generator, load_generator
    from slm.generation.cached_decoder import CachedDecoder
    from slm.generation.decoder import Decoder
    from slm.generation.generator import Generator, TokenEvent
    from slm.generation.options import GenerationOptions
    from slm.generation.sampling import filter_logits, sample
    from slm.generation.sequence import Completion, FinishReason
    from slm.generation.slots import PlainSlots, Slots

_HOMES = {
    "CachedDecoder": "slm.generation.cached_decoder",
    "Completion": "slm.generation.sequence",
    "Decoder": "slm.generation.decoder",
    "Engine": "slm.generation.backend",
    "FinishReason": "slm.generation.sequence",
    "GenerationOptions": "slm.generation.options",
    "Generator": "slm.generation.generator",
    "PlainSlots": "slm.generation.slots",
    "Slots": "slm.generation.slots",
    "TokenEvent": "slm.generation.generator",
    "build_engine": "slm.generation.backend",
    "build_generator": "slm.generation.backend",
    "filter_logits": "slm.generation.sampling",
    "load_generator": "slm.generation.backend",
    "sample": "slm.generation.sampling",
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
