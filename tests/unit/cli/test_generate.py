from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from slm.cli.generate import _prompts, unescaped
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
    ("typed", "meant"),
    [
        (r"\n", "\n"),
        (r"\n\n", "\n\n"),
        (r"\r\n", "\r\n"),
        (r"The\tend\n", "The\tend\n"),
        (r"\\", "\\"),
        (r"\\n", r"\n"),
        (r"\\\n", "\\\n"),
        (r"\d\x0a", r"\d\x0a"),
        ("\\", "\\"),
        ("\n", "\n"),
        ("", ""),
        ("é\\n", "é\n"),
    ],
)
def test_escapes_of_a_stop_text(typed, meant):
    assert unescaped(typed) == meant
