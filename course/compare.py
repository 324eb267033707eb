"""Compares what an answer computed with what was expected, and says in words how they differ.

Works on plain Python values, NumPy arrays and PyTorch tensors. Lists and tuples count as the same,
and so do a number and an array of no dimensions that holds it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np

_SHOWN_CHARS = 240
_SHOWN_NUMBERS = 40
_SHOWN_BRIEFLY = 12


def difference(found: Any, expected: Any, tolerance: float = 1e-4) -> str:
    """How two values differ, in a sentence or two; empty if they agree.

    Args:
        found: of the answer.
        expected: of the solution.
        tolerance: relative, and absolute near zero, for numbers that are not integers.
    """
    if found is None and expected is not None:
        return "The result is None. Is there a `return`?"
    if _is_array(expected):
        return _of_tensor_kind(found, expected) or _of_arrays(found, expected, tolerance)
    if _is_array(found):
        return _of_array_for_other(found, expected, tolerance)
    if isinstance(expected, bool) or isinstance(found, bool):
        return "" if found is expected else _of_kinds(found, expected) or "The answer is the other."
    if isinstance(expected, Number):
        return _of_numbers(found, expected, tolerance)
    if isinstance(expected, str | bytes):
        return _of_kinds(found, expected) or _of_texts(found, expected)
    if isinstance(expected, Mapping):
        return _of_mappings(found, expected, tolerance)
    if isinstance(expected, Sequence):
        return _of_sequences(found, expected, tolerance)
    return "" if found == expected else _of_kinds(found, expected) or "The values differ."


def disagreement(found: Any, expected: Any) -> str:
    """How two values differ, without the expected value: for answers that are no functions."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        if set(found) != set(expected):
            return f"The keys should be {', '.join(map(as_text, expected))}."
        choices = sorted(set(expected.values()))
        for value in found.values():
            if value not in choices:
                return (
                    f"{as_text(value)} is none of the choices: {', '.join(map(as_text, choices))}."
                )
        right = sum(found[key] == expected[key] for key in expected)
        return f"{right} of {len(expected)} are right."
    if isinstance(expected, list | tuple) and isinstance(found, list | tuple):
        if len(found) != len(expected):
            return f"The length is {len(found)}, expected {len(expected)}."
        for place, (mine, wanted) in enumerate(zip(found, expected, strict=True)):
            if difference(mine, wanted):
                words = _of_kinds(mine, wanted) or "It should be another."
                return f"At position {place} (counted from 0): found {as_text(mine)}. {words}"
    if isinstance(expected, Number) and isinstance(found, Number):
        return f"It is too {_side(found, expected)}."
    return _of_kinds(found, expected) or "It should be another."


def as_text(value: Any, *, brief: bool = False) -> str:
    """A value in one line or a small table, shortened, numbers with four digits.

    Args:
        value: anything.
        brief: large arrays become their shape.
    """
    if _is_array(value):
        array = _array(value)
        if brief and array.size > _SHOWN_BRIEFLY:
            return f"<tensor {array.shape}>"
        numbers = np.array2string(
            array, precision=4, suppress_small=True, threshold=_SHOWN_NUMBERS, edgeitems=3
        )
        if array.ndim == 0:
            return numbers
        joined = numbers.replace("\n", "\n              ")
        return f"shape {array.shape}: {joined}"
    if isinstance(value, float):
        return f"{value:.5g}"
    if callable(value) and hasattr(value, "__name__"):
        return str(value.__name__)
    if isinstance(value, tuple) and type(value) is tuple:
        inner = ", ".join(as_text(each, brief=brief) for each in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, list):
        inner = ", ".join(as_text(each, brief=brief) for each in value)
        return _shortened(f"[{inner}]")
    if isinstance(value, Mapping) and value:
        pairs = (f"{as_text(key)}: {as_text(each, brief=brief)}" for key, each in value.items())
        return _shortened(f"{{{', '.join(pairs)}}}")
    return _shortened(repr(value))


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 4]} ..."


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")  # no tensor without it; importing it takes seconds
    return torch is not None and bool(torch.is_tensor(value))


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or _is_tensor(value)


def _array(value: Any) -> Any:
    return value if isinstance(value, np.ndarray) else value.detach().cpu().numpy()


def _of_tensor_kind(found: Any, expected: Any) -> str:
    """That what is expected is a tensor, if the result is something else."""
    if not _is_tensor(expected) or _is_tensor(found):
        return ""
    words = f"The result is of type {_kind(found)}, expected a tensor of shape {_shape(expected)}."
    if isinstance(found, list | tuple) and any(map(_is_tensor, found)):
        return f"{words} `torch.stack` makes one of several tensors of the same shape."
    if isinstance(found, list | tuple | np.ndarray):
        return f"{words} `torch.tensor` makes one of numbers."
    if isinstance(found, Number) and not expected.ndim:
        return f"{words} `.item()` and `float` make a plain number of it, which has no gradient."
    return words


def _of_array_for_other(found: Any, expected: Any, tolerance: float) -> str:
    """How an array differs from something that is not an array."""
    if isinstance(expected, str | bytes) or not isinstance(expected, Sequence):
        return _of_arrays(found, expected, tolerance)
    kind = _kind(expected)
    if not any(map(_is_array, expected)):
        words = f"The result is of type {_kind(found)}, expected {kind}."
        return f"{words} `.tolist()` makes a list of a tensor."
    if found.ndim == 0 or len(found) != len(expected):
        shape = _shape(found)
        return f"The result is one tensor of shape {shape}, expected a {kind} of {len(expected)}."
    return _of_sequences(list(found), expected, tolerance)


def _shape(array: Any) -> tuple[int, ...]:
    return tuple(array.shape)


def _of_kinds(found: Any, expected: Any) -> str:
    if type(found) is type(expected):
        return ""
    return f"The result is of type {_kind(found)}, expected {_kind(expected)}."


def _kind(value: Any) -> str:
    return type(value).__name__


def _of_numbers(found: Any, expected: Any, tolerance: float) -> str:
    if not isinstance(found, Number):
        return _of_kinds(found, expected)
    if isinstance(expected, int) and isinstance(found, int):
        if found == expected:
            return ""
        apart = abs(found - expected)
        return "It is off by one." if apart == 1 else f"It is {apart} too {_side(found, expected)}."
    return _of_arrays(np.asarray(found), np.asarray(expected), tolerance)


def _side(found: Any, expected: Any) -> str:
    return "large" if found > expected else "small"


def _of_texts(found: Any, expected: Any) -> str:
    if found == expected:
        return ""
    place = next(
        (i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b),
        min(len(found), len(expected)),
    )
    return f"They agree up to position {place}; lengths {len(found)} and {len(expected)}."


def _of_mappings(found: Any, expected: Mapping[Any, Any], tolerance: float) -> str:
    if not isinstance(found, Mapping):
        return _of_kinds(found, expected)
    if missing := [key for key in expected if key not in found]:
        return f"{len(missing)} keys are missing, the first is {as_text(missing[0])}."
    if extra := [key for key in found if key not in expected]:
        return f"{len(extra)} keys should not be there, the first is {as_text(extra[0])}."
    for key, value in expected.items():
        if words := difference(found[key], value, tolerance):
            pair = f"found {as_text(found[key])}, expected {as_text(value)}"
            return f"At {as_text(key)}: {pair}. {words}"
    return ""


def _of_sequences(found: Any, expected: Sequence[Any], tolerance: float) -> str:
    if isinstance(found, str | bytes) or not isinstance(found, Sequence):
        return _of_kinds(found, expected)
    if len(found) != len(expected):
        return f"The length is {len(found)}, expected {len(expected)}."
    for place, (mine, wanted) in enumerate(zip(found, expected, strict=True)):
        if words := difference(mine, wanted, tolerance):
            return (
                f"At position {place} (counted from 0): found {as_text(mine)}, "
                f"expected {as_text(wanted)}. {words}"
            )
    return ""


def _of_arrays(found: Any, expected: Any, tolerance: float) -> str:
    numeric = isinstance(found, Number | Sequence) and not isinstance(found, str | bytes)
    if not (numeric or _is_array(found)):
        return _of_kinds(found, expected)
    try:
        mine = _array(found) if _is_array(found) else np.asarray(found)
    except (ValueError, TypeError):
        return "The lists inside the result have different lengths, or do not hold numbers."
    if mine.dtype.kind not in "biuf":
        return "The result does not hold numbers."
    wanted = _array(expected) if _is_array(expected) else np.asarray(expected)
    if mine.shape != wanted.shape:
        turned = mine.ndim >= 2 and mine.swapaxes(-1, -2).shape == wanted.shape
        hint = " The last two dimensions are swapped." if turned else ""
        return f"The shape is {mine.shape}, expected {wanted.shape}.{hint}"
    if mine.dtype == bool or wanted.dtype == bool:
        if mine.dtype != wanted.dtype:
            return f"The result is of dtype {mine.dtype}, expected {wanted.dtype}."
        return "" if (mine == wanted).all() else _first_difference(mine, wanted, mine == wanted)
    mine, wanted = mine.astype(np.float64), wanted.astype(np.float64)
    if not np.isnan(wanted).any() and np.isnan(mine).any():
        return "The result holds NaN (not a number), as from 0/0 or infinity minus infinity."
    close = np.isclose(mine, wanted, rtol=tolerance, atol=tolerance * 1e-2, equal_nan=True)
    if close.all():
        return ""
    return _ratio(mine, wanted, tolerance) or _first_difference(mine, wanted, close)


def _ratio(mine: Any, wanted: Any, tolerance: float) -> str:
    """The one factor between two arrays, if there is one."""
    turned = wanted.swapaxes(-1, -2) if wanted.ndim >= 2 else wanted
    if mine.shape == turned.shape and np.allclose(mine, turned, rtol=tolerance):
        return "The result is the transpose of what is expected: rows and columns are swapped."
    sure = np.isfinite(wanted) & (np.abs(wanted) > 1e-6)
    if not sure.any() or not np.isfinite(mine).all():
        return ""
    factors = mine[sure] / wanted[sure]
    factor = float(np.median(factors))
    if factor == 0 or not np.allclose(mine, factor * wanted, rtol=tolerance, atol=1e-6):
        return ""
    if math.isclose(factor, -1, rel_tol=1e-3):
        return "The sign is the opposite of what is expected."
    return f"It is {factor:.4g} times what is expected."


def _first_difference(mine: Any, wanted: Any, close: Any) -> str:
    if not mine.ndim:
        apart = abs(float(mine) - float(wanted))
        if not math.isfinite(apart):
            return f"It is {_number(mine)}, expected {_number(wanted)}."
        return f"It is {apart:.5g} too {_side(mine, wanted)}."
    place = tuple(int(i) for i in np.argwhere(~close)[0])
    count = f" {int((~close).sum())} of {close.size} values differ." if close.size > 1 else ""
    pair = f"found {_number(mine[place])}, expected {_number(wanted[place])}."
    return f"At index {place}: {pair}{count}"


def _number(value: Any) -> str:
    return str(bool(value)) if value.dtype == bool else f"{float(value):.5g}"
