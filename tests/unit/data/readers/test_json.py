"""JSON: lines, lists, indented values; what counts as a document, and errors that name the line."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slm.data.documents import whole_stories
from slm.data.readers import data_file
from slm.data.readers import json as json_reader
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


LIST = [{"text": "one, [1]"}, "two", {"story": None}, {"n": {"a": [1]}, "Text": "Zoë 日本"}]


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("before", ["", "\ufeff", " \n\n"])
def test_a_list_and_indented_values(tmp_path: Path, indent: int | None, before: str) -> None:
    expected = ["one, [1]", "two", "Zoë 日本"]
    content = json.dumps(LIST, indent=indent, ensure_ascii=False)
    assert stories(tmp_path, before + content + "\n ") == expected
    objects = [one for one in LIST if isinstance(one, dict)]
    values = "\n".join(json.dumps(one, indent=indent) for one in objects)
    assert stories(tmp_path, before + values) == [expected[0], expected[2]]


@settings(deadline=None, max_examples=60)
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=8),
    numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
    block_bytes=st.integers(1, 40),
)
def test_blocks_change_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str],
    numbers: list[float],
    indent: int | None,
    ascii_only: bool,
    block_bytes: int,
) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    rows = [{"n": numbers, "text": text, "more": {"a": numbers}} for text in ["first", *texts]]
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=ascii_only), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_reader, "BLOCK_BYTES", block_bytes)
        found = list(whole_stories(read_json_file(DataFile(path))))
    assert found == [row["text"] for row in rows if str(row["text"]).strip()]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"text": "a"}, {"text": "b"}', "line 1 is not JSON: the list does not end"),
        ('[{"text": "a"},\n{"text": "b"', "line 2 is not JSON: Expecting ',' delimiter"),
        ('[{"text": "a"},\n{"text": "b', "line 2 is not JSON: Unterminated string"),
        ('[{"text": "a"}\n{"text": "b"}]', "line 2 is not JSON: expected a comma"),
        ('[{"text": "a"},\n,]', "line 2 is not JSON"),
        ('[{"text": "a"}]\n[1]', "line 2 is not JSON: something follows the end of the list"),
        ('[{"text": "a"},\n5]', "line 2 is a int, expected a string"),
        ('[{"text": "a"},\n\n{"body": "b"}]', "line 3 has no field 'text' or 'story'"),
        ('[{"text": "a"},\n' + "[" * 100_000, "line 2 .*(nested too deeply|too many lists)"),
        ('[{"text": "a"},\n[' + "[]," * 2_000_000, "contains too many lists and objects"),
        ('{\n"text": "a"\n}\n{\n"text": }', "line 5 is not JSON: Expecting value"),
    ],
)
def test_a_damaged_list_is_named(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        stories(tmp_path, content)


def test_a_value_without_end_is_not_taken_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_reader, "LONGEST_VALUE_CHARS", 1000)
    monkeypatch.setattr(json_reader, "BLOCK_BYTES", 100)
    with pytest.raises(DataError, match="line 2 .* a value is longer than 1,000 characters"):
        stories(tmp_path, '["a",\n"' + "b" * 10_000)


@pytest.mark.parametrize("ends", ["", "\n"])
def test_commas_behind_the_lines_or_the_last_element(tmp_path: Path, ends: str) -> None:
    lines = '{"text": "a"},\n{"text": "b, c"},' + ends
    assert stories(tmp_path, lines) == ["a", "b, c"]
    assert stories(tmp_path, f"[{lines}]") == ["a", "b, c"]
    assert stories(tmp_path, lines.removesuffix("\n").removesuffix(",")) == ["a", "b, c"]


ONE_TWO = [{"text": "one"}, {"text": "two"}]
CHAT = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
OTHER_SHAPES: dict[str, tuple[Any, list[str]]] = {
    "a list in an object": ({"version": 1, "data": ONE_TWO}, ["one", "two"]),
    "rows of a dataset's viewer": (
        {"features": [{"name": "text"}], "rows": [{"row_idx": 0, "row": row} for row in ONE_TWO]},
        ["one", "two"],
    ),
    "columns": ({"id": {"0": 1, "1": 2}, "text": {"0": "one", "1": "two"}}, ["one", "two"]),
    "columns of lists": ({"text": ["one", "two"], "id": [1, 2]}, ["one", "two"]),
    "split": (
        {"columns": ["id", "text"], "index": [0, 1], "data": [[1, "one"], [2, "two"]]},
        ["one", "two"],
    ),
    "by index": ({"0": ONE_TWO[0], "1": ONE_TWO[1]}, ["one", "two"]),
    "table": (
        {"schema": {"fields": [{"name": "text"}]}, "data": ONE_TWO},
        ["one", "two"],
    ),
    "by title": (
        {f"The fox {n}": f"{n} foxes" for n in range(9)},
        [f"{n} foxes" for n in range(9)],
    ),
    "prompt and completion": ([{"prompt": "a fox", "completion": "one fox ran"}], ["one fox ran"]),
    "text in an object": ([{"text": {"value": "one", "annotations": []}}], ["one"]),
    "null in columns": ({"text": {"0": None, "1": "one"}}, ["one"]),
    "nested": ([{"meta": {"id": 1}, "the doc": row} for row in ONE_TWO], ["one", "two"]),
    "another name": ([{"content": "one fox", "id": "a"}], ["one fox"]),
    "rows without names": ([[1, "one"], [2, "two"]], ["one", "two"]),
    "messages": ([{"id": 1, "messages": CHAT}], ["one\ntwo"]),
    "conversations": (
        [{"conversations": [{"from": "human", "value": "one"}, {"from": "gpt", "value": "two"}]}],
        ["one\ntwo"],
    ),
    "encoded twice": (json.dumps(ONE_TWO), ["one", "two"]),
    "encoded twice, one by one": ([json.dumps(row) for row in ONE_TWO], ["one", "two"]),
}


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq")
@pytest.mark.parametrize("shape", OTHER_SHAPES)
@pytest.mark.parametrize("extension", [".json", ".jsonl"])
def test_the_command_for_another_shape_gives_its_stories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str, extension: str
) -> None:
    monkeypatch.chdir(tmp_path)
    value, expected = OTHER_SHAPES[shape]
    path = Path(f"my data{extension}")
    as_lines = isinstance(value, list) and extension == ".jsonl"
    rows = value if as_lines else [value]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if as_lines and isinstance(value[0], list):
        return  # a list in each line is not told from elements of a list
    with pytest.raises(DataError) as caught:
        list(read_json_file(DataFile(path)))
    subprocess.run(str(caught.value.hint).rpartition(": ")[2], shell=True, check=True)
    (new,) = set(tmp_path.iterdir()) - {tmp_path / path}
    assert list(whole_stories(read_json_file(DataFile(new)))) == expected


def test_a_string_that_only_begins_like_json_is_text(tmp_path: Path) -> None:
    texts = ["{a: 1}", "[Verse 1] Words", "[1, 2]", "{}", '{"text": "a"} is JSON']
    assert stories(tmp_path, json.dumps(texts)) == texts


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
        (b'{"text": 5}', "line 2, field 'text' is a int, expected a string"),
        (b"[1, 2]", "line 2 is a list"),
        (b'{"text": "\xff"}', "line 2 is not UTF-8: .* at byte 10"),
        (b'{"text": "\\ud800"}', "line 2, field 'text' contains a lone surrogate"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        stories(tmp_path, b'{"text": "fine"}\n' + line + b"\n")


@pytest.mark.parametrize(
    "value",
    [{"k" * 9000: "once there was"}, {"x": {"y" * 9000: {"text": "a"}}}, {"text" + " " * 9000: 5}],
)
def test_long_names_make_no_long_messages(tmp_path: Path, value: Any) -> None:
    with pytest.raises(DataError) as caught:
        stories(tmp_path, json.dumps(value))
    assert len(str(caught.value)) < 2000


def test_a_file_without_line_ends_is_not_taken_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_file, "LONGEST_LINE_BYTES", 1000)
    with pytest.raises(DataError, match="line 2 is longer than 1,000 bytes"):
        stories(tmp_path, '"a"\n' + "[" * 1001)
