"""What fine-tuning costs and gives: all weights, some of them, or LoRA.

    python bench/lora.py RUN --new DATA --old DATA [--steps 60] [--threads 1] [--way full:3e-3 ...]

Every way starts from the best model of RUN and makes the same steps on the training split of --new,
which was prepared with the model's tokenizer. It prints the processor's time per step (which other
programs on the machine change less than wall-clock time), the peak memory, and the bits per byte of
both validation splits before and after. Each way runs in its own process.

A way is KIND[:RANK]:RATE. `full` trains all weights, `head` the embedding, `blocks` the blocks
alone, `last` the last half of them, and `lora` a product of a rank for every matrix in the blocks.
They use AdamW with RATE as its peak; `full-muon` and `blocks-muon` use Muon for the blocks, with
RATE for both. docs/decisions/0026-interop.md says what followed.

LoRA: Hu et al. 2021, https://arxiv.org/abs/2106.09685.

    y = x W^T + (alpha / rank) (x A^T) B^T        A: [rank, in], B: [out, rank], B = 0 at first
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slm.checkpoint import open_checkpoint
from slm.data.loader import DataLoader
from slm.hardware.devices import autocast, peak_memory_bytes, resolve_dtype
from slm.model import GPT
from slm.training.evaluate import validation_loss
from slm.training.optim import build_optimizers
from slm.training.schedule import lr_scale
from slm.training.step import Execution, train_step

WAYS = "full-muon:3e-3 blocks-muon:3e-3 full:1e-3 last:2e-3 lora:8:5e-3 lora:32:2e-3 lora:32:5e-3"


class LoRALinear(nn.Module):
    """A linear layer whose own weights are fixed; [..., in] -> [..., out].

    Args:
        linear: the layer; its parameters are shared, and no longer trained.
        rank: of the learned product.
        alpha: the product is multiplied by `alpha / rank`.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.lora_a = nn.Parameter(torch.empty(rank, linear.in_features))
        self.lora_b = nn.Parameter(torch.zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))  # as the original and peft
        self.scale = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        low = F.linear(F.linear(x, self.lora_a), self.lora_b)
        return F.linear(x, self.weight, self.bias) + self.scale * low


def add_lora(model: GPT, rank: int) -> None:
    """Fix all weights and give every matrix in the blocks a product; alpha is twice the rank."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for module in list(model.blocks.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, LoRALinear(child, rank, 2 * rank))


def choose_parameters(model: GPT, kind: str, rank: int | None) -> None:
    """Leave only those parameters to train that a way trains."""
    if rank is not None:
        torch.manual_seed(0)
        add_lora(model, rank)
        return
    for name, parameter in model.named_parameters():
        layer = int(name.split(".")[1]) if name.startswith("blocks.") else None
        if kind == "last":
            parameter.requires_grad_(layer is not None and layer >= model.config.n_layer // 2)
        elif kind in ("head", "blocks"):
            parameter.requires_grad_((layer is not None) == (kind == "blocks"))


def measured(options: argparse.Namespace) -> dict[str, object]:
    """Fine-tune in one way."""
    torch.set_num_threads(options.threads)
    name, *rank, rate = options.way[0].split(":")
    kind, _, optimizer = name.partition("-")
    checkpoint = open_checkpoint(options.run)
    model = checkpoint.build_model()
    config = checkpoint.config.train.changed(
        learning_rate=float(rate),
        muon_learning_rate=float(rate),
        max_steps=options.steps,
        optimizer=optimizer or "adamw",
        weight_decay=0.0,
        warmup_steps=options.steps // 10,
        schedule="wsd",
        decay_fraction=0.5,
        min_lr_fraction=0.0,
    )
    choose_parameters(model, kind, int(rank[0]) if rank else None)
    dtype = resolve_dtype("auto", "cpu")
    muon_dtype = torch.bfloat16 if dtype == "bfloat16" else torch.float32
    optimizers = build_optimizers(model, config, muon_dtype=muon_dtype)
    eot_id = checkpoint.tokenizer.eot_id
    loaders = {
        split: DataLoader(options.batch_size, model.config.block_size, data_dir=folder, seed=1)
        for split, folder in (("new", options.new), ("old", options.old))
    }

    def bits_per_byte(split: str) -> float:
        loader = loaders[split]
        batches = loader.validation_batches(options.eval_tokens)
        loss, _ = validation_loss(model, batches, autocast("cpu", dtype), eot_id=eot_id)
        return loss / math.log(2) / loader.directory.bytes_per_token("validation")

    before = {split: bits_per_byte(split) for split in loaders}
    seconds = []
    for step in range(options.steps):
        began_at = time.process_time()
        train_step(
            model,
            optimizers,
            [loaders["new"].batch_at(step)],
            1,
            lr_scale(step, step / options.steps, config),
            grad_clip=1.0,
            eot_id=eot_id,
            execution=Execution("cpu", dtype),
        )
        seconds.append(time.process_time() - began_at)
    memory = peak_memory_bytes("cpu")
    return {
        "way": options.way[0],
        "steps": options.steps,
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "parameters": sum(p.numel() for p in checkpoint.model_state.values()),
        "cpu_ms_per_step": 1000 * statistics.median(seconds),
        "peak_memory_mb": memory / 1e6,
        "before": before,
        "after": {split: bits_per_byte(split) for split in loaders},
    }


def runs(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Each way in its own process."""
    for way in options.way:
        command = [sys.executable, __file__, *sys.argv[1:], "--alone", "--way", way]
        yield json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--new", type=Path, required=True)
    parser.add_argument("--old", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--eval-tokens", type=int, default=8192)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--way", nargs="+", default=WAYS.split())
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for result in [measured(options)] if options.alone else runs(options):
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
