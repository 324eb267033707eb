"""CSV: columns, quotes, odd values, damaged rows that are named, and bounded memory."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

import pytest

from slm.data.documents import whole_stories
from slm.data.readers import csv as csv_file
from slm.data.readers import data_file
from slm.data.readers.csv import read_csv_file
from slm.data.readers.data_file import DataFile
from slm.errors import DataError


def stories(tmp_path: Path, content: str | bytes) -> list[str]:
    path = tmp_path / "text.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(whole_stories(read_csv_file(DataFile(path))))


def test_values_stay_text(tmp_path: Path) -> None:
    rows = 'id,text\n1,"two\nlines, ""quoted"""\n2,NA\n3,12.50\n4,\n5,null\n6,é 日本\n7, \n'
    expected = ['two\nlines, "quoted"', "NA", "12.50", "null", "é 日本"]
    assert stories(tmp_path, rows) == expected
    assert stories(tmp_path, rows.removesuffix("\n")) == expected


def test_a_mark_windows_line_ends_and_blank_lines(tmp_path: Path) -> None:
    assert stories(tmp_path, "\ufefftext,n\r\none,1\r\n\r\ntwo,2\r\n") == ["one", "two"]


def test_the_column_by_name_or_because_it_is_the_only_one_with_words(tmp_path: Path) -> None:
    assert stories(tmp_path, "a,story\nx,one\ny,two\n") == ["one", "two"]
    assert stories(tmp_path, "a,text,story\nx,one,z\n") == ["one"]
    assert stories(tmp_path, "id,body\n1,one\n-2.5e3,two\n,3\n") == ["one", "two", "3"]
    assert stories(tmp_path, "") == []
    for content in ("id,n\n1,2\n", "a,b\nx,y\n", "a\n"):
        with pytest.raises(DataError, match="no text column 'text' or 'story'"):
            stories(tmp_path, content)


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("extension", [".csv", ".tsv", ".psv"])
def test_any_delimiter_under_any_name(tmp_path: Path, mark: str, extension: str) -> None:
    rows = (
        f'id{mark}text{mark}author\n1{mark}"Mia found a ball."{mark}K\n2{mark}No, no; no.{mark}K\n'
    )
    if mark in ",;":
        rows = rows.replace("No, no; no.", '"No, no; no."')
    path = tmp_path / f"data{extension}"
    path.write_text(rows, encoding="utf-8")
    found = list(whole_stories(read_csv_file(DataFile(path))))
    assert found == ["Mia found a ball.", "No, no; no."]


RARE = "^~:@/#\xa6\xa7\x01\x1f"


@pytest.mark.parametrize("mark", RARE)
def test_a_delimiter_that_few_tables_use(tmp_path: Path, mark: str) -> None:
    rows = [("id", "text", "author")] + [(str(n), f"Mia found ball {n}.", "K") for n in range(5)]
    content = "".join(mark.join(row) + "\n" for row in rows)
    expected = [f"Mia found ball {n}." for n in range(5)]
    assert stories(tmp_path, content) == expected
    assert stories(tmp_path, content.replace("text", "body").replace("K", "7")) == expected
    quoted = content.replace(" ball", f"{mark} a ball").replace("Mia", '"Mia').replace(".", '."')
    assert stories(tmp_path, quoted) == [s.replace(" ball", f"{mark} a ball") for s in expected]


def test_spaces_separate_quoted_fields(tmp_path: Path) -> None:
    content = 'id text author\n1 "Mia ran." K\n2 "Tom, too." K\n'
    assert stories(tmp_path, content) == ["Mia ran.", "Tom, too."]


@pytest.mark.parametrize(
    "content",
    [
        "text\nTom: hello\nMia: hello\nSam: hello\n",
        "the text\nOne word\nTwo words\n",
        "My words\nOn 1 day.\nOn 2 days.\n",
        "a time\n7 o'clock\n8 o'clock\n",
        "text\na/b\nc/d\n",
        "note: text\nOne\nTwo: three\nFour\n",
    ],
)
def test_one_column_is_not_cut_at_other_characters(tmp_path: Path, content: str) -> None:
    assert stories(tmp_path, content) == content.splitlines()[1:]


@pytest.mark.parametrize("quote", ["'", "`"])
@pytest.mark.parametrize("blank", ["", " "])
def test_other_quotation_marks(tmp_path: Path, quote: str, blank: str) -> None:
    texts = ["Mia ran.", "Tom, too.", f"It{quote}s late."]
    fields = [quote + text.replace(quote, quote * 2) + quote for text in texts]
    rows = "".join(f"{n},{blank}{field},{blank}K\n" for n, field in enumerate(fields))
    assert stories(tmp_path, "id,text,author\n" + rows) == texts


def test_quotation_marks_of_what_is_said_are_text(tmp_path: Path) -> None:
    texts = ["'Hello' she said.", "'Yes' he said.", "'No'", "'Tis late."]
    rows = "".join(f"{n},{text}\n" for n, text in enumerate(texts))
    assert stories(tmp_path, "id,text\n" + rows) == texts
    rows = "".join(f"{n},\"Oh, 'no', {n}.\"\n" for n in range(5))
    assert stories(tmp_path, rows) == [f"Oh, 'no', {n}." for n in range(5)]


def test_blanks_around_all_fields_are_no_text(tmp_path: Path) -> None:
    rows = "id | text | n\n1 | Mia ran.   | 7\n2 | Tom, too. | 8\n3 | Sam sat.  | 9\n"
    expected = ["Mia ran.", "Tom, too.", "Sam sat."]
    assert stories(tmp_path, rows) == expected
    assert stories(tmp_path, rows.replace(" Tom", "Tom")) == [
        " Mia ran.   ",
        "Tom, too. ",
        " Sam sat.  ",
    ]


def test_a_table_in_markdown(tmp_path: Path) -> None:
    rows = "| id | text |\n|---:|:---|\n| 1 | Mia ran. |\n| 2 | -- |\n| 3 | Sam sat. |\n"
    assert stories(tmp_path, rows) == ["Mia ran.", "--", "Sam sat."]


def test_line_ends_in_fields_are_those_of_text(tmp_path: Path) -> None:
    assert stories(tmp_path, 'id,text\r\n1,"One.\r\nTwo."\r\n') == ["One.\nTwo."]


def test_a_column_of_numbers_is_not_the_text_where_another_is(tmp_path: Path) -> None:
    assert stories(tmp_path, "text,story\n1,one\n2,two\n") == ["one", "two"]
    assert stories(tmp_path, "story,text\n1,one\n2,two\n") == ["one", "two"]
    assert stories(tmp_path, "id,text\n1,2\n3,4\n") == ["2", "4"]


def test_lines_of_prose_without_names_are_whole(tmp_path: Path) -> None:
    lines = [f"Mia found a ball on day {n}. Then she ran home." for n in range(9)]
    assert stories(tmp_path, "".join(f"{line}\n" for line in lines)) == lines
    lines = [f"Day {n}: Mia found a ball." for n in range(9)]
    assert stories(tmp_path, "".join(f"{line}\n" for line in lines)) == lines


def test_no_value_of_a_database_is_no_text(tmp_path: Path) -> None:
    assert stories(tmp_path, "id\ttext\n1\tone\n2\t\\N\n3\t\\Not\n") == ["one", "\\Not"]


def test_tables_one_after_the_other(tmp_path: Path) -> None:
    notes: list[str] = []
    path = tmp_path / "text.csv"
    path.write_text("\ufeffid,text\n1,one\n\ufeffid,text\n2,two\n", encoding="utf-8")
    found = list(whole_stories(read_csv_file(DataFile(path), log=notes.append)))
    assert found == ["one", "two"]
    assert notes == [f"note: {path}: rows that repeat the column names are skipped"]


def test_lines_above_the_names_of_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 2 fields, the first row 1") as error:
        stories(tmp_path, "# made by a program\nid,text\n1,one\n")
    assert "remove lines above it" in str(error.value.hint)


def test_a_declared_delimiter_counts_in_the_number_of_lines(tmp_path: Path) -> None:
    assert stories(tmp_path, "sep=;\nid;text\n1;a\n") == ["a"]
    with pytest.raises(DataError, match="row that ends in line 4 has 1 fields"):
        stories(tmp_path, "sep=;\nid;text\n1;a\nb\n")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('id,text\n1,"He said \\"hi, you\\" to me."\n', ['He said "hi, you" to me.']),
        ('id\ttext\n1\t"Hello," said Tom.\n2\tMia "sat".\n', ['"Hello," said Tom.', 'Mia "sat".']),
        ('id\ttext\n1\t"Hello,\tTom."\n', ["Hello,\tTom."]),
    ],
)
def test_quotes_as_others_write_them(tmp_path: Path, content: str, expected: list[str]) -> None:
    assert stories(tmp_path, content) == expected


def test_blanks_before_quotes_are_no_text(tmp_path: Path) -> None:
    content = 'id, text\n1, "Mia, who ran."\n2, "Tom."\n'
    assert stories(tmp_path, content) == ["Mia, who ran.", "Tom."]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('1,"Mia found a ball."\n2,"Tom ran."\n', ["Mia found a ball.", "Tom ran."]),
        ('1;"Mia found a ball."\n2;"Tom ran."\n', ["Mia found a ball.", "Tom ran."]),
        ('"Mia found a ball."\n"Tom ran."\n', ["Mia found a ball.", "Tom ran."]),
        ("Mia found a ball.\nTom ran.\n", ["Mia found a ball.", "Tom ran."]),
        ("only one story, and no more of them at all\n".replace(",", ""), None),
    ],
)
def test_the_first_row_of_a_file_without_names_is_a_story(
    tmp_path: Path, content: str, expected: list[str] | None
) -> None:
    path = tmp_path / "text.csv"
    path.write_text(content, encoding="utf-8")
    notes: list[str] = []
    found = list(whole_stories(read_csv_file(DataFile(path), log=notes.append)))
    assert found == (expected or content.splitlines())
    assert notes == [f"note: {path}: no column names; the first row is read as a story too"]


def test_which_column_is_text_is_noted_where_it_is_a_guess(tmp_path: Path) -> None:
    path = tmp_path / "text.csv"
    notes: list[str] = []
    path.write_text("id,body\n1,Mia ran.\n", encoding="utf-8")
    assert len(list(read_csv_file(DataFile(path), log=notes.append))) == 1
    assert notes == [
        f"note: {path}: the first row is read as column names, and the column 'body' as the text"
    ]
    path.write_text("id,TEXT\n1,Mia ran.\n", encoding="utf-8")
    assert len(list(read_csv_file(DataFile(path), log=notes.append))) == 1
    assert len(notes) == 1


def test_columns_without_names_are_named_by_the_command_of_the_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my data.tsv").write_text("1\tTom\tTom ran home.\n2\tMia\tMia sat.\n", encoding="utf-8")
    with pytest.raises(DataError, match="no column names, and 2 columns contain words") as caught:
        list(read_csv_file(DataFile(Path("my data.tsv"))))
    subprocess.run(str(caught.value.hint).rpartition(": ")[2], shell=True, check=True)
    named = DataFile(Path("my data-named.tsv"))
    assert list(whole_stories(read_csv_file(named))) == ["Tom ran home.", "Mia sat."]


def test_lines_of_an_old_macintosh_are_mended_by_the_command_of_the_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_bytes(b"id,text\r1,one\r2,two\r")
    with pytest.raises(DataError, match="lines end with carriage returns alone") as caught:
        list(read_csv_file(DataFile(Path("a.csv"))))
    subprocess.run(str(caught.value.hint).rpartition(": ")[2], shell=True, check=True)
    assert list(whole_stories(read_csv_file(DataFile(Path("a-lines.csv"))))) == ["one", "two"]


def test_many_rows_and_long_fields(tmp_path: Path) -> None:
    long = "some words here " * 20_000  # more than Python's reader takes by itself
    content = f"story\n{long}\n" + "".join(f"number {i}\n" for i in range(1300))
    assert stories(tmp_path, content) == [long, *(f"number {i}" for i in range(1300))]
    assert csv.field_size_limit() >= csv_file.LONGEST_LINE_BYTES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,text\n1,a\n2,b,c,d\n", "the row that ends in line 3 has 4 fields, the first row 2"),
        (b"id,text\n1,a\n2\n", "the row that ends in line 3 has 1 fields, the first row 2"),
        (b'id,text\n1,"a\nb\n', "unexpected end of data, in line 3"),
        (b'id,text\n1,"a"b\n', "expected after .* in line 2"),
        (b"id,text\n1,a\n2,\xff\n", "line 3 is not UTF-8: .* at byte 2"),
        (b"id,text\n1,a\n2,\0\n", "line 3 is not text: it holds a zero byte"),
    ],
)
def test_a_damaged_row_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=rf"text\.csv.*{message}"):
        stories(tmp_path, content)


def test_a_file_without_line_ends_is_not_taken_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_file, "LONGEST_LINE_BYTES", 1000)
    with pytest.raises(DataError, match="line 2 is longer than 1,000 bytes"):
        stories(tmp_path, "text\n" + "a" * 1001)


def test_a_quote_that_never_ends_is_not_taken_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = csv.field_size_limit(1000)
    monkeypatch.setattr(csv_file, "LONGEST_LINE_BYTES", 1000)
    try:
        with pytest.raises(DataError, match=r"field larger than field limit \(1000\)"):
            stories(tmp_path, 'text\n"' + "words\n" * 1000)
    finally:
        csv.field_size_limit(limit)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read .*absent"):
        list(read_csv_file(DataFile(tmp_path / "absent.csv")))
