"""Facts: after a story of the built-in world, is a true sentence likelier than a false one?

The simulation behind each story knows who did what, where, when, why and in which order. A pair has
a sentence that is true in it, and one that differs in a single fact and is false. Sentences alone
carry no information: see `storyworld.contrasts`.
"""

from __future__ import annotations

from collections.abc import Sequence

from slm.errors import ConfigError, DataError
from slm.evals.pairs import CHANCE, MinimalPair, accuracies, score_pairs
from slm.evals.suite import (
    Request,
    StageProgress,
    Subject,
    SuiteResult,
    check_seed,
    no_progress,
    score,
)
from slm.log import Log, silent

PER_KIND = 100
MOST_PER_KIND = 10_000
MOST_CUT = 0.5
"""Share of the stories that may be longer than the model's context."""
HELD_OUT = ", held out"
"""Ends the names of the kinds with plots and names that the corpus does not have."""


class FactsSuite:
    """Accuracy by kind of fact, on plots and names of the corpus and on held-out ones.

    Args:
        limit: pairs of each kind and split; None: 100.
        log: called with sentences for the user.

    Raises:
        ConfigError: the limit is out of range.
    """

    name = "facts"

    def __init__(self, *, limit: int | None = None, log: Log = silent) -> None:
        self._log = log
        self._per_kind = PER_KIND if limit is None else limit
        self._pairs: tuple[int, list[MinimalPair]] | None = None
        if not isinstance(self._per_kind, int) or not 2 <= self._per_kind <= MOST_PER_KIND:
            raise ConfigError(
                f"limit must be from 2 to {MOST_PER_KIND:,} pairs of each kind, found {limit}",
                hint=f"leave it out for {PER_KIND}",
            )

    def run(
        self, subject: Subject, *, seed: int, progress: StageProgress = no_progress
    ) -> SuiteResult:
        """See `Suite`.

        Raises:
            DataError: the stories do not fit into the model's context.
        """
        if self._pairs is None or self._pairs[0] != seed:
            self._pairs = seed, fact_pairs(check_seed(seed), self._per_kind)
        pairs = self._pairs[1]
        n_cut = self._check_room(subject, pairs)
        values = score_pairs(subject, pairs, progress=progress, stage="scoring facts")
        return SuiteResult(
            suite=self.name,
            score=score("facts", values, seed=seed, chance=CHANCE),
            parts=tuple(accuracies(pairs, values, seed)),
            seed=seed,
            details={"pairs": len(pairs), "cut": n_cut},
        )

    def _check_room(self, subject: Subject, pairs: Sequence[MinimalPair]) -> int:
        """How many stories lose their beginning, which may be what is asked for.

        Raises:
            DataError: most of them do.
        """
        requests = [Request(pair.context, pair.good) for pair in pairs]
        n_cut = sum(cut > 0 for cut in subject.tokens_cut(requests))
        lost = f"{n_cut:,} of the {len(pairs):,} stories are longer than the model's context"
        if n_cut > MOST_CUT * len(pairs):
            raise DataError(
                f"{lost}, so their facts cannot be asked for",
                hint="the suite facts needs a larger block_size, or a tokenizer with more tokens",
            )
        if n_cut:
            self._log(f"{lost}, and lose their beginning")
        return n_cut


def fact_pairs(seed: int, per_kind: int) -> list[MinimalPair]:
    """The pairs of a seed: `per_kind` of each kind, rounded up to an even number, of each split."""
    from storyworld.claims import sentence_of
    from storyworld.contrasts import SPLITS, contrasts

    return [
        MinimalPair(
            kind=contrast.true.kind + (HELD_OUT if split == "held_out" else ""),
            context=contrast.record.text,
            good=f" {sentence_of(contrast.true)}",
            bad=f" {sentence_of(contrast.false)}",
        )
        for split in SPLITS
        for contrast in contrasts(seed, split, per_kind)
    ]
