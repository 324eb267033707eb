"""transformers, with its Qwen3 and its `generate`."""

from __future__ import annotations

import time
from typing import Any

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from slm.bench.baselines.registry import Figures, GenerationTask


def measure(task: GenerationTask, dtype: str) -> Figures:
    """See `Baseline.measure`."""
    assert dtype == "float32"
    shape = task.model
    model: Any = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=shape.vocab_size,
            hidden_size=shape.n_embd,
            intermediate_size=shape.mlp_width,
            num_hidden_layers=shape.n_layer,
            num_attention_heads=shape.n_head,
            num_key_value_heads=shape.kv_heads,
            head_dim=shape.head_width,
            max_position_embeddings=shape.block_size,
            tie_word_embeddings=shape.tie_embeddings,
        )
    )
    model.eval()
    figures = {}
    for name, streams in (("one", 1), ("together", task.streams)):
        prompt = torch.ones(streams, task.prompt_tokens, dtype=torch.long)
        started_at = time.perf_counter()
        ids = model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            do_sample=True,
            temperature=task.temperature,
            top_k=task.top_k,
            max_new_tokens=task.new_tokens,
            min_new_tokens=task.new_tokens,
            pad_token_id=0,
        )
        seconds = time.perf_counter() - started_at
        figures[name] = streams * (ids.size(1) - task.prompt_tokens) / seconds
    return figures
