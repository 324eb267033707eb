from __future__ import annotations

import random

import numpy as np
import pytest

from slm.errors import TokenizerError
from slm.tokenizer.base import EOT_TEXT
from slm.tokenizer.byte_level import ALL_BYTES
from slm.tokenizer.byte_pair import BytePairTokenizer, byte_symbols, parts_of

GROUP = 1 << 18


def random_unicode(length: int) -> str:
    dice = random.Random(5)
    ranges = [(0x20, 0xD800), (0xE000, 0x110000), (0x20, 0x7F)]
    return "".join(chr(dice.randrange(*dice.choice(ranges))) for _ in range(length))


LONG_TEXTS = {
    "letters": "a" * 1_000_000,
    "blanks": " " * 1_000_000,
    "blanks before a word": "x" + " " * 1_200_000 + "word",
    "mixed blanks": "ab " + " \n" * 600_000 + "\u3000x",
    "unicode": random_unicode(300_000),
    "words": "It's  a dog's\n\nlife, <|endoftext|> isn't it? " * 12_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG_TEXTS)
def test_long_input_keeps_every_character(bpe: BytePairTokenizer, name: str) -> None:
    text = LONG_TEXTS[name]
    ids = bpe.encode_batch([text, "short"])[0]
    assert bpe.decode_bytes(ids) == text.encode()
    assert bpe.encode(text) == ids.tolist()


@pytest.mark.parametrize("blanks", [1, 2, 3])
def test_cutting_long_texts_changes_no_id(gpt2: BytePairTokenizer, blanks: int) -> None:
    dice = random.Random(blanks)
    words = ["don't", "12", "\n\n", "  ", "\t", "...", "word", "'s", "\u00a0", "漢字"]
    text = "".join(dice.choice(words) + " " * dice.randrange(blanks + 1) for _ in range(250_000))
    assert len(text) > 2 * GROUP
    uncut = gpt2._encoding.encode_ordinary(text)
    assert gpt2.encode(text) == uncut


def test_texts_of_all_lengths_keep_their_order(bpe: BytePairTokenizer) -> None:
    texts = ["", "a b " * 100_000, "", "c", EOT_TEXT, "d e" * 200_000, " f "]
    for text, ids in zip(texts, bpe.encode_batch(texts), strict=True):
        assert bpe.decode(ids.tolist()) == text
    assert bpe.encode_batch([]) == []


def test_every_id_above_the_bytes_is_a_merge_of_two_earlier_ones(bpe: BytePairTokenizer) -> None:
    rank_of = {token: rank for rank, token in enumerate(bpe.ranks)}
    for (left, right), token in zip(bpe.merges(), bpe.ranks[256:], strict=True):
        assert left + right == token
        assert max(rank_of[left], rank_of[right]) < rank_of[token]


def test_an_unreachable_token_has_no_merge() -> None:
    with pytest.raises(TokenizerError, match="no merge of two tokens"):
        BytePairTokenizer("odd", [*ALL_BYTES, b"abc"]).merges()


def test_parts_are_joined_by_lowest_rank_first() -> None:
    rank_of = {b"a": 0, b"b": 1, b"c": 2, b"bc": 3, b"ab": 4, b"abc": 5}
    assert parts_of(b"abc", rank_of, below=5) == [b"a", b"bc"]
    assert parts_of(b"abcab", rank_of, below=9) == [b"abc", b"ab"]
    assert parts_of(b"a", rank_of, below=9) == [b"a"]


def test_byte_symbols_are_gpt2s() -> None:
    symbols = byte_symbols()
    assert sorted(symbols.values()) == list(range(256))
    assert symbols["Ġ"] == ord(" ")
    assert symbols["Ċ"] == ord("\n")
    assert next(iter(symbols)) == "!"
    assert list(symbols)[-1] == "\u0143"


def test_batch_results_do_not_share_memory(bpe: BytePairTokenizer) -> None:
    first, second = bpe.encode_batch(["one", "two"])
    assert not np.shares_memory(first, second)
    assert first.base is None


@pytest.mark.parametrize(
    ("ranks", "problem"),
    [
        ([*ALL_BYTES, b""], "empty or repeated"),
        ([*ALL_BYTES, b"a"], "empty or repeated"),
        (ALL_BYTES[:-1], "lacks 1 of the 256 single bytes, the first is 0xff"),
        ([], "lacks 256"),
    ],
)
def test_impossible_vocabularies_are_refused(ranks: list[bytes], problem: str) -> None:
    with pytest.raises(TokenizerError, match=problem):
        BytePairTokenizer("bad", ranks)
