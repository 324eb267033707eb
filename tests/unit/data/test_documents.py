"""Long documents in parts keep their characters and their ids."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slm.data.documents import DocumentPart, parts_of, safe_cut, whole_stories
from slm.tokenizer import Tokenizer, build_tokenizer

WORDS = st.lists(
    st.tuples(
        st.sampled_from(["", " ", "\n", "\t", "\n\n", "\u3000"]),
        st.sampled_from(["the", "fox's", "'s", "12", "é", "。", "日本", "!?"]),
        st.sampled_from([" ", "\n", "\n\n", " \n", "\n ", " \t"]),
    ).map("".join),
    min_size=40,
    max_size=300,
).map("".join)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    corpus = "the fox's tail. the fox 12 é 日本 。 !?\n\nthe fox\n" * 20
    return build_tokenizer("bpe:300", lambda: [corpus])


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(text=WORDS)
def test_pieces_have_together_the_ids_of_the_whole(tokenizer: Tokenizer, text: str) -> None:
    parts = list(parts_of(text, part_chars=100))
    assert "".join(part.text for part in parts) == text
    assert [part.ends_story for part in parts] == [False] * (len(parts) - 1) + [True]
    ids = [token for part in parts for token in tokenizer.encode(part.text)]
    assert ids == tokenizer.encode(text)


def test_cut_prefers_a_newline_after_a_character() -> None:
    text = "one two\nthree four\n \n" + "x" * 64
    assert safe_cut(text) == text.index("\n ")


def test_cut_takes_a_space_where_there_is_no_newline() -> None:
    assert safe_cut("one two" + "x" * 80) == 3


@pytest.mark.parametrize("character", ["x", "<"])
def test_text_without_any_space_is_cut_near_its_end(character: str) -> None:
    assert safe_cut(character * 100) == 36


def test_stories_are_joined_from_their_parts() -> None:
    parts = [DocumentPart("a", False), DocumentPart("b", True), DocumentPart("c", True)]
    assert list(whole_stories(parts)) == ["ab", "c"]
