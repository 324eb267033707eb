from __future__ import annotations

import pytest

from slm.errors import TokenizerError
from slm.tokenizer.chars import CharsTokenizer, train_chars


def test_characters_come_in_code_point_order_before_bytes_and_end_of_text() -> None:
    tokenizer = train_chars(["ba", "🙂é", "ab"])
    assert tokenizer.characters == "abé🙂"
    assert tokenizer.vocab_size == 4 + 256 + 1
    assert tokenizer.encode("ab🙂é") == [0, 1, 3, 2]


def test_unknown_characters_become_bytes_between_known_ones() -> None:
    tokenizer = CharsTokenizer("ab")
    expected = [0, *(2 + byte for byte in "é漢🙂z".encode()), 1]
    assert tokenizer.encode("aé漢🙂zb") == expected
    assert tokenizer.decode(expected) == "aé漢🙂zb"


def test_unknown_characters_take_as_many_bytes_as_utf8_gives_them() -> None:
    text = "\x7f\x80\u07ff\u0800\uffff\U00010000"
    assert CharsTokenizer("").encode(text) == [*text.encode()]


def test_knowing_no_character_leaves_bytes() -> None:
    tokenizer = train_chars([])
    assert tokenizer.vocab_size == 257
    assert tokenizer.encode("\0é") == [0, *"é".encode()]


def test_the_highest_and_lowest_characters_are_known() -> None:
    tokenizer = CharsTokenizer("\0\U0010ffff")
    assert tokenizer.encode("\0\U0010ffff") == [0, 1]


def test_order_and_repetition_do_not_matter() -> None:
    assert CharsTokenizer("baab").fingerprint == CharsTokenizer("ab").fingerprint


def test_lone_surrogates_are_refused() -> None:
    with pytest.raises(TokenizerError, match="lone surrogate"):
        CharsTokenizer("a\ud800")
    with pytest.raises(TokenizerError, match="lone surrogate"):
        train_chars(["a\udfff"])
