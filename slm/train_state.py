"""The state of a training run: the numbers that, with weights and optimizer state, continue it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from slm.errors import CheckpointError, shown

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]

_NONFINITE_KEY = "$float"
_NONFINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}

LOSS_MEMORY = 100
"""About how many of the last losses `RunningLoss` averages over."""


@dataclass
class RunningLoss:
    """Exponentially weighted mean and variance of the training losses."""

    mean: float = 0.0
    variance: float = 0.0
    n_seen: int = 0

    @property
    def std(self) -> float:
        """The standard deviation."""
        return math.sqrt(self.variance)

    def update(self, loss: float) -> None:
        """Add a finite loss.

        The weighted form of Welford's method: Finch 2009, "Incremental calculation of weighted mean
        and variance", section 9.
        """
        self.n_seen = min(self.n_seen + 1, LOSS_MEMORY)
        rate = 1.0 / self.n_seen
        difference = loss - self.mean
        self.mean += rate * difference
        self.variance = (1.0 - rate) * (self.variance + rate * difference * difference)


@dataclass(frozen=True)
class TimeState:
    """The times of a run, so that a later start ends when the first one would have."""

    elapsed_seconds: float = 0.0
    """Used so far, by all starts of the run."""
    step_seconds: float = 0.0
    """Minimum time of a step; 0 before the first."""
    reserved_seconds: float = 0.0
    """Reserved for what follows the last step."""


@dataclass
class TrainState:
    """The progress of a run after `step` optimizer steps."""

    step: int = 0
    """Optimizer steps done."""
    tokens_seen: int = 0
    best_validation_loss: float | None = None
    """In nats per token; None before the first evaluation."""
    evaluations_since_best: int = 0
    evaluated_at: int = 0
    """The step of the last evaluation; 0: none yet, or that of given weights."""
    samples_written: int = 0
    """Sample stories written after that evaluation."""
    loss_sum: float = 0.0
    """Sum of the training losses since the last evaluation."""
    n_losses: int = 0
    """Their number."""
    running_loss: RunningLoss = field(default_factory=RunningLoss)
    skipped_in_a_row: int = 0
    """The last steps that were skipped because they were not finite."""
    time: TimeState = field(default_factory=TimeState)
    data_fingerprint: str = ""
    """Fingerprint of the prepared data that the run reads."""
    gradient_scaler: dict[str, JSON] = field(default_factory=dict)
    """State of float16's loss scaling; empty with other dtypes."""
    conditions: dict[str, JSON] = field(default_factory=dict)
    """What else determines the last bits of the results: versions, threads, processes."""

    @property
    def is_evaluated(self) -> bool:
        """Whether the weights of this step have been evaluated."""
        return self.evaluated_at == self.step and (
            self.step > 0 or self.best_validation_loss is not None
        )

    @property
    def train_loss(self) -> float:
        """Mean training loss since the last evaluation; NaN where no step was made."""
        return self.loss_sum / self.n_losses if self.n_losses else math.nan

    def record_loss(self, loss: float) -> None:
        """Record the finite training loss of a step."""
        self.loss_sum += loss
        self.n_losses += 1
        self.running_loss.update(loss)

    def record_evaluation(self, loss: float) -> tuple[float, bool]:
        """Record a validation loss at this step.

        Returns:
            The mean training loss since the previous evaluation, and whether this validation loss
            is the best so far; a loss that is NaN never is.
        """
        train_loss, best = self.train_loss, self.best_validation_loss
        is_best = math.isfinite(loss) and (best is None or loss < best)
        self.evaluated_at, self.samples_written = self.step, 0
        self.loss_sum, self.n_losses = 0.0, 0
        self.best_validation_loss = loss if is_best else best
        self.evaluations_since_best = 0 if is_best else self.evaluations_since_best + 1
        return train_loss, is_best

    def to_json(self) -> dict[str, JSON]:
        """The state as JSON data without NaN or infinity; names are those of format version 1."""
        data: dict[str, Any] = {
            "step": self.step,
            "tokens_seen": self.tokens_seen,
            "elapsed_seconds": self.time.elapsed_seconds,
            "best_validation_loss": self.best_validation_loss,
            "evaluations_since_best": self.evaluations_since_best,
            "data_fingerprint": self.data_fingerprint,
            "extra": {
                "evaluated_at": self.evaluated_at,
                "stories_told": self.samples_written,
                "loss_sum": self.loss_sum,
                "n_losses": self.n_losses,
                "watch": asdict(self.running_loss),
                "skipped_in_a_row": self.skipped_in_a_row,
                "pace": {
                    "step_seconds": self.time.step_seconds,
                    "reserved_seconds": self.time.reserved_seconds,
                },
                "gradient_scaler": self.gradient_scaler,
                "conditions": self.conditions,
            },
        }
        return {name: _encode(value) for name, value in data.items()}

    @classmethod
    def from_json(cls, data: Any, *, where: str) -> TrainState:
        """Read the data that `to_json` returned; an empty `extra` means the default values.

        Args:
            data: parsed JSON.
            where: the file it came from, for error messages.

        Raises:
            CheckpointError: an entry is missing, unknown, or has an invalid value.
        """
        if not isinstance(data, dict):
            raise CheckpointError(f"{where} does not hold the state of a training run")
        default = cls().to_json()
        _check_names(data, default, where)
        values = {name: _decode(value) for name, value in data.items()}
        extra = values.pop("extra") or _decode(default["extra"])
        if not isinstance(extra, dict):
            raise CheckpointError(f"{where}: extra has an invalid value")
        _check_names(extra, _decode(default["extra"]), where)
        try:
            elapsed, pace = values.pop("elapsed_seconds"), extra["pace"]
            state = cls(
                **values,
                evaluated_at=extra["evaluated_at"],
                samples_written=extra["stories_told"],
                loss_sum=extra["loss_sum"],
                n_losses=extra["n_losses"],
                running_loss=RunningLoss(**extra["watch"]),
                skipped_in_a_row=extra["skipped_in_a_row"],
                time=TimeState(elapsed_seconds=elapsed, **pace),
                gradient_scaler=extra["gradient_scaler"],
                conditions=extra["conditions"],
            )
            for part in (state, state.running_loss, state.time):
                _check_values(part)
        except TypeError as error:
            raise CheckpointError(
                f"{where} does not hold the state of a training run: {shown(str(error))}"
            ) from None
        return state


_ANY_SIGN = {"mean", "loss_sum"}
_LIMIT = 2.0**63


def _check_names(found: Mapping[str, Any], expected: Mapping[str, Any], where: str) -> None:
    if found.keys() != expected.keys():
        odd = ", ".join(sorted(map(str, expected.keys() ^ found.keys())))
        raise CheckpointError(f"{where} has missing or unknown entries: {shown(odd)}")


def _check_values(part: TrainState | RunningLoss | TimeState) -> None:
    """Refuse values that no run has, such as negative counts.

    Raises:
        TypeError: naming the entry.
    """
    example = type(part)()
    for entry in fields(part):
        value, usual = getattr(part, entry.name), getattr(example, entry.name)
        if entry.name == "best_validation_loss":
            is_valid = type(value) in {int, float, type(None)}
        elif isinstance(usual, int | float):
            kinds = {int} if type(usual) is int else {int, float}
            lowest = -_LIMIT if entry.name in _ANY_SIGN else 0
            is_valid = type(value) in kinds and lowest <= value < _LIMIT
        else:
            is_valid = isinstance(value, type(usual))
        if not is_valid:
            raise TypeError(f"{entry.name} has an invalid value")


def _encode(value: Any) -> JSON:
    """JSON data in which NaN and infinities are written as `{"$float": "nan"}`."""
    if isinstance(value, float) and not math.isfinite(value):
        return {_NONFINITE_KEY: str(value)}
    if isinstance(value, Mapping):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    return value  # type: ignore[no-any-return]


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {_NONFINITE_KEY}:
            return _NONFINITE.get(str(value[_NONFINITE_KEY]), value)
        return {key: _decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode(item) for item in value]
    return value
