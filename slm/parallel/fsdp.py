"""Sharded training: each process keeps a shard of every matrix.

PyTorch's FSDP2 (`fully_shard`; Zhao et al. 2023, https://arxiv.org/abs/2304.11277) distributes the
rows of a matrix over the processes, gathers them while its block is computed, and averages its
gradient into shards (reduce-scatter). Gradients and optimizer state are sharded too. Vectors (norms
and biases) are small and replicated in float32; their gradients are averaged as in an unsharded
model.

A sharded tensor is a `DTensor`: its shape is that of the full tensor. Files contain full tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import torch
import torch.distributed
from torch import Tensor, nn

from slm.errors import ConfigError, DeviceError
from slm.hardware.devices import torch_dtype
from slm.model import GPT
from slm.parallel.collectives import copy_from_main, is_sharded
from slm.parallel.processes import Process


def place_model(
    model: GPT, device: str, *, sharding: Literal["off", "fsdp"], dtype: str, process: Process
) -> GPT:
    """Move a model to the device, sharded if the settings say so; returns the same model.

    A single process always has the full model. Several processes use the main process's weights.

    Raises:
        ConfigError: the processes are not connected yet.
        DeviceError: sharded models cannot compute in float16.
    """
    if sharding == "off" or process.world_size == 1:
        return model.to(device)
    if not torch.distributed.is_initialized():
        raise ConfigError(
            "sharding=fsdp needs connected processes before the model is placed",
            hint="make the trainer inside `with process_group(process, device)`",
        )
    if dtype == "float16":  # each process would choose its own gradient scale
        raise DeviceError(
            "sharding=fsdp cannot compute in float16", hint="set dtype=bfloat16 or dtype=float32"
        )
    _shard(model, device, dtype, process)
    return model


def _shard(model: GPT, device: str, dtype: str, process: Process) -> None:
    """Shard block by block, so that the device holds only one full block at a time."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(device.partition(":")[0], (process.world_size,))
    vectors = {parameter for parameter in model.parameters() if parameter.dim() < 2}
    # With autocast, every block's matrices in the compute dtype would stay in memory from the
    # forward pass to the backward pass.
    in_products = (
        MixedPrecisionPolicy()
        if dtype == "float32"
        else MixedPrecisionPolicy(
            param_dtype=torch_dtype(dtype), reduce_dtype=torch.float32, cast_forward_inputs=False
        )
    )
    rest = [child for child in model.children() if child is not model.blocks]
    for block in model.blocks:
        copy_from_main(block.to(device), process)
        fully_shard(block, mesh=mesh, mp_policy=in_products, ignored_params=vectors)
    for module in rest:
        copy_from_main(module.to(device), process)
    fully_shard(model, mesh=mesh, ignored_params=vectors)
    if not torch.distributed.get_backend().startswith("nccl"):  # gloo has sum, but not mean
        for module in (model, *model.blocks):
            module.set_force_sum_reduction_for_comms(True)


# -- shards and full tensors -----------------------------------------------------------------------


def local(tensor: Tensor) -> Tensor:
    """This process's rows of a sharded tensor, as a view; other tensors unchanged."""
    if not is_sharded(tensor):
        return tensor
    rows: Tensor = tensor.to_local()
    return rows


def gathered(tensors: Mapping[str, Tensor], process: Process) -> dict[str, Tensor]:
    """The tensors by name, sharded ones gathered one after the other to the main process's CPU.

    All processes must call it. Tensors that are not sharded are returned unchanged; processes other
    than the main one get only these.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not is_sharded(tensor):
            found[name] = tensor
            continue
        whole: Tensor = tensor.full_tensor()
        if process.is_main:
            found[name] = whole.cpu()
    return found


def share_of(whole: Tensor, like: Tensor) -> Tensor:
    """This process's shard of a tensor that is full in every process, sharded like `like`."""
    from torch.distributed.tensor import distribute_tensor

    placed: Any = like
    return distribute_tensor(whole, placed.device_mesh, placed.placements, src_data_rank=None)


def load_whole(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load full weights into a model; a sharded model keeps its shards."""
    here = model.state_dict()
    model.load_state_dict(
        {
            name: share_of(tensor, here[name]) if is_sharded(here.get(name)) else tensor
            for name, tensor in weights.items()
        }
    )


def shares_of_state(
    tensors: Mapping[str, Tensor], parameters: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The flat state of optimizers (see `slm.checkpoint.optimizer`), sharded like the parameters.

    Args:
        tensors: full tensors, named `<optimizer>.<parameter>.<key>`.
        parameters: by name.
    """
    shares: dict[str, Tensor] = {}
    for entry, tensor in tensors.items():
        parameter = parameters.get(entry.partition(".")[2].rpartition(".")[0])
        if is_sharded(parameter) and parameter.shape == tensor.shape:
            shares[entry] = share_of(tensor, parameter)
        else:
            shares[entry] = tensor
    return shares


# -- operations across shards ----------------------------------------------------------------


def total_norm(gradients: Iterable[Tensor]) -> Tensor:
    """Global norm of all gradients, the same in all processes."""
    norms = []
    for group in _apart(gradients):
        norm: Any = nn.utils.get_total_norm(group)
        norms.append(norm.full_tensor() if is_sharded(norm) else norm)
    return norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms))


def clip_by_norm(parameters: Iterable[nn.Parameter], limit: float, norm: Tensor) -> None:
    """Scale all gradients so that their global norm, which is given, is at most a limit."""
    for group in _apart(parameters):
        nn.utils.clip_grads_with_norm_(group, limit, norm)


def _apart(tensors: Iterable[Any]) -> list[list[Any]]:
    """Separate sharded and other tensors, which cannot share an operation; omit an empty list."""
    groups: dict[bool, list[Any]] = {}
    for tensor in tensors:
        groups.setdefault(is_sharded(tensor), []).append(tensor)
    return list(groups.values()) or [[]]


def on_whole_matrices(function: Callable[[Tensor], Tensor], shares: Tensor, like: Tensor) -> Tensor:
    """Apply a function of full matrices to matrices that may be sharded.

    Each process gathers some of the full matrices, applies the function to them, and sends the rows
    back. So work and memory are distributed too.

    Args:
        function: [any number, rows, columns] -> the same shape, one matrix at a time.
        shares: [N, rows of this process, columns].
        like: one of the N parameters.

    Returns:
        [N, rows of this process, columns].
    """
    if not is_sharded(like):
        return function(shares)
    n_processes = torch.distributed.get_world_size()
    n_matrices, n_rows, n_columns = shares.shape
    most_rows = -(-like.shape[0] // n_processes)  # the last processes have fewer, or none
    each = -(-n_matrices // n_processes)
    outgoing = shares.new_zeros(n_processes * each, most_rows, n_columns)
    outgoing[:n_matrices, :n_rows] = shares
    # By the process they come from: [processes, each, most_rows, columns].
    incoming = _exchanged(outgoing).view(n_processes, each, most_rows, n_columns)
    whole = incoming.transpose(0, 1).reshape(each, n_processes * most_rows, n_columns)
    whole[:, : like.shape[0]] = function(whole[:, : like.shape[0]])
    outgoing = whole.view(each, n_processes, most_rows, n_columns).transpose(0, 1).contiguous()
    returned = _exchanged(outgoing.view(n_processes * each, most_rows, n_columns))
    return returned[:n_matrices, :n_rows]


def _exchanged(parts: Tensor) -> Tensor:
    """Send the k-th of equal parts to process k; returns the parts for this process."""
    received = torch.empty_like(parts)
    torch.distributed.all_to_all_single(received, parts)
    return received


class FsdpSharding:
    """Operations of an optimizer on sharded parameters; see `slm.training.optim.Sharding`."""

    def local(self, tensor: Tensor) -> Tensor:
        """See `local`."""
        return local(tensor)

    def on_whole_matrices(
        self, function: Callable[[Tensor], Tensor], matrices: Tensor, like: Tensor
    ) -> Tensor:
        """See `on_whole_matrices`."""
        return on_whole_matrices(function, matrices, like)


FSDP_SHARDING = FsdpSharding()
