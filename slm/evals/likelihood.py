"""The log-likelihood of a text after another: what minimal pairs and multiple choice need.

The rules are those of the LM Evaluation Harness (Gao et al., https://github.com/EleutherAI/
lm-evaluation-harness), so that figures can be compared. A context without text is the token that
begins every text. Context and continuation are encoded together and divided behind the tokens of
the context, whose trailing spaces belong to the continuation. If both are too long, the oldest
tokens are dropped.

Letters: B requests, T positions, N scored tokens, C = n_embd, V = vocab_size.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import torch
from torch import Tensor

from slm.errors import CheckpointError, DataError, shown
from slm.evals.suite import Request
from slm.model import GPT
from slm.model.dropout import evaluating
from slm.tokenizer.base import Tokenizer

BATCH_TOKENS = 4096
HEAD_ELEMENTS = 1 << 23
"""Logits made at once."""


class EncodedRequest(NamedTuple):
    """A request as ids.

    Attributes:
        ids: the id that begins a text, or what is left of the context, and then the continuation.
        n_scored: the last ids that are scored; at least 1.
    """

    ids: list[int]
    n_scored: int


def encode_request(tokenizer: Tokenizer, request: Request, block_size: int) -> EncodedRequest:
    """The ids of a request: at most `block_size` + 1, because the last is only predicted.

    Raises:
        DataError: the continuation has no tokens, or more than the context holds.
        TokenizerError: the text is not valid Unicode.
    """
    context = request.context.rstrip()
    continuation = request.context[len(context) :] + request.continuation
    context_ids = tokenizer.encode(context)
    whole = tokenizer.encode(context + continuation)
    n_scored = len(whole) - len(context_ids)
    if n_scored < 1 or not request.continuation:
        raise DataError("a continuation without tokens cannot be scored", hint="give it some text")
    if n_scored > block_size:
        raise DataError(
            f"a continuation has {n_scored:,} tokens, more than the model's context of "
            f"{block_size:,}: {shown(request.continuation)}",
            hint="the model's context is too short for this suite",
        )
    return EncodedRequest([tokenizer.bos_id, *whole][-(block_size + 1) :], n_scored)


def log_likelihoods(
    model: GPT,
    tokenizer: Tokenizer,
    requests: Sequence[Request],
    *,
    batch_tokens: int = BATCH_TOKENS,
    autocast: AbstractContextManager[object] | None = None,
    on_progress: Callable[[float, int], None] | None = None,
) -> list[float]:
    """ln P(continuation | context) of each request, in nats.

    Args:
        model: set to evaluation mode, and restored afterwards.
        tokenizer: the model's.
        requests: any number; equal ones are computed once.
        batch_tokens: positions per batch.
        autocast: sets the dtype of matrix multiplications; None: the dtype of the weights.
        on_progress: called with the share that is done and the tokens read.

    Raises:
        DataError: a continuation is empty or does not fit into the context.
        TokenizerError: a text is not valid Unicode.
        CheckpointError: a log-likelihood is non-finite.
    """
    block_size = model.config.block_size
    different = list(dict.fromkeys(requests))
    encoded = [encode_request(tokenizer, request, block_size) for request in different]
    found = [0.0] * len(encoded)
    n_all, n_read = sum(len(each.ids) - 1 for each in encoded), 0
    with evaluating(model), torch.inference_mode(), autocast or contextlib.nullcontext():
        for batch in request_batches(encoded, batch_tokens):
            sums = log_probability_sums(model, [encoded[index] for index in batch])
            for index, value in zip(batch, sums, strict=True):
                found[index] = value
            n_read += sum(len(encoded[index].ids) - 1 for index in batch)
            if on_progress is not None:
                on_progress(n_read / n_all, n_read)
    if not all(map(math.isfinite, found)):
        raise CheckpointError(
            "the model's log-likelihoods are non-finite",
            hint="its training has diverged; use an earlier checkpoint or train again",
        )
    by_request = dict(zip(different, found, strict=True))
    return [by_request[request] for request in requests]


def request_batches(encoded: Sequence[EncodedRequest], batch_tokens: int) -> Iterator[list[int]]:
    """Numbers of requests of similar length."""
    batch: list[int] = []
    for index in sorted(range(len(encoded)), key=lambda index: -len(encoded[index].ids)):
        # Lengths descend, so the first is the longest.
        if batch and (len(batch) + 1) * (len(encoded[batch[0]].ids) - 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def log_probability_sums(model: GPT, batch: Sequence[EncodedRequest]) -> list[float]:
    """ln P of the scored ids of each request, in nats; the first request must be the longest."""
    longest = len(batch[0].ids) - 1
    idx_bt = torch.zeros((len(batch), longest), dtype=torch.long)
    rows: list[int] = []
    positions: list[int] = []
    targets: list[int] = []
    for row, (ids, n_scored) in enumerate(batch):
        idx_bt[row, : len(ids) - 1] = torch.tensor(ids[:-1])
        rows += [row] * n_scored
        positions += range(len(ids) - 1 - n_scored, len(ids) - 1)
        targets += ids[-n_scored:]
    hidden = model.hidden_states(idx_bt.to(model.device))  # [B, T, C]
    scored_nc = hidden[rows, positions]
    surprisal = _log_probabilities(model, scored_nc, torch.tensor(targets, device=hidden.device))
    totals = torch.zeros(len(batch), dtype=torch.float64)
    totals.index_add_(0, torch.tensor(rows), surprisal.cpu().double())
    return [float(value) for value in totals]


def _log_probabilities(model: GPT, hidden_nc: Tensor, targets_n: Tensor) -> Tensor:
    """ln P of each target, [N]; logits are made in chunks."""
    chunk = max(1, HEAD_ELEMENTS // model.config.vocab_size)
    parts = []
    for start in range(0, len(targets_n), chunk):
        logits_nv = torch.nn.functional.linear(
            hidden_nc[start : start + chunk], model.head_weight
        ).float()
        targets = targets_n[start : start + chunk, None]
        parts.append(logits_nv.gather(1, targets)[:, 0] - logits_nv.logsumexp(dim=-1))
    return torch.cat(parts)
