from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from slm.config import GPTConfig
from slm.errors import ConfigError, TokenizerError
from slm.generation import GenerationOptions
from slm.insight import next_logits, next_token, ranked_logprobs, weigh_options
from slm.insight.next_token import likeliest
from slm.model import GPT
from tests.unit.generation.words import WORDS, expected_logits, ids_of

PLAIN = GenerationOptions(temperature=1.0, top_k=None)


@pytest.fixture
def four():
    """A tokenizer of four ids, and the distribution 1/2, 1/4, 1/8, 1/8."""

    class Four:
        vocab_size, eot_id, name = 4, 3, "four"

        def token_bytes(self, token_id):
            return [b"a", b"b", b"c", b""][token_id]

        def encode(self, text):
            return ["abc".index(character) for character in text]

    return Four(), torch.tensor([0.5, 0.25, 0.125, 0.125]).log() + 7.0


def sampled(four, **changes):
    tokenizer, logits = four
    found = weigh_options(logits, tokenizer, replace(PLAIN, **changes), seen="b")
    assert [candidate.probability for candidate in found.candidates] == pytest.approx(
        [0.5, 0.25, 0.125, 0.125]
    )
    assert found.entropy == pytest.approx(1.75)
    return found, [candidate.sampled for candidate in found.candidates]


def test_no_filter(four):
    found, after = sampled(four)

    assert after == pytest.approx([0.5, 0.25, 0.125, 0.125])
    assert (found.kept, found.vocab_size) == (4, 4)
    assert found.sampled_entropy == pytest.approx(1.75)
    assert [candidate.text for candidate in found.candidates[:2]] == ["a", "b"]
    assert {candidate.text for candidate in found.candidates[2:]} == {"c", "<|endoftext|>"}


@pytest.mark.parametrize(
    ("changes", "expected", "kept"),
    [
        ({"temperature": 0.5}, [16 / 22, 4 / 22, 1 / 22, 1 / 22], 4),
        ({"top_k": 2}, [2 / 3, 1 / 3, 0, 0], 2),
        ({"top_p": 0.7}, [2 / 3, 1 / 3, 0, 0], 2),
        ({"min_p": 0.6}, [1, 0, 0, 0], 1),
        ({"temperature": 0.0}, [1, 0, 0, 0], 1),
        ({"temperature": 0.0, "top_k": 2}, [1, 0, 0, 0], 1),
        ({"temperature": 0.5, "min_p": 0.2}, [16 / 20, 4 / 20, 0, 0], 2),
    ],
)
def test_each_filter(four, changes, expected, kept):
    found, after = sampled(four, **changes)

    assert after == pytest.approx(expected)
    assert found.kept == kept
    entropy = -sum(p * math.log2(p) for p in expected if p)
    assert found.sampled_entropy == pytest.approx(entropy, abs=1e-6)


def test_what_has_come_is_penalized(four):
    tokenizer, logits = four
    found = weigh_options(
        logits, tokenizer, replace(PLAIN, repetition_penalty=2.0), seen="b", top=4
    )
    by_text = {candidate.text: candidate for candidate in found.candidates}

    # The logit of b, 7 - ln 4, is halved; its own probability is told as it is.
    b = math.exp((7 - math.log(4)) / 2)
    others = sum(math.exp(7) * p for p in (0.5, 0.125, 0.125))
    assert by_text["b"].sampled == pytest.approx(b / (b + others), rel=1e-4)
    assert by_text["b"].probability == pytest.approx(0.25)


def test_a_negative_number_of_candidates_is_refused(four):
    with pytest.raises(ConfigError, match="top must be at least 0, found -1"):
        likeliest(four[1], four[0], -1)


def test_the_rest(four):
    tokenizer, logits = four
    found = weigh_options(logits, tokenizer, PLAIN, top=1)

    assert len(found.candidates) == 1
    assert found.rest_probability == pytest.approx(0.5)
    assert found.rest_sampled == pytest.approx(0.5)


def test_the_logits_are_the_model_s(model, tokenizer):
    ids = [97, 98]
    with torch.no_grad():
        logits, _ = model(torch.tensor([[tokenizer.eot_id, *ids]]))

    found = next_logits(model, tokenizer, ids)
    torch.testing.assert_close(found, logits[0, -1, : tokenizer.vocab_size])
    assert torch.equal(next_logits(model, tokenizer, "ab"), found)


def test_only_the_end_of_a_long_text_is_read(model, tokenizer):
    text = "abcdefghijklmnopqrstuvwxyz"

    long, short = next_logits(model, tokenizer, text), next_logits(model, tokenizer, text[-15:])
    assert not torch.allclose(long, short)  # which sees the end-of-text token before it
    with torch.no_grad():
        logits, _ = model(torch.tensor([list(text[-16:].encode())]))
    torch.testing.assert_close(long, logits[0, -1, : tokenizer.vocab_size])


def test_the_beginning_of_a_story(model, tokenizer):
    found = next_token(model, tokenizer, "", GenerationOptions(top_k=3), top=5)

    assert found.kept == 3
    assert len(found.candidates) == 5
    assert sum(candidate.sampled for candidate in found.candidates) == pytest.approx(1.0)


def test_an_unknown_id(model, tokenizer):
    with pytest.raises(TokenizerError):
        next_token(model, tokenizer, [5000])


class Expecting(GPT):
    """Expects what `expected_logits` says."""

    def forward(self, idx, targets=None, *, cache=None, last_only=False):
        assert last_only
        return torch.from_numpy(expected_logits(idx[0].tolist()))[None, None], None


@pytest.mark.parametrize(
    ("text", "first", "possible"),
    [
        (" fox ", " ran", {" ran", " little", " lit", " fox", " foxes", " r", " l", " f", " "}),
        (" fox litt", " little", {" little"}),
    ],
)
def test_after_a_text_come_the_tokens_with_which_it_is_continued(text, first, possible):
    """As in generating: the text's last token is replaced where the next one holds it, too."""
    config = GPTConfig(vocab_size=WORDS.vocab_size, block_size=16, n_layer=1, n_head=1, n_embd=4)
    model = Expecting(config)
    found = next_token(model, WORDS, text, PLAIN)
    assert found.candidates[0].text == first
    assert {candidate.text for candidate in found.candidates} == possible
    assert found.kept == len(possible)
    assert len(ranked_logprobs(next_logits(model, WORDS, text))) == len(possible)
    assert sum(candidate.probability for candidate in found.candidates) == pytest.approx(1.0)
    ids = WORDS.encode(text)
    plain = torch.from_numpy(expected_logits(ids))
    torch.testing.assert_close(next_logits(model, WORDS, ids), plain)  # ids are what they are
    natural = next_logits(model, WORDS, " fox ran")
    torch.testing.assert_close(natural, torch.from_numpy(expected_logits(ids_of(b" ran"))))
