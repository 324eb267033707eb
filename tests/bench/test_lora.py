"""The ways of fine-tuning that are measured: which weights they train, and LoRA's arithmetic."""

from __future__ import annotations

import lora
import torch
from torch import nn

from tests.interop_models import logits_of, model_of


def trained(model):
    return {name for name, p in model.named_parameters() if p.requires_grad}


def test_a_product_is_nothing_at_first_and_then_a_change_of_the_weights():
    torch.manual_seed(0)
    plain, x = nn.Linear(6, 4), torch.randn(3, 6)
    layer = lora.LoRALinear(plain, rank=2, alpha=4.0)
    assert torch.equal(layer(x), plain(x))
    nn.init.normal_(layer.lora_b)
    weight = plain.weight + 2.0 * layer.lora_b @ layer.lora_a
    assert torch.allclose(layer(x), nn.functional.linear(x, weight, plain.bias), atol=1e-6)


def test_each_way_trains_its_own_weights():
    ids = torch.tensor([[1, 2, 3]])
    model = model_of("qwen3", 300)
    before, n_all = logits_of(model, ids), len(trained(model))
    lora.choose_parameters(model, "full", None)
    assert len(trained(model)) == n_all
    lora.choose_parameters(model, "head", None)
    assert trained(model) == {"token_embedding.weight", "final_norm.weight"}
    lora.choose_parameters(model, "last", None)
    assert all(name.startswith("blocks.1.") for name in trained(model))
    lora.choose_parameters(model, "lora", 2)
    assert len(trained(model)) == 2 * 2 * 7  # blocks, matrices of a product, linear layers
    assert all(name.endswith(("lora_a", "lora_b")) for name in trained(model))
    assert torch.equal(logits_of(model, ids), before)
