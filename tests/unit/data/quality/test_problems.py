from __future__ import annotations

import pytest

from slm.data.quality.problems import BOILERPLATE, ODD, around, encoding_mender, is_cut_off

pytest.importorskip("ftfy")


@pytest.mark.parametrize(
    ("damaged", "mended"),
    [
        ("It\u00e2\u20ac\u2122s a caf\u00c3\u00a9.", "It\u2019s a caf\u00e9."),
        ("Plain ASCII.", "Plain ASCII."),
        ("Łódź, 東京 and \u201cquotes\u201d 😀", "Łódź, 東京 and \u201cquotes\u201d 😀"),
    ],
)
def test_wrong_decodings_are_undone_and_nothing_else(damaged: str, mended: str) -> None:
    assert encoding_mender()(damaged) == mended


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One day.", None),
        ('"Go!" he said, "Go!"', None),
        ("He left. (The end.)\n", None),
        ("東京。", None),
        ("One day, Tom saw a", "end"),
        ("and then he left.", "start"),
        ("", None),
    ],
)
def test_cut_off(text: str, expected: str | None) -> None:
    assert is_cut_off(text) == expected


def test_odd_characters() -> None:
    assert ODD.findall("a\x00b\u200bc\ufeff\ufffd") == ["\x00", "\u200b", "\ufeff", "\ufffd"]
    assert not ODD.search("a\tb\r\n\u2014 \u201c\u00e9\u201d 東 😀")


@pytest.mark.parametrize("text", ["see https://x.org/a", "<p>Hello</p>", "Tom &amp; Ann"])
def test_boilerplate(text: str) -> None:
    assert BOILERPLATE.search(text)


@pytest.mark.parametrize("text", ["They promised to read more books.", "1 < 2 and 3 > 2", "a <3 b"])
def test_prose_is_no_boilerplate(text: str) -> None:
    assert not BOILERPLATE.search(text)


def test_a_place_on_one_line() -> None:
    assert around("x" * 90 + "\n\nhere" + "y" * 90, 92, 96, room=3) == "...x here" + "yyy..."
