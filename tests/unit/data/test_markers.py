"""End-of-text markers: where they separate documents, where they are text, and what is said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from slm.data.documents import DocumentPart, parts_of, whole_stories
from slm.data.markers import (
    COUNTED_MARKERS,
    OTHERS,
    USUAL,
    Place,
    find_separators,
    place_of,
    split_documents,
    without_markers,
)

EOT = "<|endoftext|>"
SOT = "<|startoftext|>"
STORIES = [f"Mia found ball {i}.\nShe was happy." for i in range(40)]


def documents(text: str, *, block_chars: int = 1 << 20) -> tuple[list[str], str | None]:
    """The documents of a text, and the note about its markers."""
    blocks = [text[at : at + block_chars] for at in range(0, len(text), block_chars)]
    separators = find_separators(blocks)
    return list(whole_stories(split_documents(blocks, separators))), separators.note("a.txt")


@pytest.mark.parametrize(
    "pattern",
    [
        "{}\n" + EOT + "\n",
        "{}\n" + EOT + " \n",
        "{}\n" + EOT + "\t \xa0\n",
        "{}\n  " + EOT + "\n",
        "{}" + EOT,
        "{} " + EOT,
        "{}" + EOT + "\n",
        "{} " + EOT + " \n",
        "{}\n" + EOT,
        EOT + "{}",
        EOT + "{}\n",
        EOT + " {}\n",
        SOT + "{}" + EOT,
        SOT + "{}" + EOT + "\n",
        SOT + "\n{}\n" + EOT + "\n",
        SOT + " {} " + EOT + " ",
        "{}\n" + EOT + EOT + "\n",
        *(f"{family.starts[0]}{{}}{family.ends[0]}\n" for family in OTHERS),
        *(f"{family.starts[-1]} {{}} {family.ends[-1]}\n" for family in OTHERS),
        *(f"{family.starts[0]}{{}}{family.ends[0]}" for family in OTHERS),
        *(f"{{}}\n{family.ends[0]}\n" for family in OTHERS),
        *(f"{{}}{family.ends[0]}" for family in OTHERS),
    ],
)
@pytest.mark.parametrize("block_chars", [1 << 20, 7])
def test_every_way_to_separate_gives_the_same_documents(pattern: str, block_chars: int) -> None:
    found, _ = documents("".join(map(pattern.format, STORIES)), block_chars=block_chars)
    assert found == STORIES


@pytest.mark.parametrize(
    "texts",
    [["story one", "story two", "story three"], ["One \n", "\ttwo", "THREE"], ["故事", "故事"]],
)
@pytest.mark.parametrize("between", [f"{EOT}\n", f"\n{EOT}", f" {EOT}\n", f"{EOT}{EOT}\n"])
def test_texts_without_periods(texts: list[str], between: str) -> None:
    found, _ = documents(between.join(texts))
    assert [text.strip() for text in found] == [text.strip() for text in texts]


def test_many_texts_on_one_line_with_blanks_between() -> None:
    text = f" {EOT} ".join(f"story {i}" for i in range(400))
    found, note = documents(text)
    assert found == [f"story {i}" for i in range(400)]
    assert note is not None
    assert "399 markers <|endoftext|> separate documents, none alone on its line" in note


@pytest.mark.parametrize(
    "mention",
    [
        f"The marker {EOT} ends a text.",
        f'GPT-2 writes "{EOT}" there.',
        f"GPT-2 writes `{EOT}`, and stops.",
        f"Its marker ({EOT}) is one token.",
        f"A text ends with {EOT}.",
        f"There are {EOT}, {SOT} and others.",
        f"print(text.split('{EOT}'))",
    ],
)
def test_what_is_said_about_a_marker_is_text(mention: str) -> None:
    text = f"Once.\n{mention}\nMore.\n"
    found, note = documents(text)
    assert found == [text]
    assert "kept as text" in str(note)
    stories = [text.strip(), "Tom.", "Ben."]
    found, note = documents("".join(f"{story}\n{EOT}\n" for story in stories))
    assert found == stories
    assert "kept as text" in str(note)


def test_a_sentence_about_markers_may_go_on_in_the_next_line() -> None:
    stories = [f"A text that ends with\n{EOT} in the file.", f"It has {EOT}\nwhere it ends.", "Hi."]
    assert documents("".join(f"{story}\n{EOT}\n" for story in stories))[0] == stories


def test_inside_lines_most_markers_decide() -> None:
    few = "".join(f"{story}\n{EOT}\n" for story in STORIES) + f"one.{EOT}Two."
    found, note = documents(few)
    assert found == [*STORIES, f"one.{EOT}Two."]
    assert note == (
        "note: a.txt: 1 marker <|endoftext|> inside lines is kept as text (a marker on a line of "
        "its own always separates)"
    )
    many = EOT.join([*STORIES, "\n", "end"])
    found, note = documents(many)
    assert found == [*STORIES, "end"]


def test_usual_separators_are_not_worth_a_note() -> None:
    assert documents("".join(f"{story}\n{EOT}\n" for story in STORIES))[1] is None
    assert documents("no marker")[1] is None


def test_other_markers_are_named() -> None:
    found, note = documents("one\n[EOS]\ntwo\n[EOS]\n")
    assert found == ["one", "two"]
    assert note == "note: a.txt: 2 markers [EOS] separate documents"


@pytest.mark.parametrize(
    "text",
    [
        "It is <s>old</s> new.\nIt is <s>bad</s> good.\n",
        "He said [EOS] and <eos> to me.\n",
        "see <sep> and [SEP] there\n",
    ],
)
def test_markers_that_may_be_something_else_are_text(text: str) -> None:
    assert documents(text) == ([text], None)


def test_next_to_the_usual_markers_others_are_text() -> None:
    text = f"<s>one</s>\n{EOT}\n[EOS]\ntwo\n{EOT}\n"
    assert documents(text)[0] == ["<s>one</s>", "[EOS]\ntwo"]


def test_the_first_markers_decide_and_the_note_says_so() -> None:
    text = f"one.{EOT}" * (COUNTED_MARKERS + 500)
    separators = find_separators([text])
    assert separators.is_partial
    assert separators.counts == {Place.JOINT: COUNTED_MARKERS}
    assert str(separators.note("x")).startswith("note: x: of its first 1,000 markers, 1,000 ")


def test_lines_count_as_far_as_markers_do() -> None:
    line = f"story one {EOT} story two {EOT} story three {EOT} story four {EOT} story five\n"
    found, note = documents(line * 1000)
    assert len(found) == 4001
    assert "of its first 1,000 markers" in str(note)


def test_the_number_of_other_markers_is_that_of_the_first_ones() -> None:
    assert documents("one\n[EOS]\n" * 1500)[1] == (
        "note: a.txt: of its first 1,000 markers, 1,000 markers [EOS] separate documents"
    )


def test_no_more_is_looked_at_than_is_needed() -> None:
    def blocks() -> Iterator[str]:
        for _ in range(3):
            yield f"one\n{EOT}\n" * 500
        raise AssertionError("there is no need to read on")

    assert find_separators(blocks()).places >= {Place.ALONE, Place.EDGE}


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ("", "", Place.ALONE),
        ("one\n", "\ntwo", Place.ALONE),
        ("one\n ", "\t\ntwo", Place.ALONE),
        ("one\n", "Two", Place.EDGE),
        ("one.", "\nTwo", Place.EDGE),
        ("one. ", "\nTwo", Place.EDGE),
        ("one ", "\nTwo", Place.WRAPPED),
        ("is one\n", " that", Place.WRAPPED),
        (f"one{EOT}", f"{EOT}two", Place.ALONE),
        ("one.", "Two", Place.JOINT),
        ("one. ", " Two", Place.JOINT),
        ("one", "two", Place.JOINT),
        ('"one."', '"Two', Place.JOINT),
        ("the ", " ends", Place.SENTENCE),
        ("of ", ".", Place.QUOTED),
        ("one. ", "...", Place.JOINT),
        ("\u201c", "\u201d", Place.QUOTED),
        ('= "', '"', Place.QUOTED),
        ("(", ")", Place.QUOTED),
        ("\n`", "` is", Place.QUOTED),
    ],
)
def test_places(before: str, after: str, place: Place) -> None:
    assert place_of(before, after, USUAL.markers) is place


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"one{EOT}", ["one"]),
        (f"{SOT} one {EOT}\n", ["one"]),
        ("<s>one</s>", ["one"]),
        (f"{EOT}{EOT}one\n{EOT} {EOT}", ["one"]),
        (f"{EOT} \n", []),
        (" kept exactly \n", [" kept exactly \n"]),
    ],
)
def test_rows_lose_the_markers_at_their_ends(text: str, expected: list[str]) -> None:
    notes: list[str] = []
    rows = [
        DocumentPart(text, ends_story=True),
        DocumentPart("last", ends_story=True),
        DocumentPart(text, True),
    ]
    found = list(whole_stories(without_markers(rows, name="a.csv", log=notes.append)))
    assert found == [*expected, "last", *expected]
    assert len(notes) == (expected != [text])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"one\n{EOT}\ntwo",
            f"{EOT} inside a text is kept as text, since each row is one document (in a",
        ),
        ("<|im_start|>user\nHi<|im_end|>", "<|im_start|> inside a text is kept as text"),
        (
            "one<\uff5cend\u2581of\u2581sentence\uff5c>two",
            "<\uff5cend\u2581of\u2581sentence\uff5c> inside",
        ),
        ("a <b>word</b> and <s>one</s> more, 1 <| 2", None),
    ],
)
def test_special_tokens_inside_rows_are_kept_and_said_once(text: str, said: str | None) -> None:
    notes: list[str] = []
    rows = [DocumentPart(text, ends_story=True)] * 3
    found = list(whole_stories(without_markers(rows, name="a.csv", log=notes.append)))
    assert found == [text] * 3
    assert len(notes) == (said is not None)
    if said is not None:
        assert notes[0].startswith(f"note: a.csv: {said}")


def test_a_long_row_loses_its_markers_too() -> None:
    text = "word and word\n" * 300
    rows = parts_of(f"{SOT}{text}{EOT}", part_chars=500)
    found = list(without_markers(rows, name="a.csv"))
    assert len(found) > 3
    assert list(whole_stories(found)) == [text.rstrip()]
