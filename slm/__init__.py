"""A small language model from scratch: from raw text to told stories on a laptop.

    from slm import GPT, DataLoader, GPTConfig, Trainer, get_default_configs

Importing this package costs nothing; each name is fetched when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slm.lazy import fetched_when_used
from slm.version import __version__ as __version__

if TYPE_CHECKING:
    from slm.api import Trainer
    from slm.config import GPTConfig, ModelConfig, TrainingConfig, get_default_configs
    from slm.data.loader import DataLoader
    from slm.errors import SlmError
    from slm.generation import GenerationOptions, Generator
    from slm.model import GPT

_HOMES = {
    "DataLoader": "slm.data.loader",
    "GPT": "slm.model",
    "GPTConfig": "slm.config",
    "GenerationOptions": "slm.generation",
    "Generator": "slm.generation",
    "ModelConfig": "slm.config",
    "SlmError": "slm.errors",
    "Trainer": "slm.api",
    "TrainingConfig": "slm.config",
    "get_default_configs": "slm.config",
}

__all__ = [
    "GPT",
    "DataLoader",
    "GPTConfig",
    "GenerationOptions",
    "Generator",
    "ModelConfig",
    "SlmError",
    "Trainer",
    "TrainingConfig",
    "get_default_configs",
]

__getattr__, __dir__ = fetched_when_used(__name__, _HOMES)
