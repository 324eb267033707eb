"""A small language model from scratch: from raw text to children's stories on a laptop.

    import slm

    lm = slm.load("runs/demo")
    print(lm.generate("Once upon a time")[0])

Importing this package costs nothing; each name is fetched when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slm.lazy import fetched_when_used
from slm.version import __version__ as __version__

if TYPE_CHECKING:
    from slm.api import (
        LanguageModel,
        Run,
        Trainer,
        compare,
        evaluate,
        load,
        open_run,
        plan,
        prepare,
        report,
        train,
    )
    from slm.config import GPTConfig, ModelConfig, TrainingConfig, get_default_configs
    from slm.data.loader import DataLoader
    from slm.errors import SlmError
    from slm.generation import GenerationOptions, Generator
    from slm.model import GPT
    from slm.training.events import Callback

_HOMES = {
    "Callback": "slm.training.events",
    "DataLoader": "slm.data.loader",
    "GPT": "slm.model",
    "GPTConfig": "slm.config",
    "GenerationOptions": "slm.generation",
    "Generator": "slm.generation",
    "LanguageModel": "slm.api",
    "ModelConfig": "slm.config",
    "Run": "slm.api",
    "SlmError": "slm.errors",
    "Trainer": "slm.api",
    "TrainingConfig": "slm.config",
    "compare": "slm.api",
    "evaluate": "slm.api",
    "get_default_configs": "slm.config",
    "load": "slm.api",
    "open_run": "slm.api",
    "plan": "slm.api",
    "prepare": "slm.api",
    "report": "slm.api",
    "train": "slm.api",
}

__all__ = [
    "GPT",
    "Callback",
    "DataLoader",
    "GPTConfig",
    "GenerationOptions",
    "Generator",
    "LanguageModel",
    "ModelConfig",
    "Run",
    "SlmError",
    "Trainer",
    "TrainingConfig",
    "compare",
    "evaluate",
    "get_default_configs",
    "load",
    "open_run",
    "plan",
    "prepare",
    "report",
    "train",
]

__getattr__, __dir__ = fetched_when_used(__name__, _HOMES)
