"""The port of autoresearch's `train.py` computes what the original computes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import autoresearch
import pytest
import torch
import torch.nn.functional as F

SIZES = autoresearch.Sizes(depth=3, aspect_ratio=16, head_dim=32, context=24)
VOCABULARY = 40


@pytest.fixture(scope="module")
def source():
    checkout = os.environ.get("SLM_AUTORESEARCH")
    if checkout is None:
        pytest.skip("SLM_AUTORESEARCH names no checkout of autoresearch")
    return (Path(checkout) / "train.py").read_text("utf-8")


@pytest.fixture(scope="module")
def original(source):
    """The classes of the original, a program that needs CUDA when it is imported."""

    def attention(q, k, v, *, causal, window_size):
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2)

    names = {"__name__": __name__, "torch": torch, "nn": torch.nn, "F": F, "dataclass": dataclass}
    names["fa3"] = SimpleNamespace(flash_attn_func=attention)
    classes = source[source.index("@dataclass") : source.index("# Hyperparameters")]
    assert "g.bfloat16()" in classes  # too coarse to compare updates
    exec(classes.replace("g.bfloat16()", "g.float()"), names)
    return SimpleNamespace(**names)


@pytest.fixture
def models(original):
    """The original with random weights, and the port with the same."""
    torch.manual_seed(0)
    port = autoresearch.GPT(VOCABULARY, SIZES)
    heads = SIZES.width // SIZES.head_dim
    config = original.GPTConfig(
        sequence_len=SIZES.context,
        vocab_size=VOCABULARY,
        n_layer=SIZES.depth,
        n_head=heads,
        n_kv_head=heads,
        n_embd=SIZES.width,
        window_pattern="L",
    )
    model = original.GPT(config)
    model.init_weights()
    model.float()  # it keeps embeddings and rotations in bfloat16
    model.cos, model.sin = port.cos, port.sin
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    port.load_state_dict({renamed(name): value for name, value in model.state_dict().items()})
    return model, port


def renamed(name):
    """The port's name of a weight."""
    for pattern, ours in (
        (r"^transformer\.wte", "embedding"),
        (r"^value_embeds", "value_embeddings"),
        (r"^lm_head", "head"),
        (r"^resid_lambdas", "stream_scales"),
        (r"^x0_lambdas", "embedding_scales"),
        (r"^transformer\.h\.(\d+)\.(attn|mlp)\.", r"\2.\1."),
        (r"^attn\.", "attention."),
        (r"c_q\b", "query"),
        (r"c_k\b", "key"),
        (r"c_v\b", "value"),
        (r"ve_gate", "gate"),
        (r"^(attention.*)c_proj", r"\1output"),
        (r"c_proj", "down"),
        (r"c_fc", "up"),
    ):
        name = re.sub(pattern, ours, name)
    return name


def test_the_same_logits(models):
    model, port = models
    idx = torch.randint(VOCABULARY, (3, SIZES.context))
    torch.testing.assert_close(port(idx), model(idx), rtol=1e-4, atol=1e-5)


def test_the_same_steps(models):
    model, port = models
    recipe = autoresearch.Recipe()
    theirs = model.setup_optimizer(
        unembedding_lr=recipe.unembedding_lr,
        embedding_lr=recipe.embedding_lr,
        matrix_lr=recipe.matrix_lr,
        weight_decay=recipe.weight_decay,
        scalar_lr=recipe.scalar_lr,
    )
    ours = autoresearch.MuonAdamW(port, recipe, torch.float32)
    torch.manual_seed(1)
    before = {name: value.clone() for name, value in port.state_dict().items()}
    with torch.compiler.set_stance("force_eager"):
        for step in range(3):
            for group in theirs.param_groups:
                # Its program sets these before each step; here the race is at its beginning.
                if group["kind"] == "muon":
                    group["momentum"] = 0.85 + 0.1 * step / 300
            for name, parameter in model.named_parameters():
                parameter.grad = torch.randn_like(parameter)
                port.get_parameter(renamed(name)).grad = parameter.grad.clone()
            theirs.step()
            ours.step(progress=0.0)
    for name, value in model.state_dict().items():
        moved, expected = (
            state[renamed(name)] - before[renamed(name)]
            for state in (port.state_dict(), {renamed(name): value})
        )
        assert expected.abs().max() > 0
        torch.testing.assert_close(moved, expected, rtol=1e-3, atol=1e-5)


def test_the_same_initial_weights(original):
    torch.manual_seed(0)
    port = autoresearch.GPT(VOCABULARY, SIZES)
    heads = SIZES.width // SIZES.head_dim
    config = original.GPTConfig(SIZES.context, VOCABULARY, 3, heads, heads, SIZES.width, "L")
    model = original.GPT(config)
    model.init_weights()
    state = port.state_dict()
    assert {renamed(name) for name in model.state_dict()} == set(state)
    for name, value in model.state_dict().items():
        ours = state[renamed(name)]
        assert ours.shape == value.shape
        assert float(ours.mean()) == pytest.approx(float(value.float().mean()), abs=0.05)
        assert float(ours.std()) == pytest.approx(float(value.float().std()), rel=0.1, abs=1e-6)


@pytest.mark.parametrize("constant", ["EMBEDDING_LR", "UNEMBEDDING_LR", "MATRIX_LR", "SCALAR_LR"])
def test_the_same_rates(source, constant):
    value = re.search(rf"^{constant} = ([\d.]+)", source, re.MULTILINE)
    assert value is not None
    assert float(value[1]) == getattr(autoresearch.Recipe(), constant.lower())


def test_the_same_schedules(source):
    start, end = source.index("def get_lr_multiplier"), source.index("# Training loop")
    constants = source[source.index("# Optimization") : source.index("# Model size")]
    names = {}
    exec(constants + source[start:end], names)
    recipe = autoresearch.Recipe()
    for progress in (0.0, 0.3, 0.5, 0.75, 1.0):
        assert recipe.lr_scale(progress) == pytest.approx(names["get_lr_multiplier"](progress))
        decay = recipe.weight_decay * (1 - progress)
        assert decay == pytest.approx(names["get_weight_decay"](progress))
