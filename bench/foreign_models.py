"""Folders of transformers in the shapes of public small models, for bench/interop.py.

    python bench/foreign_models.py OUT gpt2=TOKENIZER llama=TOKENIZER ...

The weights are random, the shapes are those of the models below, and the tokenizers are the real
ones: TOKENIZER is a folder with the `tokenizer.json` of such a model. transformers itself makes and
saves the models.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
import transformers

SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    # openai-community/gpt2 with 4 of its 12 layers
    "gpt2": ("GPT2", {"n_layer": 4, "n_ctx": 1024}),
    # roneneldan/TinyStories-1M
    "gpt_neo": (
        "GPTNeo",
        {
            **{"hidden_size": 64, "num_layers": 8, "num_heads": 16, "window_size": 256},
            **{"max_position_embeddings": 2048, "attention_types": [[["global", "local"], 4]]},
        },
    ),
    # stories15M of llama2.c in its form for transformers
    "llama": (
        "Llama",
        {
            **{"hidden_size": 288, "intermediate_size": 768, "num_hidden_layers": 6},
            **{"num_attention_heads": 6, "max_position_embeddings": 256, "rope_theta": 10000.0},
            "tie_word_embeddings": True,
        },
    ),
    # Qwen/Qwen3-0.6B with a quarter of its width, 4 of its 28 layers, and 1,024 positions
    "qwen3": (
        "Qwen3",
        {
            **{"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4},
            **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 128},
            **{"max_position_embeddings": 1024, "rope_theta": 1e6, "tie_word_embeddings": True},
        },
    ),
}
SPREAD = 0.1
"""Added to the weights at random, so that the logits are spread, too."""


def write(kind: str, tokenizer_folder: Path, out: Path) -> None:
    """Write one folder."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(tokenizer_folder)
    name, sizes = SHAPES[kind]
    ids = {f"{key}_token_id": getattr(tokenizer, f"{key}_token_id") for key in ("bos", "eos")}
    make: Any = getattr(transformers, f"{name}Config")
    config = make(**sizes, **ids, vocab_size=len(tokenizer))
    suffix = "LMHeadModel" if name == "GPT2" else "ForCausalLM"
    torch.manual_seed(0)
    model = getattr(transformers, name + suffix)(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(SPREAD * torch.randn_like(parameter))
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="+", metavar="KIND=TOKENIZER")
    options = parser.parse_args()
    for pair in options.models:
        kind, _, folder = pair.partition("=")
        write(kind, Path(folder), options.out / kind)


if __name__ == "__main__":
    main()
