"""Where a training run stands: the few numbers that, with the weights, let it go on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from slm.errors import CheckpointError, shown

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]

_NONFINITE_KEY = "$float"
_NONFINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


@dataclass(frozen=True)
class TrainingState:
    """The progress of a run after `step` optimizer steps."""

    step: int
    """Optimizer steps done."""
    tokens_seen: int
    elapsed_seconds: float
    """Time spent training, over all the processes that worked on the run."""
    best_validation_loss: float | None
    """In nats a token; none before the first evaluation."""
    evaluations_since_best: int
    data_fingerprint: str
    """Fingerprint of the prepared data that the run reads."""
    extra: dict[str, JSON] = field(default_factory=dict)
    """Whatever else the trainer needs, as JSON data; floats may be infinite or NaN."""

    def to_json(self) -> dict[str, JSON]:
        """The state as JSON data that has no NaN or infinity in it."""
        return {part.name: _encode(getattr(self, part.name)) for part in fields(self)}

    @classmethod
    def from_json(cls, data: Any, *, where: str) -> TrainingState:
        """Read back what `to_json` gave.

        Args:
            data: parsed JSON.
            where: the file it came from, for error messages.

        Raises:
            CheckpointError: something is missing, unknown, or of the wrong type.
        """
        if not isinstance(data, dict):
            raise CheckpointError(f"{where} does not hold the state of a training run")
        names = {part.name for part in fields(cls)}
        if data.keys() != names:
            odd = ", ".join(sorted(names ^ data.keys()))
            raise CheckpointError(f"{where} has missing or unknown entries: {shown(odd)}")
        values = {name: _decode(value) for name, value in data.items()}
        for name, allowed in _ALLOWED.items():
            value = values[name]
            if type(value) not in allowed or (type(value) is int and value < 0):
                raise CheckpointError(f"{where}: {name} cannot be {str(value)[:80]!r}")
        return cls(**values)


_ALLOWED: Mapping[str, tuple[type, ...]] = {
    "step": (int,),
    "tokens_seen": (int,),
    "elapsed_seconds": (float, int),
    "best_validation_loss": (float, int, type(None)),
    "evaluations_since_best": (int,),
    "data_fingerprint": (str,),
    "extra": (dict,),
}


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
