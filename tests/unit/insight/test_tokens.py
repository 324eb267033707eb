from __future__ import annotations

import pytest

from slm.errors import DataError, TokenizerError
from slm.insight import TokenText, token_ids, token_text, token_texts
from slm.insight.tokens import fitting_ids

FOX = list("🦊".encode())


def test_a_token_by_itself(tokenizer):
    assert token_text(tokenizer, 256) == TokenText(256, " the", "text")
    assert token_text(tokenizer, 258) == TokenText(258, "é", "text")
    assert token_text(tokenizer, 259) == TokenText(259, "<F0 9F>", "bytes")
    assert token_text(tokenizer, tokenizer.eot_id) == TokenText(260, "<|endoftext|>", "end")


def test_a_character_belongs_to_the_token_that_completes_it(tokenizer):
    ids = [ord("a"), 259, *FOX[2:], ord("b")]
    texts = token_texts(tokenizer, ids)

    assert [(token.text, token.kind) for token in texts] == [
        ("a", "text"),
        ("", "bytes"),
        ("", "bytes"),
        ("🦊", "bytes"),
        ("b", "text"),
    ]
    assert "".join(token.text for token in texts) == tokenizer.decode(ids)


@pytest.mark.parametrize(
    "ids",
    [[], [0xFF], FOX[:3], [*FOX[:2], ord("x")], [*FOX[:3], 260, ord("x")], [0xC3, 0xC3, 0xA9]],
)
def test_pieces_join_to_the_text_whatever_the_bytes(tokenizer, ids):
    texts = token_texts(tokenizer, ids)

    stories, joined = [[]], [""]
    for token_id, token in zip(ids, texts, strict=True):
        if token.kind == "end":
            stories.append([])
            joined.append("")
        else:
            stories[-1].append(token_id)
            joined[-1] += token.text
    assert joined == [tokenizer.decode(story) for story in stories]


def test_ids_of_text_and_ids(tokenizer):
    assert token_ids(tokenizer, "ab") == [97, 98]
    assert token_ids(tokenizer, (97, 256)) == [97, 256]
    for wrong in (-1, tokenizer.vocab_size):
        with pytest.raises(TokenizerError, match="not in the vocabulary of 261 tokens"):
            token_ids(tokenizer, [97, wrong])


def test_what_must_fit_into_the_context(tokenizer):
    assert fitting_ids(tokenizer, "abc", block_size=4) == [260, 97, 98, 99]
    with pytest.raises(DataError, match="has 4 tokens, and the context holds 3"):
        fitting_ids(tokenizer, "abcd", block_size=4)
