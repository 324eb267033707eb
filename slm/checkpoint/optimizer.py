"""An optimizer's state as flat named tensors, and back, bit for bit.

A tensor is named `<optimizer>.<parameter>.<key>`, for example
`adamw.token_embedding.weight.exp_avg`; the optimizer's name is its class name in lower case. Python
numbers become tensors without dimensions whose key names the type, for example `step:int`. Learning
rates and other settings of the parameter groups are not saved: they come from the configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from slm.errors import CheckpointError, shown

_NUMBER_DTYPES: dict[type, torch.dtype] = {
    bool: torch.bool,
    int: torch.int64,
    float: torch.float64,
}
_NUMBER_TYPES = {kind.__name__: kind for kind in _NUMBER_DTYPES}


def optimizer_name(optimizer: torch.optim.Optimizer) -> str:
    """The prefix of an optimizer's entries."""
    return type(optimizer).__name__.lower()


def flatten_optimizer_state(
    optimizer: torch.optim.Optimizer, parameter_names: Mapping[Tensor, str]
) -> dict[str, Tensor]:
    """The state of every parameter of an optimizer, by name; the tensors are not copied.

    Args:
        optimizer: any whose state is tensors or plain numbers for each parameter.
        parameter_names: the names of its parameters; may contain other parameters too.

    Raises:
        CheckpointError: the state contains something else.
    """
    flat: dict[str, Tensor] = {}
    for _, parameter in _parameters(optimizer):
        prefix = f"{optimizer_name(optimizer)}.{parameter_names[parameter]}"
        for key, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                flat[f"{prefix}.{key}"] = value
            elif type(value) in _NUMBER_DTYPES:
                number = torch.tensor(value, dtype=_NUMBER_DTYPES[type(value)])
                flat[f"{prefix}.{key}:{type(value).__name__}"] = number
            elif value is not None:
                raise CheckpointError(
                    f"{prefix}.{key} is a {type(value).__name__}, which cannot be saved"
                )
    return flat


def restore_optimizer_state(
    optimizer: torch.optim.Optimizer,
    parameter_names: Mapping[Tensor, str],
    tensors: Mapping[str, Tensor],
) -> None:
    """Restore an optimizer's state from the result of `flatten_optimizer_state`.

    The state is replaced as a whole, or not at all if an entry does not fit.

    Args:
        optimizer: built for the same parameters with the same settings.
        parameter_names: the names of its parameters; may contain other parameters too.
        tensors: the flat state; entries of other optimizers are ignored.

    Raises:
        CheckpointError: entries are missing or left over, or have a wrong shape.
    """
    prefix = optimizer_name(optimizer) + "."
    left = {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
    states = {
        parameter: _take(left, parameter_names[parameter], parameter, group)
        for group, parameter in _parameters(optimizer)
    }
    if left:
        raise CheckpointError(
            f"the optimizer state has entries that do not belong to this model: "
            f"{shown(prefix + min(left))} and {len(left) - 1} more",
            hint="resume with the model and optimizer settings of the run",
        )
    _check_complete(optimizer, parameter_names, states)
    optimizer.state.clear()
    optimizer.state.update({parameter: state for parameter, state in states.items() if state})


def _parameters(
    optimizer: torch.optim.Optimizer,
) -> Iterator[tuple[dict[str, Any], Tensor]]:
    """Every (group, parameter)."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            yield group, parameter


def _take(
    left: dict[str, Tensor], name: str, parameter: Tensor, group: Mapping[str, Any]
) -> dict[str, Any]:
    """Move a parameter's entries from `left` into a state dictionary."""
    state: dict[str, Any] = {}
    # A key has no dots, so the parameter `a.b` does not take entries of `a.b.c`.
    for entry in [entry for entry in left if entry.rpartition(".")[0] == name]:
        key, _, kind = entry.rpartition(".")[2].partition(":")
        tensor = left.pop(entry)
        if not _fits(tensor, parameter):
            raise CheckpointError(
                f"the optimizer state {shown(entry)} has shape {list(tensor.shape)}, "
                f"its parameter {list(parameter.shape)}"
            )
        if kind:
            if kind not in _NUMBER_TYPES or tensor.dim():
                raise CheckpointError(f"the optimizer state {shown(entry)} is not a number")
            state[key] = _NUMBER_TYPES[kind](tensor.item())
        else:
            # Step counts are on the CPU, unless the update reads them on the device.
            on_device = tensor.dim() or group.get("capturable") or group.get("fused")
            state[key] = tensor.to(parameter.device if on_device else "cpu", copy=True)
    return state


def _fits(tensor: Tensor, parameter: Tensor) -> bool:
    """Whether a state has the parameter's shape, or that of a reduction over its dimensions."""
    sizes = zip(reversed(tensor.shape), reversed(parameter.shape), strict=False)
    return tensor.dim() <= parameter.dim() and all(size in {1, whole} for size, whole in sizes)


def _check_complete(
    optimizer: torch.optim.Optimizer,
    parameter_names: Mapping[Tensor, str],
    states: Mapping[Tensor, Mapping[str, Any]],
) -> None:
    """Check that parameters of one group and number of dimensions have the same keys."""
    prefix = optimizer_name(optimizer)
    for group in optimizer.param_groups:
        for dimensions in {parameter.dim() for parameter in group["params"]}:
            alike = [p for p in group["params"] if p.dim() == dimensions]
            keys = {key for parameter in alike for key in states[parameter]}
            keys |= {key for parameter in alike for key in optimizer.state.get(parameter, {})}
            for parameter in alike:
                if missing := keys - states[parameter].keys():
                    raise CheckpointError(
                        "the optimizer state lacks "
                        f"{prefix}.{parameter_names[parameter]}.{min(missing)}",
                        hint="resume with the model and optimizer settings of the run",
                    )
