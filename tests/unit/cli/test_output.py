from __future__ import annotations

import io
import json
import math
import os
import sys

import pytest

from slm.cli.output import (
    prepare_streams,
    print_json,
    print_table,
)
from slm.errors import escape_control_characters


def test_json_has_no_numbers_that_json_does_not_know(capsys):
    print_json({"loss": math.nan, "list": [math.inf, 1.5], "text": "naïve"})

    assert json.loads(capsys.readouterr().out) == {
        "loss": None,
        "list": [None, 1.5],
        "text": "naïve",
    }


def test_json_is_lossless_where_the_console_is_not(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", stream)

    print_json({"text": "日本"})

    stream.flush()
    assert json.loads(stream.buffer.getvalue()) == {"text": "日本"}


@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
def test_a_closed_stream_becomes_an_empty_one(monkeypatch, name):
    monkeypatch.setattr(sys, name, None)

    prepare_streams()

    stream = getattr(sys, name)
    if name == "stdin":
        assert stream.read() == ""
    else:
        assert stream.write("lost") == 4
        stream.flush()
    os.close(stream.fileno())


def test_a_console_without_a_character_does_not_end_the_program(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", stream)
    prepare_streams()

    print("日 é")

    stream.flush()
    assert stream.buffer.getvalue().rstrip() == "? é".encode("cp1252")


def test_tables_are_aligned(capsys):
    print_table([("a", "1"), ("longer", "2")], indent=" ")
    print_table([])

    assert capsys.readouterr().out == " a       1\n longer  2\n"


def test_the_name_of_a_file_cannot_write_on_the_screen():
    assert (
        escape_control_characters("no folder a\nb\x1b[2J\udcff é")
        == r"no folder a\nb\x1b[2J\udcff é"
    )
