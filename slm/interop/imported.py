"""What an import reads: a shape, its weights, and its tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slm.config import GPTConfig
from slm.errors import CheckpointError, shown
from slm.model.costs import parameter_shapes
from slm.tokenizer.base import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

Log = Callable[[str], None]
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
        CheckpointError: weights are missing or unknown, or their shapes are not those of the
            config.
    """
    expected = parameter_shapes(config)
    for name in (*expected, *weights):
        found = tuple(weights[name].shape) if name in weights else None
        if found != expected.get(name):
            raise CheckpointError(
                f"{where}: {shown(name)} has the shape {_shape(found)}, "
                f"its configuration says {_shape(expected.get(name))}",
                hint="the file is damaged, or its model differs from what its configuration says",
            )
    return {name: weights[name].contiguous() for name in expected}


def _shape(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else str(list(shape))
