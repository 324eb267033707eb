"""What an import reads: a shape, its weights, and its tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slm.config import GPTConfig
from slm.errors import CheckpointError, shown
from slm.model.costs import parameter_shapes
from slm.tokenizer.base import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_JSON_BYTES = 64 << 20


@dataclass(frozen=True)
class ImportedModel:
    """A model that enters."""

    name: str
    """Where it came from."""
    config: GPTConfig
    weights: Mapping[str, Tensor]
    """As `GPT.state_dict()` names them, in the dtype in which they were stored."""
    tokenizer: Tokenizer
    notes: tuple[str, ...] = ()
    """What a user should know."""


def fitted(weights: Mapping[str, Tensor], config: GPTConfig, where: Path) -> dict[str, Tensor]:
    """The weights of a shape, in the order of our state dict.

    Args:
        weights: name to values, in our names; those that are not ours are an error.
        config: the shape.
        where: the file they came from, for messages.

    Raises:
        CheckpointError: weights are missing or unknown, their shapes are not those of the config,
            or a dtype is not supported.
    """
    expected = parameter_shapes(config)
    for name in (*expected, *weights):
        if problem := _problem(weights.get(name), expected.get(name)):
            raise CheckpointError(
                f"{where}: {shown(name)} {problem}",
                hint="the file is damaged, or its model differs from what its configuration says",
            )
    return {name: _in_a_dtype_of_ours(weights[name]).contiguous() for name in expected}


def _problem(found: Tensor | None, expected: tuple[int, ...] | None) -> str | None:
    if found is None:
        return "is missing"
    if expected is None:
        return "is not a weight of the model that its configuration describes"
    if tuple(found.shape) != expected:
        return f"has the shape {list(found.shape)}, its configuration says {list(expected)}"
    if not found.is_floating_point() or found.element_size() < 2:
        return f"has the dtype {str(found.dtype).removeprefix('torch.')}, which is not supported"
    return None


def _in_a_dtype_of_ours(values: Tensor) -> Tensor:
    return values.float() if values.element_size() > 4 else values
