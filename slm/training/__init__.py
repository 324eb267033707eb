"""Training: the loop, its steps, schedules, optimizers and events."""

from slm.training.events import (
    Callback,
    EvaluationRecord,
    RunStart,
    SampleRecord,
    StepRecord,
    TrainingResult,
)
from slm.training.optim import Muon
from slm.training.schedule import lr_at
from slm.training.trainer import Trainer

__all__ = [
    "Callback",
    "EvaluationRecord",
    "Muon",
    "RunStart",
    "SampleRecord",
    "StepRecord",
    "Trainer",
    "TrainingResult",
    "lr_at",
]
