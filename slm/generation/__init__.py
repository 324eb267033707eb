"""Continuing prompts: sampling, batches, streams. PyTorch is imported only where it computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slm.lazy import fetched_when_used

if TYPE_CHECKING:
    from slm.generation.backend import build_engine, build_generator, load_generator
    from slm.generation.engine import Engine
    from slm.generation.generator import Generator, TokenEvent
    from slm.generation.options import GenerationOptions
    from slm.generation.sampling import filter_logits, sample
    from slm.generation.sequence import Completion, FinishReason
    from slm.generation.torch_engine import TorchEngine

_HOMES = {
    "Completion": "slm.generation.sequence",
    "Engine": "slm.generation.engine",
    "FinishReason": "slm.generation.sequence",
    "GenerationOptions": "slm.generation.options",
    "Generator": "slm.generation.generator",
    "TokenEvent": "slm.generation.generator",
    "TorchEngine": "slm.generation.torch_engine",
    "build_engine": "slm.generation.backend",
    "build_generator": "slm.generation.backend",
    "filter_logits": "slm.generation.sampling",
    "load_generator": "slm.generation.backend",
    "sample": "slm.generation.sampling",
}

__all__ = [
    "Completion",
    "Engine",
    "FinishReason",
    "GenerationOptions",
    "Generator",
    "TokenEvent",
    "TorchEngine",
    "build_engine",
    "build_generator",
    "filter_logits",
    "load_generator",
    "sample",
]

__getattr__, __dir__ = fetched_when_used(__name__, _HOMES)
