"""Test suites: what one asks of a model, and the one form in which it answers.

A suite is a fixed set of items with a score for each. It gets a `Subject`, which hides whether the
model is one of ours or a program somewhere else, and returns a `SuiteResult`. Equal seeds give
equal results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from slm.errors import ConfigError
from slm.generation.options import LARGEST_SEED, GenerationOptions
from slm.generation.sequence import Completion

RESAMPLES = 1_000
CONFIDENCE = 0.95

FloatArray = npt.NDArray[np.float64]

StageProgress = Callable[[str, float, float, str], None]
"""Called with the name of the work, the share that is done, the finished units and their name."""


def no_progress(stage: str, fraction: float, done: float, unit: str) -> None:
    """A progress that is not shown."""


class Request(NamedTuple):
    """A text whose probability after another is wanted.

    Attributes:
        context: what comes before; may be empty.
        continuation: what is scored; not empty. A space between the two belongs to it.
    """

    context: str
    continuation: str


class Subject(Protocol):
    """What a suite asks of a model."""

    @property
    def name(self) -> str:
        """For the report: a path or an address."""

    def log_likelihoods(
        self, requests: Sequence[Request], *, on_progress: Callable[[float, int], None]
    ) -> list[float]:
        """ln P(continuation | context) of each request, in nats.

        Args:
            requests: see `Request`.
            on_progress: called with the share that is done and the tokens read.
        """

    def tokens_cut(self, requests: Sequence[Request]) -> list[int]:
        """How many tokens of each context are not read, because the whole is longer than the
        model's own context."""

    def complete(self, prompts: Sequence[str], options: GenerationOptions) -> list[Completion]:
        """Continue each prompt `options.samples` times: the samples of the first prompt first."""

    def training_text(self) -> Iterator[str] | None:
        """The documents that the model was trained on; None: unknown, or no longer there."""


@dataclass(frozen=True)
class Score:
    """A mean over items with its 95% bootstrap interval.

    In percent, except for the loss over time (`slm.api.over_time`), which is in bits per byte.
    """

    name: str
    value: float
    """0 to 100; NaN without items."""
    low: float
    high: float
    n: int
    """Number of items."""
    chance: float | None = None
    """What guessing gives, if that is defined."""


ITEMS_SHA256 = "items_sha256"
"""In the details of a suite whose items the user may choose: a hash of them."""


@dataclass(frozen=True)
class SuiteResult:
    """What a model reached in a suite."""

    suite: str
    score: Score | None
    """The headline, where the suite has one."""
    parts: tuple[Score, ...]
    """The scores by kind of item, or by measure."""
    seed: int
    details: dict[str, Any] = field(default_factory=dict)
    """What only this suite has, as JSON data."""

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        return asdict(self)


class Suite(Protocol):
    """A test for models."""

    @property
    def name(self) -> str:
        """As in `--suite`."""

    def run(
        self, subject: Subject, *, seed: int, progress: StageProgress = no_progress
    ) -> SuiteResult:
        """Test a model.

        Raises:
            ConfigError: the seed is out of range.
            SlmError: the items cannot be read, or the model fails.
        """


def check_seed(seed: int) -> int:
    """A seed that all random generators here accept.

    Raises:
        ConfigError: it is not an integer of 0 to 2**63 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
        raise ConfigError(
            f"seed must be an integer from 0 to {LARGEST_SEED}, found {seed!r}", hint="use 0"
        )
    return seed


def score(
    name: str,
    values: Sequence[float],
    *,
    seed: int,
    groups: Sequence[int] | None = None,
    chance: float | None = None,
) -> Score:
    """The mean of values with its percentile bootstrap interval (Efron 1979).

    Args:
        name: what is measured.
        values: one per item, 0 to 100.
        seed: of the resampling.
        groups: the group of each item, such as its prompt. Groups are resampled as a whole, because
            items of one group depend on each other. None: each item is its own group.
        chance: see `Score`.
    """
    items = np.asarray(values, dtype=np.float64)
    if not len(items):
        return Score(name, np.nan, np.nan, np.nan, 0, chance)
    numbers = np.arange(len(items)) if groups is None else np.unique(groups, return_inverse=True)[1]
    totals: FloatArray = np.bincount(numbers, weights=items).astype(np.float64)
    counts: FloatArray = np.bincount(numbers).astype(np.float64)
    means = resampled_means(totals, counts, np.random.default_rng(seed))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return Score(name, float(items.mean()), float(low), float(high), len(items), chance)


def resampled_means(
    totals: FloatArray, counts: FloatArray, generator: np.random.Generator
) -> FloatArray:
    """Means of samples of as many groups, drawn with replacement: [RESAMPLES]."""
    kinds, sizes = np.unique(np.stack((totals, counts)), axis=1, return_counts=True)
    # Equal groups are drawn together: a hundred thousand pairs have three different scores.
    drawn = generator.multinomial(len(totals), sizes / len(totals), size=RESAMPLES)
    means: FloatArray = (drawn @ kinds[0]) / (drawn @ kinds[1])
    return means
