"""The Python API: loading models, training runs, planning, preparing, evaluating,
reporting, comparing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slm.lazy import fetched_when_used

if TYPE_CHECKING:
    from slm.api.comparison import compare
    from slm.api.data import evaluate, prepare
    from slm.api.language_model import LanguageModel
    from slm.api.loading import load
    from slm.api.reports import report
    from slm.api.run import Run, open_run
    from slm.api.trainer import Trainer
    from slm.api.training import plan, train

__all__ = [
    "LanguageModel",
    "Run",
    "Trainer",
    "compare",
    "evaluate",
    "load",
    "open_run",
    "plan",
    "prepare",
    "report",
    "train",
]

_HOMES = {
    "LanguageModel": "slm.api.language_model",
    "Run": "slm.api.run",
    "Trainer": "slm.api.trainer",
    "compare": "slm.api.comparison",
    "evaluate": "slm.api.data",
    "load": "slm.api.loading",
    "open_run": "slm.api.run",
    "plan": "slm.api.training",
    "prepare": "slm.api.data",
    "report": "slm.api.reports",
    "train": "slm.api.training",
}

__getattr__, __dir__ = fetched_when_used(__name__, _HOMES)
