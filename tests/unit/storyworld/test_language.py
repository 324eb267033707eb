"""Grammar lints over a few thousand stories."""

from __future__ import annotations

import re
from itertools import islice

import pytest

from storyworld import Story, generate_stories

pytestmark = pytest.mark.slow

FORBIDDEN = {
    "pattern marks": r"[{}\[\]<>|]",
    "double spaces": r"  | $|^ ",
    "space before a mark": r" [.,!?;:]",
    "doubled marks": r"\.\.(?!\.)|,,|\?\?|!!|,\.|\.,|!\.|\?\.|[.!?]\"\.|:,|,:",
    "a before a vowel": r"\b[Aa] (?!one\b|once\b|uni|use|eu)[aeiou]\w",
    "an before a consonant": r"\b[Aa]n (?!hour|honest)[bcdfghjklmnpqrstvwxyz]",
    "doubled words": r"\b(the|a|an|and|to|in|of|he|she|it|they|was|were|his|her|then|so|but) \1\b",
    "doubled words at a start": r"\b(?:He he|She she|The the|And and|So so|Then then)\b",
    "two sizes": r"\b(?:little|small) (?:little|small) (?:boy|girl)\b|\bbig (?:little|small)\b",
    "two articles": r"\b(?:a|an|the) (?:a|an|the|his|her) ",
    "lower case sentence": r"(?:^|[.!?] )[a-z]|\.\" [a-z]",
    "asked without a question": r"[^?]\" (?:asked|(?:he|she|[A-Z]\w+) asked)\b[^,\"]*\.",
    "crying out quietly": r"\" (?:he|she|[A-Z]\w+) (?:cried|called) (?:softly|quietly|shyly)",
    "he instead of him": r"\b(?:to|with|for|at|of|gave|told) (?:he|she|they) (?!who)(?:\.|,|and)",
    "wrong verb": r"\b(?:they|we|you) was\b|(?<!wish )(?<!as if )\b(?:he|she|it) were\b|\bI is\b",
    "said pronoun": r'" (?:said|asked|cried|whispered) (?:he|she|they|it)\b',
    "possessive pronoun with s": r"\b(?:he|she|him|his|they|it)'s (?:eyes|heart|face|hands|paws)\b",
    "empty quotes": r"\"\"",
    "called by name twice": r", (\w+)!\" [^\".]*\. \"[^\"]*, \1!\"",
    "learned in a second breath": r"\" [^\".]* (?:said|asked)\. \"(?:Now I know|I see now) that",
    "never, but what?": r" never [^,.]* and (?:spoke|stepped|petted|hid the rest)\b",
    "the sky said twice": r"\b(?:sunny|cloudy|windy|snowy|foggy) \w+(?: \w+)?, and "
        r"(?:the sun was|\w+ clouds|clouds|the wind|snow|(?:the|a \w+) fog)\b",
    "imperative lesson": r"that (?:think first|be careful|hold on|stop)\b",
    "was with a number": r"\bthere was (?:only )?(?:two|three|some acorns|a few)\b",
    "missing name": r"\bNone\b|\bTrue\b|\bFalse\b",
}  # fmt: skip


@pytest.fixture(scope="module")
def sample() -> list[Story]:
    return list(islice(generate_stories(31), 3000))


@pytest.mark.parametrize("lint", list(FORBIDDEN))
def test_no_story_has(lint: str, sample: list[Story]) -> None:
    pattern = re.compile(FORBIDDEN[lint], re.MULTILINE)
    found = [(m[0], story.text) for story in sample if (m := pattern.search(story.text))]
    assert not found, (len(found), found[:3])


def test_text_is_plain_ascii(sample: list[Story]) -> None:
    for story in sample:
        assert story.text.isascii()
        assert "endoftext" not in story.text


def test_paragraphs_begin_and_end_well(sample: list[Story]) -> None:
    for story in sample:
        for paragraph in story.text.split("\n"):
            assert re.match(r'"?[A-Z]', paragraph), paragraph
            assert re.search(r'[.!?]"?$', paragraph), paragraph
            assert paragraph.count('"') % 2 == 0, paragraph


def test_speech_begins_with_a_capital(sample: list[Story]) -> None:
    for story in sample:
        for paragraph in story.text.split("\n"):
            for number, quote in enumerate(paragraph.split('"')):
                if number % 2 and not re.match(r"[A-Z]", quote):
                    before = paragraph.split('"')[number - 1]
                    assert before.endswith(", "), (quote, paragraph)  # a sentence goes on


def test_the_hero_keeps_one_gender(sample: list[Story]) -> None:
    """In stories whose only pronoun-bearers share a gender, the other pronoun never occurs."""
    for story in sample:
        text = re.sub(r'"[^"]*"', "", story.text)
        if len(story.facts.characters) == 1:
            assert not (
                re.search(r"\b(?:he|his|him)\b", text, re.IGNORECASE)
                and re.search(r"\b(?:she|her)\b", text, re.IGNORECASE)
            ), story.text


def test_no_sun_in_the_rain(sample: list[Story]) -> None:
    for story in sample:
        first = story.text.split("\n")[0]
        if story.facts.weather in ("rainy", "snowy", "foggy", "stormy"):
            assert "sun was shining" not in first
            assert "not a cloud" not in story.text
        if story.facts.time == "night":
            assert "sun was shining" not in first


def test_nobody_speaks_after_falling_asleep(sample: list[Story]) -> None:
    for story in sample:
        last = re.split(r"(?<=[.!?])\s+", story.text)[-2:]
        if re.search(r"\basleep\.$", last[0]):
            assert not re.search(r'," \w+ said\.$', last[-1]), story.text


def test_the_jungle_has_no_seasons(sample: list[Story]) -> None:
    for story in sample:
        if "jungle" in story.facts.place:
            opening = story.text[:400]
            assert not re.search(r"\b(?:spring|autumn) (?:morning|afternoon|day)\b", opening)
            assert "fields" not in opening, opening


def test_vocabulary_is_rich_but_simple(sample: list[Story]) -> None:
    words = {w for story in sample for w in re.findall(r"[a-z]+", story.text.lower())}
    assert len(words) >= 2_000
    assert max(map(len, words)) <= 14


def test_openings_vary(sample: list[Story]) -> None:
    classic = sum("nce upon a time" in story.text for story in sample) / len(sample)
    assert 0.15 < classic < 0.5
