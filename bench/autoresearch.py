"""A port of autoresearch's five-minute training task to the CPU.

    python bench/autoresearch.py --data DIR --held-out FILE --minutes 5

https://github.com/karpathy/autoresearch trains for five minutes on one GPU with Hopper's
FlashAttention; its `train.py` has no path for a CPU. Here are its architecture, initialization,
optimizer, schedules and packing in our own code, and `tests/oracle/test_autoresearch.py` holds them
against the original. Its sizes are constants to edit, and its README says how to choose them for a
small machine and TinyStories; `Sizes` follows that.

Not ported: the sliding windows of three layers in four (the README advises full attention for small
machines); embeddings in bfloat16 (float32 here, which is no worse); its clock, which starts after
eleven steps (here after one, see `bench/race_meter.py`).
"""

from __future__ import annotations

import argparse
import bisect
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from race_meter import Meter, read_held_out
from torch import Tensor, nn

from slm.data.batches import TokenArray
from slm.data.shards import DataDirectory
from slm.hardware.devices import autocast, can_compile, resolve_dtype, torch_dtype
from slm.training.compiling import kernel_options

SOFTCAP = 15.0
GATE_CHANNELS = 32
POLAR_EXPRESS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)
"""Coefficients of five iterations. Amsel and others 2025, https://arxiv.org/abs/2505.16932."""


@dataclass(frozen=True)
class Sizes:
    """The settings that its README advises to change on a small machine, with its values."""

    depth: int = 4
    aspect_ratio: int = 64
    """Width per layer."""
    head_dim: int = 128
    context: int = 256
    total_batch: int = 2**14
    """Tokens per step."""
    device_batch: int = 16
    """Sequences per forward pass."""

    @property
    def width(self) -> int:
        """A multiple of the heads' size."""
        return math.ceil(self.depth * self.aspect_ratio / self.head_dim) * self.head_dim


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters of its `train.py`."""

    embedding_lr: float = 0.6
    unembedding_lr: float = 0.004
    matrix_lr: float = 0.04
    scalar_lr: float = 0.5
    weight_decay: float = 0.2
    warmdown_ratio: float = 0.5

    def lr_scale(self, progress: float) -> float:
        """Constant, then linear to zero; no warm-up."""
        return min(1.0, (1 - progress) / self.warmdown_ratio)


def normed(x: Tensor) -> Tensor:
    """RMSNorm without weights."""
    return F.rms_norm(x, (x.size(-1),))


def rotated(x_bthd: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary positions: the first half of a head's channels with the second."""
    cos, sin = rotation
    first, second = x_bthd.chunk(2, dim=-1)
    return torch.cat((first * cos + second * sin, second * cos - first * sin), dim=-1)


class Attention(nn.Module):
    """Causal attention with normed queries and keys, and value embeddings in some layers."""

    def __init__(self, width: int, head_dim: int, *, has_value_embedding: bool) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.query, self.key, self.value, self.output = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )
        self.gate = (
            nn.Linear(GATE_CHANNELS, width // head_dim, bias=False) if has_value_embedding else None
        )

    def forward(
        self, x: Tensor, value_embedding: Tensor | None, rotation: tuple[Tensor, Tensor]
    ) -> Tensor:
        q, k, v = (
            project(x).unflatten(-1, (-1, self.head_dim))
            for project in (self.query, self.key, self.value)
        )
        if self.gate is not None and value_embedding is not None:
            gate_bth1 = 2 * torch.sigmoid(self.gate(x[..., :GATE_CHANNELS])).unsqueeze(-1)
            v = v + gate_bth1 * value_embedding.unflatten(-1, (-1, self.head_dim))
        q, k = normed(rotated(q, rotation)), normed(rotated(k, rotation))
        heads = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2).to(q.dtype), is_causal=True
        )
        mixed: Tensor = self.output(heads.transpose(1, 2).flatten(2))
        return mixed


class MLP(nn.Module):
    """Squared ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.down(F.relu(self.up(x)).square())
        return output


class GPT(nn.Module):
    """The model: each layer's input is a mix of the stream and of the token embedding.

    Args:
        vocab_size: number of ids.
        sizes: depth and width.
        dtype: of the activations.
    """

    def __init__(self, vocab_size: int, sizes: Sizes, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        width, depth = sizes.width, sizes.depth
        self.dtype = dtype
        with_values = [layer for layer in range(depth) if layer % 2 == (depth - 1) % 2]
        self.embedding = nn.Embedding(vocab_size, width)
        self.value_embeddings = nn.ModuleDict(
            {str(layer): nn.Embedding(vocab_size, width) for layer in with_values}
        )
        self.attention = nn.ModuleList(
            Attention(width, sizes.head_dim, has_value_embedding=layer in with_values)
            for layer in range(depth)
        )
        self.mlp = nn.ModuleList(MLP(width) for _ in range(depth))
        self.head = nn.Linear(width, vocab_size, bias=False)
        self.stream_scales = nn.Parameter(torch.ones(depth))
        self.embedding_scales = nn.Parameter(torch.full((depth,), 0.1))
        frequencies = 10000 ** -(torch.arange(0, sizes.head_dim, 2) / sizes.head_dim)
        angles = torch.outer(torch.arange(sizes.context), frequencies)[None, :, None, :]
        self.register_buffer("cos", angles.cos().to(dtype), persistent=False)
        self.register_buffer("sin", angles.sin().to(dtype), persistent=False)
        self.initialize(width)

    @torch.no_grad()
    def initialize(self, width: int) -> None:
        """Outputs of the parts are zero at first, so that the stream is the embedding."""
        nn.init.normal_(self.embedding.weight)
        nn.init.normal_(self.head.weight, std=0.001)
        bound = (3 / width) ** 0.5
        for attention, mlp in zip(self.attention, self.mlp, strict=True):
            for part in (attention.query, attention.key, attention.value, mlp.up):
                nn.init.uniform_(part.weight, -bound, bound)
            for part in (attention.output, attention.gate, mlp.down):
                if part is not None:
                    nn.init.zeros_(part.weight)
        for embedding in self.value_embeddings.values():
            nn.init.uniform_(embedding.weight, -bound, bound)

    def forward(self, idx: Tensor) -> Tensor:
        """[B, T] ids -> logits [B, T, vocabulary] in float32."""
        rotation = self.cos[:, : idx.size(1)], self.sin[:, : idx.size(1)]
        x = embedded = normed(self.embedding(idx).to(self.dtype))
        for layer, (attention, mlp) in enumerate(zip(self.attention, self.mlp, strict=True)):
            x = self.stream_scales[layer] * x + self.embedding_scales[layer] * embedded
            has_values = str(layer) in self.value_embeddings
            values = self.value_embeddings[str(layer)](idx).to(self.dtype) if has_values else None
            x = x + attention(normed(x), values, rotation)
            x = x + mlp(normed(x))
        logits: Tensor = self.head(normed(x)).float()
        return SOFTCAP * torch.tanh(logits / SOFTCAP)


class MuonAdamW(torch.optim.Optimizer):
    """NorMuon with cautious weight decay for the matrices of the layers, AdamW for the rest.

    Matrices of one shape are updated together. NorMuon: https://arxiv.org/abs/2510.05491.

    Args:
        model: whose parameters to optimize.
        recipe: the learning rates.
        dtype: of the orthogonalization.
    """

    def __init__(self, model: GPT, recipe: Recipe, dtype: torch.dtype = torch.bfloat16) -> None:
        self.recipe = recipe
        self.dtype = dtype
        scale = (model.embedding.embedding_dim / 768) ** -0.5
        groups: list[dict[str, Any]] = [
            {"params": list(parameters), "peak_lr": lr, "betas": betas}
            for parameters, lr, betas in (
                (model.head.parameters(), recipe.unembedding_lr * scale, (0.8, 0.95)),
                (model.embedding.parameters(), recipe.embedding_lr * scale, (0.8, 0.95)),
                (model.value_embeddings.parameters(), recipe.embedding_lr * scale, (0.8, 0.95)),
                ([model.stream_scales], recipe.scalar_lr * 0.01, (0.8, 0.95)),
                ([model.embedding_scales], recipe.scalar_lr, (0.96, 0.95)),
            )
        ]
        matrices = [*model.attention.parameters(), *model.mlp.parameters()]
        for shape in sorted({matrix.shape for matrix in matrices}):
            together = [matrix for matrix in matrices if matrix.shape == shape]
            groups.append({"params": together, "peak_lr": recipe.matrix_lr, "betas": None})
        super().__init__(groups, {})
        self.steps = 0

    @torch.no_grad()
    def step(self, progress: float) -> None:  # type: ignore[override]
        """Update all parameters.

        Args:
            progress: share of the race that is over, 0 to 1.
        """
        scale = self.recipe.lr_scale(progress)
        momentum = 0.85 + 0.1 * min(self.steps / 300, 1)
        self.steps += 1
        for group in self.param_groups:
            if group["betas"] is None:
                decay = self.recipe.weight_decay * (1 - progress)
                self._muon(group["params"], group["peak_lr"] * scale, momentum, decay)
            else:
                for parameter in group["params"]:
                    self._adam(parameter, group["peak_lr"] * scale, group["betas"])

    def _adam(self, parameter: Tensor, lr: float, betas: tuple[float, float]) -> None:
        state = self.state[parameter]
        if not state:
            state["mean"], state["square"] = (torch.zeros_like(parameter) for _ in range(2))
        assert parameter.grad is not None
        state["mean"].lerp_(parameter.grad, 1 - betas[0])
        state["square"].lerp_(parameter.grad.square(), 1 - betas[1])
        root = (state["square"] / (1 - betas[1] ** self.steps)).sqrt() + 1e-10
        parameter.addcdiv_(state["mean"], root, value=-lr / (1 - betas[0] ** self.steps))

    def _muon(self, matrices: list[Tensor], lr: float, momentum: float, decay: float) -> None:
        gradient = torch.stack([matrix.grad for matrix in matrices if matrix.grad is not None])
        rows, columns = gradient.shape[1:]
        long_side = -1 if rows >= columns else -2
        state = self.state[matrices[0]]
        if not state:
            state["mean"] = torch.zeros_like(gradient)
            state["square"] = torch.zeros_like(gradient.mean(dim=long_side, keepdim=True))
        state["mean"].lerp_(gradient, 1 - momentum)
        update = polar_factor(gradient.lerp(state["mean"], momentum).to(self.dtype))
        square = update.float().square().mean(dim=long_side, keepdim=True)
        state["square"].lerp_(square, 0.05)
        # Each neuron's step is divided by its usual size; the norm of the whole remains.
        inverse = state["square"].clamp_min(1e-10).rsqrt()
        norm = square.sum(dim=(-2, -1), keepdim=True).sqrt()
        new_norm = (square * inverse.square()).sum(dim=(-2, -1), keepdim=True).sqrt()
        update = update * (inverse * norm / new_norm.clamp_min(1e-10)).to(self.dtype)
        lr *= max(1.0, rows / columns) ** 0.5
        for matrix, move in zip(matrices, update.to(matrices[0].dtype), strict=True):
            decayed = matrix * (move * matrix >= 0)
            matrix.sub_(lr * (move + decay * decayed))


def polar_factor(matrices: Tensor) -> Tensor:
    """Bring all singular values of [N, rows, columns] close to one, by Polar Express."""
    is_tall = matrices.size(-2) > matrices.size(-1)
    wide = matrices.mT if is_tall else matrices
    wide = wide / (wide.norm(dim=(-2, -1), keepdim=True) * 1.02 + 1e-6)
    for a, b, c in POLAR_EXPRESS:
        gram = wide @ wide.mT
        wide = a * wide + (b * gram + c * (gram @ gram)) @ wide
    return wide.mT if is_tall else wide


def packed_rows(
    tokens: TokenArray, eot_id: int, length: int, n_buffered: int = 1000
) -> Iterator[TokenArray]:
    """Rows of `length` ids, each beginning with the start of a document, without end.

    Of the buffered documents the longest that fits is put into the rest of a row; where none fits,
    the shortest is cut to the rest, and its end is dropped.

    Args:
        tokens: documents, each followed by `eot_id`; here it comes before each instead.
        eot_id: the end-of-text token.
        length: ids per row.
        n_buffered: number of documents to choose from.
    """
    ends = np.flatnonzero(tokens == eot_id)
    starts = np.concatenate(([0], ends[:-1] + 1))
    buffer: list[tuple[int, int]] = []  # length and number, shortest first
    position = 0
    while True:
        row: list[TokenArray] = []
        room = length
        while room:
            while len(buffer) < n_buffered:
                document = position % len(ends)
                bisect.insort(buffer, (int(ends[document] - starts[document]) + 1, document))
                position += 1
            fitting = bisect.bisect_left(buffer, (room + 1, -1))
            n_ids, document = buffer.pop(max(fitting - 1, 0))
            content = tokens[starts[document] : starts[document] + n_ids - 1]
            row.append(np.append(tokens[ends[:1]], content)[:room])
            room -= len(row[-1])
        yield np.concatenate(row)


def train(directory: DataDirectory, sizes: Sizes, recipe: Recipe, meter: Meter) -> None:
    """Train until the meter ends the race.

    Raises:
        SystemExit: it is over.
    """
    torch.manual_seed(42)
    tokenizer = directory.tokenizer
    dtype_name = resolve_dtype("auto", "cpu")
    dtype = torch_dtype(dtype_name)
    model = GPT(tokenizer.vocab_size, sizes, dtype)
    optimizer = MuonAdamW(model, recipe, dtype)
    forward = model
    if can_compile("cpu"):
        forward = torch.compile(model, dynamic=False, options=kernel_options())
    rows = packed_rows(directory.tokens("train"), tokenizer.eot_id, sizes.context + 1)
    n_micro_batches = sizes.total_batch // (sizes.device_batch * sizes.context)
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{n_parameters:,} parameters, {dtype_name}", flush=True)
    assert meter.seconds is not None
    while True:
        progress = min(meter.clock / meter.seconds, 1.0)
        for _ in range(n_micro_batches):
            batch = np.stack([next(rows) for _ in range(sizes.device_batch)]).astype(np.int64)
            ids = torch.from_numpy(batch)
            with autocast("cpu", dtype_name):
                logits = forward(ids[:, :-1])
            loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
            (loss / n_micro_batches).backward()
        optimizer.step(progress)
        optimizer.zero_grad(set_to_none=True)
        meter.after_step(model)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="made by slm prepare")
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between measurements")
    for group in (Sizes, Recipe):
        for name, default in vars(group()).items():
            parser.add_argument("--" + name.replace("_", "-"), type=type(default), default=default)
    args = parser.parse_args()
    sizes, recipe = (
        group(**{name: getattr(args, name) for name in vars(group())}) for group in (Sizes, Recipe)
    )
    dtype_name = resolve_dtype("auto", "cpu")

    def logits_of(model: GPT, x: Tensor, y: Tensor) -> Tensor:
        with autocast("cpu", dtype_name):
            return model(x)

    meter = Meter(
        lambda model: read_held_out(args.held_out),
        every=args.every,
        seconds=60 * args.minutes,
        logits_of=logits_of,
    )
    train(DataDirectory.open(args.data), sizes, recipe, meter)


if __name__ == "__main__":
    main()
