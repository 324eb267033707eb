"""What is learned although it is probably not meant as text."""

from __future__ import annotations

import pytest

from slm.data.suspects import Suspects, special_token_in


def notes(text: str, *, block_chars: int = 1 << 20, separators: tuple[str, ...] = ()) -> list[str]:
    suspects = Suspects()
    blocks = [text[at : at + block_chars] for at in range(0, len(text), block_chars)]
    assert list(suspects.watched(blocks)) == blocks
    return list(suspects.notes("a.txt", separators))


TOKENS = [
    "<|im_end|>",
    "<|eot_id|>",
    "<|ENDOFTEXT|>",
    "<| endoftext |>",
    "<|endoftext>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "&lt;|endoftext|&gt;",
    "<eod>",
    "<END>",
    "[PAD]",
    "</s>",
]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("block_chars", [1 << 20, 7, 1])
def test_tokens_that_are_not_markers_are_counted(token: str, block_chars: int) -> None:
    text = f"Mia ran.{token}\nTom sat.\n" * 40
    (note,) = notes(text, block_chars=block_chars)
    assert f"special tokens are kept as text: {token} (40);" in note
    assert notes(text, block_chars=block_chars, separators=(token,)) == []


def test_the_most_frequent_are_named() -> None:
    text = "".join(f"<|t{n}|> word " * (n + 1) for n in range(6))
    (note,) = notes(text)
    assert "<|t5|> (6), <|t4|> (5), <|t3|> (4) and 1 more;" in note  # two of them are too rare


@pytest.mark.parametrize(
    "text",
    ["a < b | c > d\n", "<b>bold</b> [1] & so\n", "List<|>\n", "<p>one</p>\n", "x <| y\n|> z\n"],
)
def test_other_text_is_not_worth_a_note(text: str) -> None:
    assert notes(text * 40) == []
    assert special_token_in(text) is None


def test_a_token_that_is_spoken_of_is_not_worth_a_note() -> None:
    assert notes("The token <|im_end|> ends a message.\n" * 2) == []


@pytest.mark.parametrize("block_chars", [1 << 20, 10])
def test_the_license_of_a_book_is_named(block_chars: int) -> None:
    text = "Title\n\n*** START OF THE PROJECT GUTENBERG EBOOK A ***\nOnce.\n"
    (note,) = notes(text, block_chars=block_chars)
    assert "Project Gutenberg license is kept" in note
    assert notes("We start of the Project Gutenberg with a word.") == []
