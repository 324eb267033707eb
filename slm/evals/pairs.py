"""Minimal pairs: of two sentences that differ in one point, which does a model find likelier?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from slm.evals.suite import Request, Score, StageProgress, Subject, score

CHANCE = 50.0


class MinimalPair(NamedTuple):
    """Two continuations of a context, of which one is right.

    Attributes:
        kind: what they differ in.
        context: what comes before both; may be empty.
        good: the right one.
        bad: the wrong one.
    """

    kind: str
    context: str
    good: str
    bad: str


def score_pairs(
    subject: Subject, pairs: Sequence[MinimalPair], *, progress: StageProgress, stage: str
) -> list[float]:
    """100 where the right one has the higher log-likelihood, 50 where both are equal, else 0.

    Args:
        subject: the model.
        pairs: what is compared.
        progress: see `StageProgress`.
        stage: the name of the work in it.
    """
    requests = [
        Request(pair.context, continuation)
        for pair in pairs
        for continuation in (pair.good, pair.bad)
    ]
    found = subject.log_likelihoods(
        requests,
        on_progress=lambda share, tokens: progress(stage, share, tokens / 1e3, "K tokens"),
    )
    return [points(good, bad) for good, bad in zip(found[::2], found[1::2], strict=True)]


def points(good: float, bad: float) -> float:
    """What a pair counts."""
    return 100.0 if good > bad else 50.0 if good == bad else 0.0


def accuracies(pairs: Sequence[MinimalPair], values: Sequence[float], seed: int) -> list[Score]:
    """The accuracy of each kind, in the order in which the kinds come first."""
    by_kind: dict[str, list[float]] = {}
    for pair, value in zip(pairs, values, strict=True):
        by_kind.setdefault(pair.kind, []).append(value)
    return [score(kind, found, seed=seed, chance=CHANCE) for kind, found in by_kind.items()]
