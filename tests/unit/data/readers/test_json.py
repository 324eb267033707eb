"""JSON Lines: what counts as a document, and errors that name the line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slm.data.documents import whole_stories
from slm.data.readers import data_file
from slm.data.readers.data_file import DataFile
from slm.data.readers.json import read_json_file
from slm.errors import DataError


def stories(tmp_path: Path, content: str | bytes) -> list[str]:
    path = tmp_path / "text.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(whole_stories(read_json_file(DataFile(path))))


def test_objects_and_plain_strings(tmp_path: Path) -> None:
    lines = [
        json.dumps({"text": "Zoë 日本 😀\nnew line", "meta": {"n": 1}}, ensure_ascii=False),
        json.dumps({"story": "escaped é 😀", "meta": "another type"}),
        json.dumps("plain"),
        "",
        json.dumps({"text": None}),
        json.dumps({"text": "  "}),
        json.dumps({"story": "ignored", "text": "text wins"}),
    ]
    expected = ["Zoë 日本 😀\nnew line", "escaped é 😀", "plain", "text wins"]
    assert stories(tmp_path, "\n".join(lines)) == expected
    assert stories(tmp_path, "\ufeff" + "\r\n".join(lines) + "\r\n") == expected


def test_separators_inside_a_document_are_plain_text(tmp_path: Path) -> None:
    text = "a\n<|endoftext|>\nb"
    assert stories(tmp_path, json.dumps({"text": text})) == [text]


def test_a_long_document_is_whole(tmp_path: Path) -> None:
    text = "some words here\n" * 200_000
    assert stories(tmp_path, json.dumps({"text": text})) == [text]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"text": "cut off', "line 2 is not JSON"),
        (b"[" * 100_000, "line 2 is not JSON: nested too deeply"),
        (b'{"body": "x", "id": 1}', "line 2 has no field 'text' or 'story', found 'body', 'id'"),
        (b"{}", "found nothing"),
        (b'{"text": 5}', "line 2, field 'text' holds a int, expected a string"),
        (b"[1, 2]", "line 2 holds a list"),
        (b'{"text": "\xff"}', "line 2 is not UTF-8: .* at byte 10"),
        (b'{"text": "\\ud800"}', "line 2, field 'text' holds a lone surrogate"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        stories(tmp_path, b'{"text": "fine"}\n' + line + b"\n")


def test_a_file_without_line_ends_is_not_taken_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_file, "LONGEST_LINE_BYTES", 1000)
    with pytest.raises(DataError, match="line 2 is longer than 1,000 bytes"):
        stories(tmp_path, '"a"\n' + "[" * 1001)
