from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from slm.generation.text import TextStream, whole_characters

texts = st.text(alphabet="ab😀é\n", max_size=20)
stop_strings = st.lists(st.text(alphabet="ab😀é", min_size=1, max_size=4), max_size=3)


def divided(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def shown(stream: TextStream, tokens: Sequence[bytes]) -> list[str]:
    return [*(stream.push(token) for token in tokens), stream.finish()]


def read_slowly(text: str, stop: Sequence[str]) -> str:
    """The text before the stop string that is complete first, character by character."""
    for end in range(len(text) + 1):
        lengths = [len(string) for string in stop if text[:end].endswith(string)]
        if lengths:
            return text[: end - max(lengths)]
    return text


@given(st.binary(max_size=30), st.lists(st.integers(0, 100), max_size=10))
def test_any_bytes_in_any_division_give_what_decoding_them_at_once_gives(
    data: bytes, cuts: list[int]
) -> None:
    assert "".join(shown(TextStream(), divided(data, cuts))) == data.decode("utf-8", "replace")


@given(st.text(alphabet="ab😀é漢", max_size=9), st.integers(0, 100))
def test_a_text_can_be_cut_anywhere_and_continued(text: str, cut: int) -> None:
    data = text.encode()
    cut %= len(data) + 1
    before, unfinished = whole_characters(data[:cut])
    stream = TextStream()
    assert stream.push(data[:cut]) + stream.finish(cut=True) == before
    assert len(unfinished) < 4
    assert data[:cut].endswith(unfinished)
    after = shown(TextStream(unfinished=unfinished), [data[cut:]])
    assert before + "".join(after) == text


@given(texts, stop_strings, st.lists(st.integers(0, 100), max_size=20))
def test_stop_strings_cut_the_same_in_any_division(
    text: str, stop: list[str], cuts: list[int]
) -> None:
    stream = TextStream(stop)
    assert "".join(shown(stream, divided(text.encode(), cuts))) == read_slowly(text, stop)
    assert stream.stopped == any(string in text for string in stop)


@given(texts, stop_strings)
def test_nothing_shown_is_ever_taken_back(text: str, stop: list[str]) -> None:
    stream = TextStream(stop)
    so_far = ""
    for character in text:
        so_far += stream.push(character.encode())
        assert read_slowly(text, stop).startswith(so_far)


def test_a_character_is_shown_when_its_last_byte_comes() -> None:
    stream = TextStream()
    pieces = [stream.push(bytes([byte])) for byte in "a😀é".encode()]
    assert pieces == ["a", "", "", "", "😀", "", "é"]


def test_a_possible_stop_string_is_held_until_it_is_not_one() -> None:
    stream = TextStream(["The end"])
    assert [stream.push(token) for token in (b"Go. The", b" en", b"emy", b" fled")] == [
        "Go. ",
        "",
        "The enemy",
        " fled",
    ]
    assert not stream.stopped


def test_nothing_comes_after_a_stop_string() -> None:
    stream = TextStream(["\n\n"])
    assert [stream.push(token) for token in (b"one\n", b"\ntwo", b"three")] == ["one", "", ""]
    assert stream.stopped
    assert stream.finish() == ""


@given(st.text(alphabet="ab😀é漢\ufffd", max_size=8), stop_strings, st.data())
def test_a_text_that_is_cut_is_the_beginning_of_the_whole(
    text: str, stop: list[str], data: st.DataObject
) -> None:
    content = text.encode()
    n_bytes = data.draw(st.integers(0, len(content)))
    stream = TextStream(stop)
    cut = stream.push(content[:n_bytes]) + stream.finish(cut=True)
    whole = content[:n_bytes].decode("utf-8", "ignore")
    assert cut == read_slowly(whole, stop)
    assert text.startswith(whole)


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_a_character_is_finished_across_two_texts(first: bytes, second: bytes) -> None:
    before, unfinished = whole_characters(first)
    stream = TextStream((), unfinished)
    after = stream.push(second) + stream.finish()
    assert before + after == (first + second).decode("utf-8", "replace")
    assert len(unfinished) < 4


def test_whole_characters() -> None:
    fox = "🦊".encode()
    assert whole_characters(b"a" + fox) == ("a🦊", b"")
    assert whole_characters(b"a" + fox[:3]) == ("a", fox[:3])
    assert whole_characters(b"a\xff\xf0") == ("a\ufffd", b"\xf0")
    assert whole_characters(b"") == ("", b"")
