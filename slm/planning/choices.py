"""Settings that a plan chooses: vocabulary, model sizes, batch, regularization, evaluations.

The user's own settings are not changed; see `with_free_values`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from slm.config import RunConfig
from slm.config.origins import Origin, OriginKind
from slm.errors import ConfigError
from slm.model.costs import FORWARD_PASSES_OF_A_STEP, model_costs
from slm.planning.dataset_size import DatasetSize
from slm.planning.steps import EVALUATING_SHARE, Resources, tokens_per_step
from slm.quantities import counted
from slm.tokenizer import expected_size

VOCABULARIES = (512, 1024, 2048, 4096)
"""To choose from, where the user names no tokenizer."""
N_BYTE_TOKENS = 257
"""Entries of a vocabulary that are not words: the bytes, and end-of-text."""
BYTES_FOR_AN_ENTRY = 1000
"""Bytes of text per entry of the vocabulary: with fewer, an entry is too rare to be learned."""
BYTES_PER_TOKEN = {257: 1.0, 512: 2.3, 1024: 3.2, 2048: 3.75, 4096: 4.05}
"""Of children's stories, by the size of a vocabulary: 257 are bytes, the others are byte pairs that
were fitted to them."""
SIZES = (
    *((128, 2), (128, 3), (128, 4), (192, 4), (256, 4), (256, 5)),
    *((320, 5), (384, 6), (448, 7), (512, 8)),
)
HEAD_WIDTH = 64
"""The sizes to choose from: width of the residual stream, and layers; heads are 64 wide. With a few
minutes, two layers read so much more text than four that they are better."""

BYTES_FOR_A_PARAMETER = 3.5
"""Bytes of text per parameter in the blocks; the smallest size accepts less."""
FINE_TUNING_RATE = 0.3
"""Peak learning rates of a run that starts from given weights, as a share of those from scratch."""
FINE_TUNING_WARMUP_STEPS = 50
"""The optimizer has no statistics of the given weights yet, and a large first step costs them."""
DROPOUT = {7.0: 0.1, 15.0: 0.2, 50.0: 0.4}
"""Least number of epochs, and the dropout of a run that reads its text so often."""
TIED_EPOCHS = 4.0
"""From this many epochs on, the output head is the embedding's matrix. A head of its own takes no
more time and is better for text that is read less often, but it memorizes."""
READINGS = (1.0, 2.0)
"""How often a run may read its stories if the source is unlimited: more stories take time to fetch
or to generate, and the scaling law predicts what another reading is worth."""
HALVINGS = 8
"""Of the range in which the number of stories is looked for."""
ENOUGH_STEPS = 300
ENOUGH_STEPS_OF_FEW_WORDS = 1000
"""A plan with fewer steps than this takes fewer tokens per step. Most of a simple text is learned
soon. What remains, which name belongs where, depends on the number of steps, not of tokens."""
FEWEST_TOKENS_PER_STEP = 1024
RATE_OF_HALF = 0.7
"""Learning rates of a batch of half the size, as a share: they follow the square root of the batch
(Malladi et al. 2022, https://arxiv.org/abs/2205.10287)."""
MANY_STEPS = (2000, 4000)
"""A plan with more steps than the first number takes twice as many tokens per step, and again for
the second. Its learning rate falls from the start: the same result in less time, without a plateau.
Shorter runs would become worse."""
EVALUATIONS = 12
"""In a run, if they fit into their share of its time. To fit, evaluations become half as many, then
smaller, then fewer still."""
FEWEST_EVAL_TOKENS = 8192
"""Of an evaluation: bits per byte of fewer tokens differ too much from those of the whole split."""
EVALUATING_COST = 1 / FORWARD_PASSES_OF_A_STEP
"""Of a token, as a share of a token's cost in training: there is no backward pass."""


def with_free_values(base: RunConfig, values: dict[str, Any], minutes: float) -> RunConfig:
    """Settings with other values, except where the user chose one."""
    free = {name: value for name, value in values.items() if base.origin_of(name).may_be_planned}
    return base.with_values(free, Origin(OriginKind.PLAN, counted(minutes, "minute")))


def with_vocabulary(base: RunConfig, minutes: float, text: DatasetSize) -> RunConfig:
    """Settings with the largest vocabulary that the text fills and needs, except of prepared data.

    Raises:
        ConfigError, TokenizerError: the user's tokenizer cannot be loaded.
    """
    if text.bytes_per_token is not None:
        return base
    n_bytes = text.n_bytes or math.inf
    n_tokens = math.inf if text.words is None else N_BYTE_TOKENS + text.words
    filled = [
        size
        for size in VOCABULARIES
        if size * BYTES_FOR_AN_ENTRY <= n_bytes and size / 2 < n_tokens
    ]
    tokenizer = {"data.tokenizer": f"bpe:{max(filled, default=VOCABULARIES[0])}"}
    chosen = with_free_values(base, tokenizer, minutes)
    ids = {"model.vocab_size": expected_size(chosen.data.tokenizer)}
    return with_free_values(chosen, ids, minutes)


def bytes_per_token(settings: RunConfig, text: DatasetSize) -> float:
    """Of the text in ids of the chosen vocabulary, before there are any."""
    if text.bytes_per_token is not None:
        return text.bytes_per_token
    ids = min(settings.model.vocab_size, expected_size(settings.data.tokenizer))
    sizes, found = zip(*BYTES_PER_TOKEN.items(), strict=True)
    return float(np.interp(math.log(ids), np.log(sizes), found))


def model_sizes(base: RunConfig, minutes: float, text: DatasetSize) -> list[RunConfig]:
    """Settings of every model size that is compatible with the user's settings."""
    if base.parent is not None:
        return [base]
    fitting: list[RunConfig] = []
    for width, n_layer in SIZES:
        shape = {
            "model.n_embd": width,
            "model.n_layer": n_layer,
            "model.n_head": width // HEAD_WIDTH,
            "model.mlp_dim": None,
        }
        with contextlib.suppress(ConfigError):  # a single head always fits
            fitting.append(with_free_values(base, shape, minutes))
    if text.n_bytes is None:
        return fitting
    # The law does not account for overfitting: a model with more weights than text memorizes it.
    most = text.n_bytes / BYTES_FOR_A_PARAMETER
    return [
        size for size in fitting if model_costs(size.model).non_embedding_parameters <= most
    ] or fitting[:1]


def for_given_weights(base: RunConfig, minutes: float) -> RunConfig:
    """Settings for a model that is trained already: lower rates, warm-up, the whole context."""
    config = base.train
    values = {
        "train.learning_rate": FINE_TUNING_RATE * config.learning_rate,
        "train.muon_learning_rate": FINE_TUNING_RATE * config.muon_learning_rate,
        "train.warmup_steps": FINE_TUNING_WARMUP_STEPS,
        "train.seq_len_warmup": None,
    }
    return with_free_values(base, values, minutes)


def with_stories(
    settings: RunConfig, resources: Resources
) -> Iterator[tuple[RunConfig, Resources]]:
    """The text as it is, or one choice for each of `READINGS` if the source is unlimited.

    Each choice has as many stories as the run can read that often.
    """
    text = resources.text
    if text.n_bytes is not None or text.story_bytes is None:
        yield settings, resources
        return
    for readings in READINGS:
        n_bytes = _bytes_to_read(settings, resources, readings)
        entries = 0 if settings.parent is not None else settings.model.vocab_size
        n_stories = math.ceil(max(n_bytes, entries * BYTES_FOR_AN_ENTRY) / text.story_bytes)
        chosen = with_free_values(settings, {"data.limit": n_stories}, resources.minutes)
        limit = chosen.data.limit
        size = None if limit is None else round(limit * text.story_bytes)
        yield chosen, replace(resources, text=replace(text, n_bytes=size))


def _bytes_to_read(settings: RunConfig, resources: Resources, readings: float) -> float:
    """The size of a text that the run reads this often, in the time that making it leaves."""
    per_token = bytes_per_token(settings, resources.text)

    def read_once(n_bytes: float) -> float:
        known = replace(resources.text, n_bytes=round(n_bytes))
        return per_token * replace(resources, text=known).tokens(settings) / readings

    # The more stories are generated, the less time is left to read them.
    fewer, most = 0.0, read_once(0.0)
    for _ in range(HALVINGS):
        middle = (fewer + most) / 2.0
        fewer, most = (middle, most) if read_once(middle) > middle else (fewer, middle)
    return most


def with_batch(settings: RunConfig, resources: Resources) -> RunConfig:
    """Smaller steps where there is time for few only, and larger ones where there is for many."""
    enough = ENOUGH_STEPS if resources.text.words is None else ENOUGH_STEPS_OF_FEW_WORDS
    while (
        resources.steps(settings) < enough
        and settings.train.batch_size > 1
        and tokens_per_step(settings) > FEWEST_TOKENS_PER_STEP
    ):
        config = settings.train
        smaller = {
            "train.batch_size": config.batch_size // 2,
            "train.learning_rate": RATE_OF_HALF * config.learning_rate,
            "train.muon_learning_rate": RATE_OF_HALF * config.muon_learning_rate,
        }
        changed = with_free_values(settings, smaller, resources.minutes)
        if changed.train.batch_size == config.batch_size:
            break  # the user's own
        settings = changed
    for many in MANY_STEPS:
        if resources.steps(settings) > many:
            larger = {
                "train.batch_size": 2 * settings.train.batch_size,
                "train.decay_fraction": 1.0,
            }
            settings = with_free_values(settings, larger, resources.minutes)
    return settings


def with_regularization(settings: RunConfig, resources: Resources) -> RunConfig:
    """Dropout and a tied output head where a text would be read too often without them.

    With dropout, steps take longer. In text with few words the head is never tied: a model that
    shares it takes longer to learn which name belongs where.
    """
    if settings.parent is not None:
        return settings
    plain = with_free_values(settings, {"model.dropout": 0.0}, resources.minutes)
    n_epochs = epochs(plain, resources) or 0.0
    chosen = {
        "model.dropout": max((p for least, p in DROPOUT.items() if n_epochs >= least), default=0.0),
        "model.tie_embeddings": n_epochs >= TIED_EPOCHS and resources.text.words is None,
    }
    return with_free_values(plain, chosen, resources.minutes)


def epochs(settings: RunConfig, resources: Resources) -> float | None:
    """How often the run reads its text; None if the size of the text is unknown."""
    text = resources.text
    if not text.n_bytes:
        return None
    return resources.tokens(settings) * bytes_per_token(settings, text) / text.n_bytes


def evaluations(settings: RunConfig, steps: int) -> dict[str, int]:
    """Settings of evaluations that take at most `EVALUATING_SHARE` of the time.

    Another one always follows the last step, and with given weights one precedes the first.
    """
    interval = max(1, round(steps / EVALUATIONS))
    tokens = settings.train.eval_tokens
    if tokens is None:  # the whole split, which only the user can ask for
        return {"train.eval_interval": interval}
    step_tokens = tokens_per_step(settings)
    affordable = EVALUATING_SHARE * steps * step_tokens / EVALUATING_COST
    if settings.origin_of("train.eval_tokens").is_open:
        while tokens > FEWEST_EVAL_TOKENS and affordable < tokens * EVALUATIONS / 2:
            tokens = max(FEWEST_EVAL_TOKENS, tokens // 2)
    # In steps, because the run may make more of them than planned.
    shortest = math.ceil(tokens * EVALUATING_COST / (EVALUATING_SHARE * step_tokens))
    return {"train.eval_tokens": tokens, "train.eval_interval": max(interval, shortest)}
