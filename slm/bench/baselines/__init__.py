"""Other programs alongside ours: the same task, machine and model shape, in one run."""

from slm.bench.baselines.comparison import Comparison, SpeedRatio, measure_in_turn, speed_ratios
from slm.bench.baselines.registry import BASELINES, OURS, Baseline, GenerationTask

__all__ = [
    "BASELINES",
    "OURS",
    "Baseline",
    "Comparison",
    "GenerationTask",
    "SpeedRatio",
    "measure_in_turn",
    "speed_ratios",
]
