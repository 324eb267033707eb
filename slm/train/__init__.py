"""Training: the loop, its steps, schedules and optimizers, and those who listen."""

from slm.train.events import (
    Callback,
    EvaluationRecord,
    RunStart,
    SampleRecord,
    StepRecord,
    TrainingResult,
)
from slm.train.optim import Muon
from slm.train.schedule import lr_at
from slm.train.trainer import Trainer

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
