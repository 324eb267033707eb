"""From dataclasses of figures to JSON data."""

from __future__ import annotations

import dataclasses
import math
from typing import Any


def as_json(value: Any, *, digits: int | None = None) -> Any:
    """A result of this package as JSON data: dataclasses become objects, tuples lists.

    Args:
        value: a result.
        digits: number of decimals to which floats are rounded; None: no rounding. Non-finite
            numbers become null.
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return value if digits is None else round(value, digits)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: as_json(getattr(value, field.name), digits=digits)
            for field in dataclasses.fields(value)
        }
    if isinstance(value, list | tuple):
        return [as_json(item, digits=digits) for item in value]
    return value
