"""How well a model predicts: loss and bits per byte over every token, or over given windows."""

from slm.evals.loss import (
    EvalResult,
    evaluate_ids,
    evaluate_pieces,
    evaluate_split,
    evaluate_texts,
)
from slm.evals.scorers import ModelScorer, NativeScorer, Scorer
from slm.evals.windows import validation_loss

__all__ = [
    "EvalResult",
    "ModelScorer",
    "NativeScorer",
    "Scorer",
    "evaluate_ids",
    "evaluate_pieces",
    "evaluate_split",
    "evaluate_texts",
    "validation_loss",
]
