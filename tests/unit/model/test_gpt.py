"""What must hold for any language model of ours, whatever its family and kernel."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from slm.config import GPTConfig
from slm.model import GPT, KVCache
from slm.model.attention import Kernel

MakeModel = Callable[..., GPT]
FAMILIES = ["gpt2", "modern"]
both_families = pytest.mark.parametrize("family", FAMILIES)


def ids(*shape: int, seed: int = 0, vocab_size: int = 97) -> torch.Tensor:
    return torch.randint(0, vocab_size, shape, generator=torch.Generator().manual_seed(seed))


@both_families
@pytest.mark.parametrize("kernel", ["sdpa", "plain"])
def test_no_logit_depends_on_a_later_token(
    tiny_model: MakeModel, family: str, kernel: Kernel
) -> None:
    """Proven through gradients: d logits[t] / d embedding[s] is zero for s > t, and only there."""
    model = tiny_model(family, spread=8.0, tie_embeddings=False)
    model.use_kernel(kernel)
    embedded: list[torch.Tensor] = []

    def keep(module: object, inputs: object, output: torch.Tensor) -> torch.Tensor:
        embedded.append(output.detach().requires_grad_())
        return embedded[-1]

    model.token_embedding.register_forward_hook(keep)
    logits, _ = model(ids(1, 9))
    for t in range(9):
        (gradient,) = torch.autograd.grad(logits[0, t].square().sum(), embedded, retain_graph=True)
        reach = gradient[0].abs().sum(-1)
        assert (reach[t + 1 :] == 0).all()
        assert (reach[: t + 1] > 0).all()


@both_families
def test_rows_do_not_see_each_other(tiny_model: MakeModel, family: str) -> None:
    model = tiny_model(family, spread=8.0).eval()
    idx = ids(3, 16)
    together, _ = model(idx)
    for row in range(3):
        alone, _ = model(idx[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-4, rtol=1e-4)


@both_families
@pytest.mark.parametrize("tied", [True, False])
@torch.no_grad()
def test_the_first_loss_is_that_of_a_guess(tiny_model: MakeModel, family: str, tied: bool) -> None:
    model = tiny_model(family, vocab_size=500, tie_embeddings=tied)
    _, loss = model(ids(8, 16, vocab_size=500), ids(8, 16, seed=1, vocab_size=500))
    assert abs(loss - math.log(500)) < 0.1


@both_families
def test_one_batch_is_learnt_by_heart(tiny_model: MakeModel, family: str) -> None:
    model = tiny_model(family)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.0)
    x, y = ids(4, 12), ids(4, 12, seed=1)
    for _ in range(60):
        optimizer.zero_grad()
        _, loss = model(x, y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


@both_families
@pytest.mark.parametrize("tied", [True, False])
@torch.no_grad()
def test_the_loss_is_the_cross_entropy_of_the_logits(
    tiny_model: MakeModel, family: str, tied: bool
) -> None:
    model = tiny_model(family, spread=8.0, tie_embeddings=tied)
    x, y = ids(3, 10), ids(3, 10, seed=1)
    y[1, 4:] = -100
    logits, no_loss = model(x)
    no_logits, loss = model(x, y)
    assert no_loss is None
    assert no_logits is None
    expected = F.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=-100)
    torch.testing.assert_close(loss, expected)


def expected_std(name: str, n_layer: int) -> float:
    if name.endswith(("o_proj.weight", "down_proj.weight")):
        return 0.02 / math.sqrt(2 * n_layer)
    return 0.02


@both_families
def test_initial_values_are_those_of_the_table(
    tiny_config: Callable[..., GPTConfig], family: str
) -> None:
    torch.manual_seed(0)
    config = tiny_config(
        family, n_embd=128, n_layer=3, block_size=64, mlp_dim=256, tie_embeddings=False
    )
    kinds = set()
    for name, parameter in GPT(config).named_parameters():
        if parameter.dim() == 2:
            std = expected_std(name, n_layer=3)
            # The standard error of a standard deviation of n numbers is std / sqrt(2 n).
            allowed = 5 * std / math.sqrt(2 * parameter.numel())
            assert abs(parameter.std().item() - std) < allowed, name
            assert abs(parameter.mean().item()) < 5 * std / math.sqrt(parameter.numel()), name
            kinds.add("matrix")
        else:
            assert (parameter == (0.0 if name.endswith("bias") else 1.0)).all(), name
            kinds.add(name.rpartition(".")[2])
    assert kinds == ({"matrix", "weight", "bias"} if family == "gpt2" else {"matrix", "weight"})


@both_families
def test_tied_weights_are_one_tensor(tiny_model: MakeModel, family: str) -> None:
    tied, untied = (tiny_model(family, tie_embeddings=tie) for tie in (True, False))
    assert tied.head_weight is tied.token_embedding.weight
    assert set(untied.state_dict()) - set(tied.state_dict()) == {"lm_head.weight"}
    assert len({t.data_ptr() for t in tied.state_dict().values()}) == len(tied.state_dict())
    _, loss = untied(ids(1, 4), ids(1, 4))
    loss.backward()
    assert untied.lm_head is not None
    assert untied.lm_head.weight.grad.abs().sum() > 0


@both_families
def test_too_many_tokens(tiny_model: MakeModel, family: str) -> None:
    model = tiny_model(family)
    with pytest.raises(ValueError, match=r"17 .*16"):
        model(ids(1, 17))
    for capacity in (None, 64):  # a larger cache does not make the context longer
        cache = KVCache(model.config, 1, capacity=capacity)
        model(ids(1, 10), cache=cache)
        with pytest.raises(ValueError, match=r"7 .*6"):
            model(ids(1, 7), cache=cache)
        assert cache.length == 10  # as if it had not been asked
    short = KVCache(model.config, 1, capacity=4)
    with pytest.raises(ValueError, match=r"5 .*4"):
        model(ids(1, 5), cache=short)


@both_families
def test_dropout_is_for_training_only(tiny_model: MakeModel, family: str) -> None:
    model = tiny_model(family, dropout=0.5)
    idx = ids(2, 8)
    assert not torch.equal(model(idx)[0], model(idx)[0])
    torch.manual_seed(3)
    first = model(idx)[0]
    torch.manual_seed(3)
    assert torch.equal(model(idx)[0], first)
    model.eval()
    assert torch.equal(model(idx)[0], model(idx)[0])
    without = tiny_model(family, dropout=0.0)
    assert torch.equal(model(idx)[0], without(idx)[0])


@both_families
@pytest.mark.parametrize("tied", [True, False])
def test_state_dict_round_trip(tiny_model: MakeModel, family: str, tied: bool) -> None:
    model = tiny_model(family, spread=3.0, tie_embeddings=tied)
    other = tiny_model(family, seed=1, tie_embeddings=tied)
    assert not torch.equal(model(ids(1, 8))[0], other(ids(1, 8))[0])
    other.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(model(ids(1, 8))[0], other(ids(1, 8))[0])
    assert not any("cos" in name or "sin" in name for name in model.state_dict())


@both_families
def test_no_tensor_is_made_on_another_device(
    tiny_config: Callable[..., GPTConfig], family: str
) -> None:
    """The `meta` device has shapes only: a tensor left on the CPU would not mix with it."""
    with torch.device("meta"):
        model = GPT(tiny_config(family))
    assert model.device.type == "meta"
    idx = torch.zeros(2, 12, dtype=torch.long, device="meta")
    for kernel in ("sdpa", "plain"):
        model.use_kernel(kernel)
        logits, _ = model(idx)
        assert logits.shape == (2, 12, 97)
        assert logits.device.type == "meta"
        _, loss = model(idx, idx)
        assert loss.shape == ()
        loss.backward()
        assert model.token_embedding.weight.grad.shape == (97, 32)
        pad = torch.zeros(2, dtype=torch.long, device="meta")
        cache = KVCache(model.config, 2, device="meta", pad=pad)
        model(idx[:, :5], cache=cache)
        logits, _ = model(idx[:, :3], cache=cache, last_only=True)
        assert logits.shape == (2, 1, 97)


# -- generate --------------------------------------------------------------------------------------


@both_families
def test_greedy_generation_takes_the_likeliest_id_of_the_last_block(
    tiny_model: MakeModel, family: str
) -> None:
    model = tiny_model(family, spread=8.0, block_size=8, tie_embeddings=False)
    prompt = ids(2, 5)
    text = model.generate(prompt, 9, temperature=0)
    assert torch.equal(text, model.generate(prompt, 9, temperature=0))
    assert text.shape == (2, 14)
    assert torch.equal(text[:, :5], prompt)
    for end in range(5, 14):  # beyond 8 tokens, only the last 8 are the context
        logits, _ = model(text[:, max(0, end - 8) : end])
        assert torch.equal(logits[:, -1].argmax(-1), text[:, end])
    assert len(text[0, 5:].unique()) > 2


def test_generation_is_seeded_and_samples_by_temperature_and_top_k(tiny_model: MakeModel) -> None:
    model = tiny_model("gpt2", spread=8.0)
    prompt = ids(1, 4).expand(400, 4)

    def sample(temperature: float, top_k: int | None) -> torch.Tensor:
        torch.manual_seed(7)
        return model.generate(prompt, 1, temperature=temperature, top_k=top_k)[:, 4]

    assert torch.equal(sample(1.0, None), sample(1.0, None))
    likeliest = model(prompt[:1])[0][0, -1].topk(3).indices.tolist()
    assert set(sample(5.0, 3).tolist()) == set(likeliest)
    assert set(sample(1.0, 1).tolist()) == {likeliest[0]}
    assert len(sample(5.0, None).unique()) > len(sample(0.5, None).unique())
    assert len(sample(5.0, 1000).unique()) > 3  # more than the vocabulary: all of it


@pytest.mark.parametrize("training", [True, False])
def test_generation_leaves_the_mode_as_it_was(tiny_model: MakeModel, training: bool) -> None:
    model = tiny_model("gpt2", dropout=0.5).train(training)
    text = model.generate(ids(1, 4), 3, temperature=0)
    assert model.training is training
    assert not text.requires_grad
    assert torch.equal(text, model.generate(ids(1, 4), 3, temperature=0))
    with pytest.raises(IndexError):
        model.generate(torch.full((1, 4), 97), 1)
    assert model.training is training
