from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from slm.cli.generate import _prompts
from slm.errors import UsageError


def test_a_prompt_of_the_command_line():
    assert _prompts("", None) == [""]


def test_prompts_of_a_file_one_on_each_line(tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_bytes("\ufeffA dog \r\n\r\nÉmile\u2028went\n".encode())

    assert _prompts(None, file) == ["A dog ", "Émile\u2028went"]


def test_prompts_of_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"A cat\nA dog\n")))

    assert _prompts(None, Path("-")) == ["A cat", "A dog"]


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        (b"\n", "standard input contains no prompt"),
        (b"a\xff", "the prompts of standard input are not"),
    ],
)
def test_mistakes_of_stdin_are_its_own(monkeypatch, content, mistake):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    with pytest.raises(UsageError, match=mistake):
        _prompts(None, Path("-"))


def test_mistakes(tmp_path):
    (tmp_path / "empty").write_text("\n\n", encoding="utf-8")
    (tmp_path / "latin").write_bytes(b"\xe9t\xe9")
    for prompt, file in (
        (None, None),
        ("A", tmp_path / "empty"),
        (None, tmp_path / "empty"),
        (None, tmp_path / "latin"),
        (None, tmp_path / "missing"),
    ):
        with pytest.raises(UsageError):
            _prompts(prompt, file)


@pytest.mark.parametrize(
    ("codec", "name"),
    [("cp1252", "WINDOWS-1252"), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16LE")],
)
def test_prompts_in_another_encoding_name_the_way_to_convert_them(tmp_path, codec, name):
    file = tmp_path / "my prompts.txt"
    file.write_bytes("It\u2019s a day\n".encode(codec))
    with pytest.raises(UsageError, match="my prompts.txt are not UTF-8") as caught:
        _prompts(None, file)
    command = str(caught.value.hint).rpartition(": ")[2]
    assert command.startswith(f"iconv -f {name} -t UTF-8 '")
    assert command.endswith("my prompts-utf8.txt'")


def test_a_stream_in_another_encoding_is_passed_through_a_command(monkeypatch):
    stdin = io.BytesIO("It\u2019s a day\n".encode("cp1252"))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stdin))
    with pytest.raises(UsageError) as caught:
        _prompts(None, Path("-"))
    assert str(caught.value.hint) == "pipe it through: iconv -f WINDOWS-1252 -t UTF-8"
