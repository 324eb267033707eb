"""Continuing texts: sampling, batches, streams."""

from slm.generate.backend import Engine, build_engine, build_generator
from slm.generate.decoder import CachedDecoder, Decoder
from slm.generate.generator import Generator, TokenEvent
from slm.generate.options import GenerationOptions
from slm.generate.row import Completion, FinishReason
from slm.generate.sampling import filter_logits, sample
from slm.generate.slots import PlainSlots, Slots

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
    "sample",
]
