"""What the name of a file promises."""

from __future__ import annotations

import pytest

from slm.data.readers.kinds import COMPRESSIONS, FORMATS, is_readable, kind_of, step_for


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("packing", ["", *COMPRESSIONS])
def test_a_format_with_any_compression(extension: str, packing: str) -> None:
    name = f"my.stories{extension}{packing}"
    expected = (FORMATS[extension], COMPRESSIONS.get(packing), "my.stories", extension)
    assert kind_of(name) == expected
    upper = kind_of(name.upper())
    assert upper == (*expected[:2], "MY.STORIES", extension)
    binary = FORMATS[extension] in ("parquet", "arrow")
    assert is_readable(name) == (not (binary and packing))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("data.zip", (None, "zip", "data", "")),
        ("data.gz", (None, "gzip", "data", "")),
        ("data.tar.gz", (None, "gzip", "data.tar", "")),
        ("data", (None, None, "data", "")),
        (".txt", (None, None, ".txt", "")),
        ("data.txt.bak", (None, None, "data.txt.bak", "")),
    ],
)
def test_names_without_a_format(name: str, kind: tuple[object, ...]) -> None:
    assert kind_of(name) == kind
    assert is_readable(name) == (name == "data.zip")  # its only file says what it is


def test_steps_for_known_files_of_other_programs() -> None:
    assert "spreadsheet" in str(step_for("Table.XLSX"))
    assert "plain text" in str(step_for("book.epub"))
    assert "unpack" in str(step_for("data.tar.gz"))
    assert step_for("data.log") is None
