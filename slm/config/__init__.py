"""All settings: names, meanings, defaults and bounds.

There are three groups, each frozen and validated: `GPTConfig` (the shape of the model, also called
`ModelConfig`), `TrainingConfig` and `DataConfig`. A `RunConfig` has one of each, and the origin of
each value. `slm.presets` builds it from presets, files and single settings.
"""

from slm.config.data import DEFAULT_SOURCE, DataConfig
from slm.config.model import GPTConfig, ModelConfig
from slm.config.run import GROUPS, RunConfig, get_default_configs
from slm.config.training import TrainingConfig

__all__ = [
    "DEFAULT_SOURCE",
    "GROUPS",
    "DataConfig",
    "GPTConfig",
    "ModelConfig",
    "RunConfig",
    "TrainingConfig",
    "get_default_configs",
]
