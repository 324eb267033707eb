"""How well a model predicts text: loss, perplexity and bits per byte over every token."""

from slm.evals.loss import (
    EvalResult,
    evaluate_ids,
    evaluate_parts,
    evaluate_split,
    evaluate_texts,
)
from slm.evals.scorers import ModelScorer, NativeScorer, Scorer

__all__ = [
    "EvalResult",
    "ModelScorer",
    "NativeScorer",
    "Scorer",
    "evaluate_ids",
    "evaluate_parts",
    "evaluate_split",
    "evaluate_texts",
]
