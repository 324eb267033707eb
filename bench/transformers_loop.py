"""A plain training loop over the transformers library, as many write one first.

    python bench/transformers_loop.py --data DIR --held-out FILE --block-size 256 --minutes 5

GPT2LMHeadModel without dropout, AdamW at a constant rate, clipping.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from race_meter import Meter, read_held_out
from transformers import GPT2Config, GPT2LMHeadModel

from slm.data.loader import DataLoader


def train(args: argparse.Namespace, meter: Meter) -> None:
    """Train for some steps, or until the meter ends the race."""
    torch.manual_seed(1337)
    loader = DataLoader(args.batch_size, args.block_size, data_dir=args.data)
    config = GPT2Config(
        vocab_size=loader.vocab_size,
        n_positions=args.block_size,
        n_embd=args.n_embd,
        n_layer=args.n_layer,
        n_head=args.n_head,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    model = GPT2LMHeadModel(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1)
    for step in range(args.steps):
        x, y = loader.batch_at(step)
        F.cross_entropy(model(x).logits.flatten(0, 1), y.flatten()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        meter.after_step(model)
    meter.finish(model)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="made by slm prepare")
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between measurements")
    for name, default in (("n-layer", 4), ("n-head", 4), ("n-embd", 128), ("block-size", 256)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--batch-size", type=int, default=12)
    parser.add_argument("--steps", type=int, default=10**6)
    args = parser.parse_args()
    meter = Meter(
        lambda model: read_held_out(args.held_out),
        every=args.every,
        seconds=60 * args.minutes,
        logits_of=lambda model, x, y: model(x).logits,
    )
    train(args, meter)


if __name__ == "__main__":
    main()
