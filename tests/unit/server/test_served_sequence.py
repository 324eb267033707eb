"""One text: its deltas, its echo, its log-probabilities, and its ends."""

from __future__ import annotations

import math

import pytest
import torch

from slm.tokenizer.byte_level import BytesTokenizer
from tests.unit.server.fakes import BLOCK_SIZE, VOCAB_SIZE, logits_of, scripted, take


def joined(deltas):
    return "".join(delta.text for delta in deltas)


def test_the_same_seed_gives_the_same_text(stream, alone):
    texts = {joined(alone(stream(seed=seed, max_new_tokens=9))) for seed in (1, 1, 2)}
    assert len(texts) == 2
    assert len({joined(alone(stream(index=i, max_new_tokens=9))) for i in range(4)}) == 4


def test_only_the_last_piece_has_an_end(stream, alone):
    deltas = alone(stream(max_new_tokens=7))
    assert [delta.finish for delta in deltas[:-1]] == [None] * (len(deltas) - 1)
    assert deltas[-1].finish in ("stop", "length")
    assert deltas[-1].new_tokens <= 7


def test_an_end_of_text_and_a_stop_string_both_stop(stream):
    deltas = scripted(stream(), [*b"ab", 256])
    assert joined(deltas) == "ab"
    assert (deltas[-1].finish, deltas[-1].new_tokens) == ("stop", 2)
    deltas = scripted(stream(stop="b."), b"ab.")
    assert joined(deltas) == "a"
    assert (deltas[-1].finish, deltas[-1].new_tokens) == ("stop", 3)
    assert scripted(stream(max_new_tokens=2), b"ab")[-1].finish == "length"


@pytest.mark.parametrize("n_bytes", [1, 2, 3])
def test_a_text_that_is_cut_inside_a_character_ends_before_it(stream, n_bytes):
    ids = "a😀".encode()[: 1 + n_bytes]
    deltas = scripted(stream(max_new_tokens=len(ids), logprobs=0), ids)
    assert joined(deltas) == "a"
    # Its tokens are counted and scored all the same.
    assert (deltas[-1].finish, deltas[-1].new_tokens) == ("length", len(ids))
    tokens = [token for delta in deltas for token in delta.tokens]
    assert bytes(token.token_id for token in tokens) == ids
    assert [token.offset for token in tokens] == [0, *[1] * n_bytes]
    late = stream(max_new_tokens=9)
    assert joined([*scripted(late, ids), late.cut()]) == "a"


def test_bytes_that_are_no_character_stay_visible(stream):
    assert joined(scripted(stream(max_new_tokens=3), b"a\xc3b")) == "a\ufffdb"


def test_ids_that_the_tokenizer_lacks_are_never_chosen(stream):
    one = stream(temperature=0.0)
    one.begin()
    logits = torch.zeros(VOCAB_SIZE)
    logits[VOCAB_SIZE - 1] = 1000.0
    logits[ord("x")] = 1.0
    assert take(one, logits).text == "x"


def test_a_full_context_is_read_again_without_its_older_half(stream, alone):
    one = stream("a" * 30, max_new_tokens=40, logprobs=0)
    deltas = alone(one)
    assert deltas[-1].new_tokens == 40 or deltas[-1].finish == "stop"
    beyond = scripted(stream("a" * 30, max_new_tokens=9), b"xy")
    assert joined(beyond) == "xy"
    one = stream("a" * 30, max_new_tokens=9)
    scripted(one, b"x")
    assert one.next_id == ord("x")
    take(one, logits_of([]))
    assert one.next_id is None
    assert len(one.context) == 16


def test_echo_comes_first(stream, alone):
    plain = joined(alone(stream("Ö!")))
    deltas = alone(stream("Ö!", echo=True))
    assert deltas[0].text == "Ö!"
    assert joined(deltas) == "Ö!" + plain


def test_silent_streams_need_no_logits(stream):
    one = stream("Hello", silent=True)
    delta = one.begin()
    assert (delta.text, delta.finish, delta.new_tokens) == ("", "length", 0)
    one = stream("Hello", silent=True, echo=True)
    assert one.begin().text == "Hello"
    assert one.finished


def test_logprobs_are_those_of_the_model(stream):
    one = stream("a", temperature=0.5, top_k=1, logprobs=3)
    one.begin()
    logits = logits_of([1])
    (token,) = take(one, logits).tokens
    expected = logits[:257].log_softmax(dim=-1)
    assert token.logprob == pytest.approx(float(expected[token.token_id]))
    assert token.likeliest[0] == (token.token_id, token.logprob)
    assert [i for i, _ in token.likeliest] == expected.topk(3).indices.tolist()
    assert token.offset == 0


def test_offsets_count_characters(stream):
    text = "aé€b".encode()
    deltas = scripted(stream(max_new_tokens=len(text), logprobs=0), text)
    assert joined(deltas) == "aé€b"
    offsets = [token.offset for delta in deltas for token in delta.tokens]
    assert offsets == [0, 1, 1, 2, 2, 2, 3]
    deltas = scripted(stream("xyz", echo=True, logprobs=None), b"ab")
    assert joined(deltas) == "xyzab"


def test_a_prompt_is_scored_token_by_token(stream, alone):
    one = stream("abc", echo=True, silent=True, logprobs=1)
    deltas = alone(one)
    tokens = [token for delta in deltas for token in delta.tokens]
    assert joined(deltas) == "abc"
    assert bytes(token.token_id for token in tokens) == b"abc"
    context = [BytesTokenizer().eot_id]
    for token in tokens:
        expected = logits_of(context)[:257].log_softmax(dim=-1)
        assert token.logprob == pytest.approx(float(expected[token.token_id]))
        context.append(token.token_id)
    assert deltas[-1].finish == "length"
    assert [token.offset for token in tokens] == [0, 1, 2]


def test_scoring_goes_over_into_writing(stream, alone):
    written = alone(stream("abc", max_new_tokens=4, logprobs=0))
    scored = alone(stream("abc", max_new_tokens=4, logprobs=0, echo=True))
    assert joined(scored) == "abc" + joined(written)
    new = [token.token_id for delta in scored for token in delta.tokens][3:]
    assert new == [token.token_id for delta in written for token in delta.tokens]
    assert [token.offset for delta in scored for token in delta.tokens][:4] == [0, 1, 2, 3]


def test_no_logprob_is_infinite(stream):
    one = stream("a", logprobs=2, temperature=0.0)
    one.begin()
    logits = torch.full((VOCAB_SIZE,), -3e38)
    logits[5] = 3e38
    (token,) = take(one, logits).tokens
    assert all(math.isfinite(number) for _, number in token.likeliest)


def test_a_text_can_be_cut_at_any_time(stream):
    one = stream("ab", echo=True, stop="!!")
    delta = one.cut()
    assert (delta.text, delta.finish) == ("ab", "length")
    one = stream(stop="!!")
    assert joined(scripted(one, b"x!")) == "x"
    delta = one.cut()
    assert (delta.text, delta.finish, delta.new_tokens) == ("!", "length", 2)


@pytest.mark.parametrize("begins", [False, True])
def test_ids_may_bring_the_token_that_begins_a_text(stream, alone, begins):
    """As evaluation programs give them; it is read once, and it is certain."""
    eot_id = BytesTokenizer().eot_id
    ids = [eot_id, *b"ab"] if begins else [*b"ab"]
    deltas = alone(stream("ab", prompt_ids=ids, echo=True, silent=True, logprobs=1))
    tokens = [token for delta in deltas for token in delta.tokens]
    assert [token.token_id for token in tokens] == ids
    expected = [*([0.0] if begins else [])]
    for context, chosen in (([eot_id], ord("a")), ([eot_id, ord("a")], ord("b"))):
        expected.append(float(logits_of(context)[:257].log_softmax(dim=-1)[chosen]))
    assert [token.logprob for token in tokens] == pytest.approx(expected)
    assert joined(deltas) == "ab"
    alone_at_first = alone(stream("", prompt_ids=[eot_id], echo=True, logprobs=0))
    written = alone(stream(""))
    assert joined(alone_at_first) == joined(written)
    first = next(token for delta in alone_at_first for token in delta.tokens)
    assert (first.token_id, first.logprob) == (eot_id, 0.0)


@pytest.mark.parametrize("text", ["é", "éab"])
def test_the_middle_of_a_text_has_nothing_before_it(stream, alone, text):
    """Each token is scored after those of the prompt alone, and the first one not at all."""
    ids = list(text.encode())[: 3 if len(text) > 1 else 1]
    one = stream(text, prompt_ids=ids, with_bos=False, echo=True, silent=True, logprobs=1)
    tokens = [token for delta in alone(one) for token in delta.tokens]
    assert [token.token_id for token in tokens] == ids
    assert (tokens[0].logprob, tokens[0].likeliest) == (None, ())
    expected = [
        float(logits_of(ids[:n])[:257].log_softmax(dim=-1)[ids[n]]) for n in range(1, len(ids))
    ]
    assert [token.logprob for token in tokens[1:]] == pytest.approx(expected)
    assert [token.offset for token in tokens] == [0, 0, 1][: len(ids)]


@pytest.mark.parametrize("with_bos", [True, False])
def test_a_text_as_long_as_the_context_is_scored_whole(stream, alone, with_bos):
    eot_id = BytesTokenizer().eot_id
    ids = [eot_id, *b"abcdefgh" * (BLOCK_SIZE // 8)] if with_bos else [*b"x" * (BLOCK_SIZE + 1)]
    assert len(ids) == BLOCK_SIZE + 1
    one = stream("", prompt_ids=ids, with_bos=with_bos, echo=True, silent=True, logprobs=0)
    tokens = [token for delta in alone(one) for token in delta.tokens]
    last = float(logits_of(ids[:-1])[:257].log_softmax(dim=-1)[ids[-1]])
    assert len(tokens) == len(ids)
    assert tokens[-1].logprob == pytest.approx(last)
