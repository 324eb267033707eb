from __future__ import annotations

import json
from typing import Any

import pytest
import tokenizers

from slm.errors import TokenizerError
from slm.tokenizer import tokenizer_from_json
from slm.tokenizer.byte_pair import byte_symbols
from slm.tokenizer.imported import ImportedTokenizer, style_of

WORDS = ("once", "upon", "a", "time", "it", "play", "##ing", "##s", "1", "##0", ",", ".", "'", "!")
UNKNOWN, END = 0, 1
PLAIN = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
"""How an added token is found in a text."""


def wordpiece() -> dict[str, Any]:
    """As the models of SimpleStories have it."""
    contents = ["[UNK]", "[EOS]", *WORDS]
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": token_id, "content": contents[token_id], **PLAIN, "special": True}
            for token_id in (UNKNOWN, END)
        ],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {content: token_id for token_id, content in enumerate(contents)},
        },
    }


def imported(definition: dict[str, Any]) -> ImportedTokenizer:
    return ImportedTokenizer("hf:mia/stories", definition, eot_id=END)


TEXTS = (
    *("", "Once upon a time, it plays.", "PLAYING  10\n\ntimes!", "it's a zebra", "é \U0001f600"),
    *("[EOS] once [UNK]", "<|endoftext|>"),
)


def test_words_in_pieces_have_the_ids_of_the_library() -> None:
    theirs = tokenizers.Tokenizer.from_str(json.dumps(wordpiece()))
    theirs.encode_special_tokens = True
    ours = imported(wordpiece())
    assert ours.style == "wordpiece"
    assert ours.vocab_size == 2 + len(WORDS)
    expected = [theirs.encode(text).ids for text in TEXTS]
    assert [ours.encode(text) for text in TEXTS] == expected
    assert [ids.tolist() for ids in ours.encode_batch(TEXTS)] == expected
    assert not any(END in ids for ids in expected)  # text never ends a text
    assert UNKNOWN in expected[3]
    assert tokenizer_from_json(ours.to_json()).fingerprint == ours.fingerprint


def test_words_in_pieces_come_back_in_small_letters() -> None:
    ours = imported(wordpiece())
    assert ours.decode(ours.encode("Once upon a time, it plays.")) == " once upon a time, it plays."
    assert ours.decode(ours.encode("PLAYING  10\n\ntimes!")) == " playing 10 times!"
    assert ours.decode([*ours.encode("it"), UNKNOWN, END]) == " it"


def test_added_tokens_of_bytes_are_the_text_that_they_match() -> None:
    """The letters of this one are symbols of bytes as well."""
    symbols = list(byte_symbols())
    added = {"id": 256, "content": "«é»", **PLAIN, "special": False}
    pre_tokenizer = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    definition = {
        "version": "1.0",
        "added_tokens": [added, {**added, "id": 257, "content": "<eot>", "special": True}],
        "pre_tokenizer": {**pre_tokenizer, "trim_offsets": True},
        "model": {
            "type": "BPE",
            "vocab": {symbol: token_id for token_id, symbol in enumerate(symbols)},
            "merges": [],
        },
    }
    ours = ImportedTokenizer("hf:mia/bytes", definition, eot_id=257)
    text = "a «é» «e»"
    assert 256 in ours.encode(text)
    assert ours.decode_bytes(ours.encode(text)) == text.encode("utf-8")


@pytest.mark.parametrize("kind", ["Unigram", "WordLevel", "BPE", None, 7])
def test_other_kinds_are_refused(kind: object) -> None:
    definition = {**wordpiece(), "model": {"type": kind, "vocab": {"a": 0}, "merges": []}}
    with pytest.raises(TokenizerError, match="is not supported, only byte-level BPE"):
        style_of(definition)


@pytest.mark.parametrize(("eot_id", "bos_id"), [(99, None), (-1, None), (END, 99)])
def test_ids_that_do_not_exist_are_refused(eot_id: int, bos_id: int | None) -> None:
    with pytest.raises(TokenizerError, match="its ids are 0 to 15"):
        ImportedTokenizer("m", wordpiece(), eot_id=eot_id, bos_id=bos_id)


def test_half_a_character_is_refused() -> None:
    for text in ("\ud83d", "once \udc80"):
        with pytest.raises(TokenizerError, match="lone surrogate"):
            imported(wordpiece()).encode(text)
