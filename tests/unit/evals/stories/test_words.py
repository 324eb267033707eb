from __future__ import annotations

import pytest

from slm.evals.stories.words import Story, sentences_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ('"Stop!" said Tom. He ran.', ['"Stop!" said Tom.', "He ran."]),
        ("A line\nand another", ["A line", "and another"]),
        ("He said, \u201cHi.\u201d Then he left.", ['He said, "Hi."', "Then he left."]),
        ("... !!", []),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert [sentence.text for sentence in sentences_of(text)] == expected


def test_words_keep_their_apostrophes() -> None:
    (sentence,) = sentences_of("Tom\u2019s dog didn't bark 3 times.")
    assert sentence.words == ("Tom's", "dog", "didn't", "bark", "times")


def test_the_sentence_that_a_prompt_began_is_a_new_one() -> None:
    story = Story("It rained. Tom took his hat. He left.", prompt="It rained. Tom took")
    assert [sentence.text for sentence in story.new_sentences] == ["Tom took his hat.", "He left."]
    assert story.words == ("his", "hat", "he", "left")
    whole = Story("It rained. He left.", prompt="It rained.")
    assert [sentence.text for sentence in whole.new_sentences] == ["He left."]
