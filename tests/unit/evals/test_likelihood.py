from __future__ import annotations

from typing import Any

import pytest
import torch

from slm.errors import CheckpointError, DataError
from slm.evals import likelihood
from slm.evals.likelihood import encode_request, log_likelihoods
from slm.evals.suite import Request
from slm.model import GPT
from slm.tokenizer.byte_level import BytesTokenizer
from tests.devices import MpsTensor

EOT = 256
REQUESTS = [
    Request("A cat", " sat."),
    Request("A cat", " ran."),
    Request("", " Hello"),
    Request("A cat sat on a mat and slept", " well."),
    Request("A cat", " sat."),
]


def alone(model: GPT, ids: list[int], n_scored: int) -> float:
    with torch.no_grad():
        logits, _ = model.eval()(torch.tensor([ids[:-1]]))
    found = logits[0].double().log_softmax(-1)[torch.arange(len(ids) - 1), ids[1:]]
    return float(found[-n_scored:].sum())


def test_each_request_has_the_log_likelihood_that_it_has_alone(model: GPT) -> None:
    found = log_likelihoods(model, BytesTokenizer(), REQUESTS, batch_tokens=40)
    for request, value in zip(REQUESTS, found, strict=True):
        whole = [EOT, *(request.context + request.continuation).encode()]
        expected = alone(model, whole[-17:], len(request.continuation))
        assert value == pytest.approx(expected, rel=1e-4)
    assert found[0] == found[4]


@pytest.mark.parametrize("batch_tokens", [1, 33, 10_000])
def test_batches_change_nothing(model: GPT, batch_tokens: int) -> None:
    expected = log_likelihoods(model, BytesTokenizer(), REQUESTS)
    found = log_likelihoods(model, BytesTokenizer(), REQUESTS, batch_tokens=batch_tokens)
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_device_without_float64(model: GPT, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = log_likelihoods(model, BytesTokenizer(), REQUESTS)
    plain = likelihood._log_probabilities

    def on_mps(*arguments: Any) -> torch.Tensor:
        return plain(*arguments).as_subclass(MpsTensor)

    monkeypatch.setattr(likelihood, "_log_probabilities", on_mps)
    assert log_likelihoods(model, BytesTokenizer(), REQUESTS) == expected


def test_progress_ends_at_one(model: GPT) -> None:
    shares: list[float] = []
    log_likelihoods(
        model,
        BytesTokenizer(),
        REQUESTS,
        batch_tokens=20,
        on_progress=lambda share, tokens: shares.append(share),
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_spaces_at_the_end_of_a_context_belong_to_the_continuation() -> None:
    encoded = encode_request(BytesTokenizer(), Request("ab  ", "cd"), 16)
    assert encoded.ids == [EOT, *b"ab  cd"]
    assert encoded.n_scored == 4


def test_the_oldest_ids_of_a_long_context_are_dropped() -> None:
    encoded = encode_request(BytesTokenizer(), Request("x" * 40, "yz"), 8)
    assert encoded.ids == list(b"xxxxxxxyz")
    assert encoded.n_scored == 2


def test_a_continuation_has_to_fit_and_to_have_tokens() -> None:
    with pytest.raises(DataError, match="9 tokens, more than the model's context of 8"):
        encode_request(BytesTokenizer(), Request("", "y" * 9), 8)
    with pytest.raises(DataError, match="without tokens"):
        encode_request(BytesTokenizer(), Request("abc ", ""), 8)


def test_a_diverged_model_is_an_error(model: GPT) -> None:
    with torch.no_grad():
        model.final_norm.weight.fill_(torch.nan)
    with pytest.raises(CheckpointError, match="non-finite"):
        log_likelihoods(model, BytesTokenizer(), REQUESTS)
