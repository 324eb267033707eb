"""Small models of every shape that leaves, and tokenizers of every kind."""

from __future__ import annotations

import functools
import random
from pathlib import Path
from typing import Any

import torch

from slm.config import DataConfig, GPTConfig, RunConfig, TrainingConfig
from slm.interop.source import ExportSource
from slm.model import GPT
from slm.native.engine import arrays_of
from slm.tokenizer import Tokenizer, build_tokenizer
from slm.train_state import TrainState
from storyworld import story_at

LLAMA: dict[str, Any] = {"norm": "rmsnorm", "position": "rope", "mlp": "swiglu", "bias": False}
SHAPES: dict[str, dict[str, Any]] = {
    "qwen3": {**LLAMA, "qk_norm": True, "n_kv_head": 2, "head_dim": 24, "rope_theta": 5e4},
    "llama": {**LLAMA, "n_kv_head": 1, "tie_embeddings": False},
    "llama-tied": LLAMA,
    "llama-biases": {**LLAMA, "bias": True},
    "gpt2": {},
    "gpt2-without-biases": {"bias": False, "tie_embeddings": False},
}
TOKENIZERS = ("bpe:600", "gpt2:400", "gpt2", "bytes", "chars")


@functools.cache
def stories(n_stories: int = 300) -> tuple[str, ...]:
    return tuple(story_at(0, number).text for number in range(n_stories))


@functools.cache
def tokenizer(spec: str) -> Tokenizer:
    return build_tokenizer(spec, stories)


@functools.cache
def hostile_texts() -> tuple[str, ...]:
    """Unicode that tokenizers disagree about: joiners, marks, private use, controls, blanks."""
    chance = random.Random(0)
    texts = [
        *("", "\0\1\2", "a" * 3000, "   \n\n\t x  y   ", "\u202e\u05d0\u05d1 \ufdfd"),
        *(
            "\U0001f469\u200d\U0001f467\U0001f1e9\U0001f1ea",
            "\ufb00 \u00bd \u2163 \u00b2",
            "e\u0301",
        ),
        *(
            "<|endoftext|> <0x41> \u0120",
            "don't DON'T we'LL I'd 's",
            "\u2028\u2029\x85\xa0\u3000 x",
        ),
        *("".join(map(chr, range(0x20, 0x3000, 7))), "\r\n\r\n a\r b", "\u0661\u0662 \u3007"),
    ]
    for _ in range(300):
        characters = [
            chance.choice(
                [
                    chr(chance.randrange(0x20, 0x7F)),
                    chr(chance.randrange(0x20, 0x2000)),
                    chr(
                        chance.choice([chance.randrange(0xD800), chance.randrange(0xE000, 0x30000)])
                    ),
                    *(" ", "\n", "'", "s"),
                ]
            )
            for _ in range(chance.randrange(1, 60))
        ]
        texts.append("".join(characters))
    return tuple(texts)


def model_of(shape: str, vocab_size: int, **changes: Any) -> GPT:
    """A random model whose weights are spread so widely that no error hides."""
    settings = {
        **{"vocab_size": vocab_size, "block_size": 64, "n_layer": 2, "n_head": 4, "n_embd": 64},
        **{"dropout": 0.0, **SHAPES[shape], **changes},
    }
    torch.manual_seed(0)
    model = GPT(GPTConfig(**settings)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def source_of(model: GPT, tokenizer: Tokenizer, path: str = "runs/mia/best") -> ExportSource:
    settings = RunConfig(model.config, TrainingConfig(), DataConfig(source="builtin"), {})
    return ExportSource(
        path=Path(path),
        settings=settings,
        tokenizer=tokenizer,
        state=TrainState(step=7, tokens_seen=700, best_validation_loss=1.25),
        weights=lambda: arrays_of(model),
    )


def logits_of(model: GPT, ids: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        logits, _ = model(ids)
    assert logits is not None
    return logits


def greedy_text(model: GPT, tokenizer: Tokenizer, prompt: str, n_tokens: int) -> str:
    """The continuation up to the end-of-text token."""
    ids = [tokenizer.bos_id, *tokenizer.encode(prompt)]
    out = model.generate(torch.tensor([ids]), n_tokens, temperature=0)[0].tolist()[len(ids) :]
    if tokenizer.eot_id in out:
        out = out[: out.index(tokenizer.eot_id)]
    return tokenizer.decode(out)
