"""How CSV files are written: delimiters, and first rows that are names or not."""

from __future__ import annotations

import pytest

from slm.data.readers.dialect import (
    DELIMITERS,
    Dialect,
    find_dialect,
    has_data,
    is_evident_table,
    is_number,
)

STORY = "Mia found a ball, a bat; and | more."


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def table(mark: str, rows: int = 5) -> str:
    return f"id{mark}text{mark}author\n" + "".join(
        f'{row}{mark}"{STORY}"{mark}K\n' for row in range(rows)
    )


@pytest.mark.parametrize("mark", DELIMITERS)
@pytest.mark.parametrize("preferred", DELIMITERS)
@pytest.mark.parametrize("rows", [1, 5])
def test_the_delimiter_is_found_whatever_the_name_promises(
    mark: str, preferred: str, rows: int
) -> None:
    assert find_dialect(lines(table(mark, rows)), preferred, whole=True) == Dialect(mark)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("text\nOne; two\nThree; four\n", Dialect(",")),  # one column
        ("text\n", Dialect(",")),
        ("", Dialect(",")),
        ('1;"a, b"\n2;"c"\n', Dialect(";")),  # without names
        ("id;value;text\n1;3,5;a\n2;4,5;b\n", Dialect(";")),  # decimal commas
        ("id,text\n1,a;b\n2,c;d\n", Dialect(",")),
        ("id;text\n1;a\n2;b;c\n", Dialect(";")),  # a row is wrong: its header says how it is meant
        ('id, text\n1, "a, b"\n', Dialect(",", skip_spaces=True)),
        ("id, text\n1, a\n", Dialect(",")),
        ('id,text\n1,"He said \\"hi, you\\" to me."\n', Dialect(",", "escaped")),
        ('id\ttext\n1\t"Hello," said Tom.\n2\tMia sat.\n', Dialect("\t", "plain")),
        ('1\t"Hello," said Tom.\n2\tMia sat.\n', Dialect("\t", "plain")),
        ('id;text\n1;"a "quote" in it"\n', Dialect(";")),  # is refused later
        ("sep=;\nid;text\n1;a,b\n", Dialect(";", declared=True)),
        ("sep=\t\r\nid\ttext\r\n", Dialect("\t", declared=True)),
        *((f"sep={mark}\r\nid,text\r\n1,a\r\n", Dialect(",")) for mark in ("", *"\"'`\\")),
    ],
)
def test_dialects(text: str, expected: Dialect) -> None:
    assert find_dialect(lines(text), ",", whole=True) == expected


def test_a_row_that_is_cut_off_by_the_sample_is_no_fault() -> None:
    text = table(";") + '7;"a story of\nmore lines\n'
    assert find_dialect(lines(text), ",", whole=False) == Dialect(";")


@pytest.mark.parametrize(
    ("first", "below", "expected"),
    [
        (["id", "text"], [["1", "a"]], False),
        (["1", "Mia"], [["2", "Tom"]], True),
        (["Once upon a time there was a cat."], [["Tom"]], True),
        (["Once upon a time there was a cat."], [], True),
        (["He ran."], [["She ran."]], True),
        (["positive", "Good film"], [["negative", "Bad"], ["positive", "Fine"]], True),
        (["No.", "Title"], [["1", "a"]], False),
        (["body"], [["Once upon a time."]], False),
        (["Story so far"], [["Once upon a time."]], False),
        (["", "0"], [["0", "Once."], ["1", "Twice."]], False),  # pandas
        (["0"], [["Once."], ["Twice."]], False),
        (["id", "2021"], [["a", "x"], ["b", "y"]], False),
        ([], [], False),
    ],
)
def test_first_rows(first: list[str], below: list[list[str]], expected: bool) -> None:
    assert has_data(first, below) is expected


@pytest.mark.parametrize("mark", DELIMITERS)
def test_evident_tables(mark: str) -> None:
    assert is_evident_table(lines(table(mark)), whole=True) == mark
    named = table(mark).replace("text", "body")
    assert is_evident_table(lines(named), whole=True) == mark
    bare = f"id{mark}body{mark}by\n" + "".join(f"{n}{mark}Mia sat.{mark}K\n" for n in range(3))
    assert is_evident_table(lines(bare), whole=True) == mark
    two = f"title{mark}body\n" + f'"A"{mark}"{STORY}"\n' * 3
    assert is_evident_table(lines(two), whole=True) == mark


@pytest.mark.parametrize(
    "text",
    [
        "Once upon a time, Tom\nwent out, and saw\na cat, a dog\na bird, a tree\n",
        "1,2,3\n4,5,9\n2,2,4\n",
        "a,b\n1,2\n3,4\n5,6\n",
        "",
        "one line\n",
        "text\nOne\nTwo\nThree\n",
        "Scene, One\n1, Tom\n2, Mia\n3, Sam\n",
    ],
)
def test_prose_and_numbers_are_no_evident_tables(text: str) -> None:
    assert is_evident_table(lines(text), whole=True) is None


def test_numbers() -> None:
    assert all(map(is_number, ["", "1", "-2.5e3", "3,5"]))
    assert not any(map(is_number, ["one", "1 2", "1.2.3"]))
