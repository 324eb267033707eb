"""What weights of 16 and 8 bits tell is distributed as what the plain float32 path tells.

A small model is trained for some seconds, so that its odds are those of language and not of noise.
"""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch import Tensor

from slm.config import GPTConfig
from slm.evals import EvalResult, NativeScorer, evaluate_texts
from slm.generation import GenerationOptions, build_generator, filter_logits
from slm.model import GPT
from slm.native.engine import NativeEngine, WeightDtype, arrays_of
from slm.tokenizer.byte_level import BytesTokenizer
from storyworld import generate_stories
from tests.unit.native.native_tensors import NativeTensors

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler"),
]

SMALLER: list[WeightDtype] = ["bfloat16", "int8"]
STEPS = 300
TRAINING_STORIES, HELD_OUT_STORIES = 400, 30
PROMPT = "Then the "
OPTIONS = GenerationOptions(max_new_tokens=2, temperature=0.8, top_k=6, seed=0)
N_TEXTS = 20_000
MOVED = {"bfloat16": 0.01, "int8": 0.04}
"""How much of the next token's odds rounding may move, on average."""
CHANCE = 1e-6
"""That a right sampler fails, if its seed were drawn anew."""


@pytest.fixture(scope="module")
def stories() -> list[str]:
    told = islice(generate_stories(seed=5), TRAINING_STORIES + HELD_OUT_STORIES)
    return [story.text for story in told]


@pytest.fixture(scope="module")
def trained(stories: list[str]) -> GPT:
    tokenizer = BytesTokenizer()
    ids = torch.tensor(
        [i for text in stories[:TRAINING_STORIES] for i in (tokenizer.eot_id, *text.encode())]
    )
    torch.manual_seed(0)
    model = GPT(
        GPTConfig(
            **{"vocab_size": tokenizer.vocab_size, "block_size": 128, "n_layer": 2, "n_head": 2},
            **{"n_embd": 64, "dropout": 0.0, "bias": False, "norm": "rmsnorm", "mlp": "swiglu"},
            **{"position": "rope", "qk_norm": True},
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.95))
    rates = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / 20, 2 * (STEPS - step) / STEPS)
    )
    for _ in range(STEPS):
        starts = torch.randint(len(ids) - 65, (16, 1))
        windows = ids[starts + torch.arange(65)]
        _, loss = model(windows[:, :-1], windows[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
    return model.eval()


Odds = dict[tuple[int, ...], float]
Logits = Callable[[list[int]], Tensor]
"""The logits [T, V] after each of T ids."""


def plain_logits(model: GPT) -> Logits:
    def logits_of(ids: list[int]) -> Tensor:
        with torch.inference_mode():
            logits, _ = model(torch.tensor([ids]))
        assert isinstance(logits, Tensor)
        return logits[0]

    return logits_of


def native_logits(model: GPT, weights: WeightDtype) -> Logits:
    slots = NativeTensors(model, 1, weights)

    def logits_of(ids: list[int]) -> Tensor:
        logits = slots.all_logits(0, ids)
        slots.free(0)
        return logits

    return logits_of


def probabilities(logits: Tensor) -> Tensor:
    return filter_logits(logits, OPTIONS).double().softmax(dim=-1)


# --- texts -----------------------------------------------------------------------------------


def odds_of(logits_of: Logits) -> Odds:
    """The probability of every continuation of two tokens."""
    tokenizer = BytesTokenizer()
    ids = [tokenizer.eot_id, *tokenizer.encode(PROMPT)]

    def after(ids: list[int]) -> dict[int, float]:
        return {i: p for i, p in enumerate(probabilities(logits_of(ids)[-1:])[0].tolist()) if p > 0}

    odds: Odds = {}
    for first, p in after(ids).items():
        if first == tokenizer.eot_id:
            odds[()] = p
            continue
        for second, q in after([*ids, first]).items():
            odds[(first,) if second == tokenizer.eot_id else (first, second)] = p * q
    assert sum(odds.values()) == pytest.approx(1)
    return odds


def shares_of(model: GPT, weights: str, options: GenerationOptions) -> Odds:
    """How often each continuation comes."""
    generator = build_generator(model, BytesTokenizer(), dtype=weights)
    told = generator.complete([PROMPT], replace(options, samples=N_TEXTS))
    counts = Counter(completion.ids for completion in told)
    return {ids: count / N_TEXTS for ids, count in counts.items()}


def total_variation(some: Odds, others: Odds) -> float:
    return sum(abs(some.get(i, 0) - others.get(i, 0)) for i in {*some, *others}) / 2


def most_by_chance(odds: Odds) -> float:
    """A total variation that so many texts of these odds exceed with a probability of `CHANCE`.

    Its mean is at most half the sum of the shares' standard deviations (Jensen), and as one text
    moves it by 1 / N_TEXTS at most, it leaves its mean by t with a probability of at most
    exp(-2 N_TEXTS t^2) (McDiarmid 1989).
    """
    mean = sum(math.sqrt(p * (1 - p) / N_TEXTS) for p in odds.values()) / 2
    return mean + math.sqrt(-math.log(CHANCE) / (2 * N_TEXTS))


@pytest.mark.parametrize("weights", SMALLER)
def test_texts_come_as_often_as_the_plain_path_says(trained: GPT, weights: WeightDtype) -> None:
    exact = odds_of(plain_logits(trained))
    rounding = total_variation(odds_of(native_logits(trained, weights)), exact)
    distance = total_variation(shares_of(trained, weights, OPTIONS), exact)
    assert distance < most_by_chance(exact) + rounding


@pytest.mark.parametrize("weights", SMALLER)
def test_rounding_moves_little_of_the_odds(
    trained: GPT, stories: list[str], weights: WeightDtype
) -> None:
    plain, native = plain_logits(trained), native_logits(trained, weights)
    ids = [list(story.encode()[:128]) for story in stories[TRAINING_STORIES:]]
    moved = [(probabilities(native(i)) - probabilities(plain(i))).abs().sum(-1) / 2 for i in ids]
    assert 0 < float(torch.cat(moved).mean()) < MOVED[weights]


@pytest.mark.parametrize(
    "wrong",
    [replace(OPTIONS, temperature=1.0), replace(OPTIONS, top_k=4), replace(OPTIONS, top_k=12)],
    ids=["temperature", "fewer", "more"],
)
def test_other_odds_are_noticed(trained: GPT, wrong: GenerationOptions) -> None:
    exact = odds_of(plain_logits(trained))
    assert total_variation(shares_of(trained, "float32", wrong), exact) > most_by_chance(exact)


# --- bits per byte ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain_result(trained: GPT, stories: list[str]) -> EvalResult:
    return evaluate_texts(trained, BytesTokenizer(), stories[TRAINING_STORIES:])


def change(model: GPT, stories: list[str], plain: EvalResult, weights: WeightDtype) -> float:
    """By which share native code finds more bits per byte."""
    result = evaluate_texts(
        model,
        BytesTokenizer(),
        stories[TRAINING_STORIES:],
        scorer=NativeScorer(NativeEngine(model.config, arrays_of(model), 1, weights)),
    )
    assert (result.tokens, result.bytes) == (plain.tokens, plain.bytes)
    return result.bits_per_byte / plain.bits_per_byte - 1


def test_the_model_has_learned(plain_result: EvalResult) -> None:
    assert plain_result.bits_per_byte < 3.2  # from 8; that of the letters alone is 4.2
    assert plain_result.bytes > 10_000


def test_float32_scores_as_the_model_does(
    trained: GPT, stories: list[str], plain_result: EvalResult
) -> None:
    assert abs(change(trained, stories, plain_result, "float32")) < 1e-6


@pytest.mark.parametrize("weights", SMALLER)
def test_smaller_weights_cost_less_than_half_a_percent(
    trained: GPT, stories: list[str], plain_result: EvalResult, weights: WeightDtype
) -> None:
    assert abs(change(trained, stories, plain_result, weights)) < 0.005


def test_rounding_that_is_too_coarse_is_noticed(
    trained: GPT, stories: list[str], plain_result: EvalResult
) -> None:
    coarse = GPT(trained.config).eval()
    coarse.load_state_dict(trained.state_dict())
    with torch.no_grad():
        for parameter in coarse.parameters():
            if parameter.dim() == 2:
                step = parameter.abs().amax(dim=1, keepdim=True) / 7
                parameter.copy_((parameter / step).round() * step)
    assert change(coarse, stories, plain_result, "float32") > 0.005
