"""The whole pipeline in one file: text, batches, model, loss, optimizer, schedule, and a story.

    python examples/minimal.py book.txt        # or any UTF-8 text

It uses only the parts that define a language model. With equal settings `slm.Trainer` makes the
same steps, bit for bit, and adds what a long run needs: checkpoints, resuming, guards, reports.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from slm.config import GPTConfig, TrainingConfig
from slm.data.batches import count_windows, inputs_and_targets, windows_of_step
from slm.generation.options import GenerationOptions
from slm.generation.sampling import filter_logits, sample
from slm.model import GPT, KVCache
from slm.seeds import seed_everything
from slm.tokenizer import build_tokenizer
from slm.tokenizer.base import Tokenizer
from slm.training.evaluate import validation_loss
from slm.training.optim import build_optimizers
from slm.training.schedule import lr_scale
from slm.training.step import train_step

MODEL = {
    "n_layer": 2, "n_head": 4, "n_embd": 64, "block_size": 64, "dropout": 0.0, "bias": False,
    "norm": "rmsnorm", "position": "rope", "mlp": "swiglu", "qk_norm": True,
}  # fmt: skip
TRAINING = {
    "batch_size": 16, "gradient_accumulation_steps": 2, "max_steps": 200, "warmup_steps": 10,
    "optimizer": "muon", "learning_rate": 1e-2, "schedule": "wsd", "eval_interval": 50,
    "document_masking": False,
}  # fmt: skip

Batch = tuple[torch.Tensor, torch.Tensor]


def batch_at(tokens: np.ndarray, number: int, shape: GPTConfig, config: TrainingConfig) -> Batch:
    """Micro-batch `number`: inputs and targets [B, T], a function of the seed and the number."""
    windows = windows_of_step(
        number,
        config.batch_size,
        n_windows=count_windows(len(tokens), shape.block_size),
        seed=config.seed,
    )
    x, y = inputs_and_targets(tokens, windows * shape.block_size, shape.block_size)
    return torch.from_numpy(x), torch.from_numpy(y)


def train(
    model: GPT, tokens: np.ndarray, held_out: np.ndarray, config: TrainingConfig
) -> list[float]:
    """Train the model in place and return the loss of each step in nats per token."""
    shape, n_micro = model.config, config.gradient_accumulation_steps
    losses: list[float] = []
    optimizers = build_optimizers(model, config, muon_dtype=torch.float32)
    for step in range(config.max_steps):
        seed_everything(config.seed, step, 0)  # dropout is a function of the step
        micro_batches = [
            batch_at(tokens, step * n_micro + k, shape, config) for k in range(n_micro)
        ]
        scale = lr_scale(step, step / config.max_steps, config)
        metrics = train_step(
            model, optimizers, micro_batches, n_micro, scale, grad_clip=config.grad_clip
        )
        losses.append(metrics.loss)
        if (step + 1) % config.eval_interval == 0:
            loss, _ = validation_loss(model, [batch_at(held_out, 0, shape, config)])
            print(f"step {step + 1}: training loss {metrics.loss:.3f}, validation loss {loss:.3f}")
    return losses


def continue_prompt(
    model: GPT, tokenizer: Tokenizer, prompt: str, options: GenerationOptions
) -> str:
    """The prompt and its continuation, one token at a time, with a key/value cache."""
    ids = [tokenizer.eot_id, *tokenizer.encode(prompt)]
    generator = torch.Generator().manual_seed(options.chosen_seed())
    cache = KVCache(model.config, batch_size=1)
    new = ids
    with torch.inference_mode():
        while len(ids) < model.config.block_size:
            logits, _ = model(torch.tensor([new]), cache=cache, last_only=True)
            filtered = filter_logits(logits[:, -1, : tokenizer.vocab_size], options)
            new = sample(
                filtered, 1.0 - torch.rand(1, generator=generator, dtype=torch.float64)
            ).tolist()
            if new[0] == tokenizer.eot_id:
                break
            ids = ids + new
    return tokenizer.decode(ids[1:])


def main(path: str) -> None:
    """Train on a text file and print a story."""
    text = Path(path).read_text("utf-8")
    tokenizer = build_tokenizer("bpe:512", lambda: [text])
    ids = np.array(tokenizer.encode(text), dtype=np.uint16)
    cut = int(0.95 * len(ids))
    config = TrainingConfig(**TRAINING)
    seed_everything(config.seed)
    model = GPT(GPTConfig(vocab_size=tokenizer.vocab_size, **MODEL))
    train(model, ids[:cut], ids[cut:], config)
    print(continue_prompt(model.eval(), tokenizer, "Once", GenerationOptions(temperature=0.8)))


if __name__ == "__main__":
    main(sys.argv[1])
