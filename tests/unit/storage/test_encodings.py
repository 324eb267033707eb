"""Text that is not UTF-8: its encoding is found, and the command of the hint converts it."""

from __future__ import annotations

import codecs
import io
import shutil
import subprocess
from pathlib import Path

import pytest

from slm.storage.encodings import (
    Encoding,
    conversion_hint,
    encoding_of,
    free_name,
    is_text_but_for_zeros,
    mark_of,
)

QUOTES = "It\u2019s a \u201cquiet\u201d day in the caf\u00e9, said Zo\u00eb. "
FRENCH = "Il \u00e9tait une fois une petite fille qui vivait pr\u00e8s de la for\u00eat. "
RUSSIAN = (
    "\u0416\u0438\u043b\u0438-\u0431\u044b\u043b\u0438 \u0434\u0435\u0434 \u0434\u0430 "
    "\u0431\u0430\u0431\u0430, \u0438 \u0431\u044b\u043b\u0430 \u0443 \u043d\u0438\u0445 "
    "\u043a\u0443\u0440\u043e\u0447\u043a\u0430 \u0420\u044f\u0431\u0430. "
)
CHINESE = (
    "\u4ece\u524d\u6709\u4e00\u53ea\u5c0f\u732b\uff0c\u5b83\u4f4f\u5728\u68ee\u6797\u91cc\u3002"
    "\u5b83\u6bcf\u5929\u90fd\u5f88\u5feb\u4e50\u3002\n"
)


def found(content: bytes) -> str | None:
    encoding = encoding_of(io.BytesIO(content))
    return None if encoding is None else encoding.name


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        (QUOTES, "cp1252", "WINDOWS-1252"),
        (FRENCH, "cp1252", "ISO-8859-1"),  # the same bytes in both
        (FRENCH, "latin-1", "ISO-8859-1"),
        (RUSSIAN, "cp1251", "WINDOWS-1251"),
        (RUSSIAN, "koi8-r", "KOI8-R"),
        (CHINESE, "gb18030", "GB18030"),
        *(
            (text, f"utf-16-{end}", f"UTF-16{end.upper()}")
            for text in (QUOTES, RUSSIAN, CHINESE)
            for end in ("le", "be")
        ),
        *((QUOTES, f"utf-32-{end}", f"UTF-32{end.upper()}") for end in ("le", "be")),
        (QUOTES, "utf-16", "UTF-16"),
        (QUOTES, "utf-32", "UTF-32"),
    ],
)
def test_encodings_are_named(text: str, codec: str, name: str) -> None:
    assert found((text * 40).encode(codec)) == name


def test_a_windows_character_far_behind_the_first_place_counts() -> None:
    content = (FRENCH * 30_000).encode("latin-1") + QUOTES.encode("cp1252")
    assert found(content) == "WINDOWS-1252"


def test_the_excerpt_shows_what_the_place_reads() -> None:
    encoding = encoding_of(io.BytesIO(("Once upon a time. " + QUOTES).encode("cp1252")))
    assert encoding is not None
    assert encoding.excerpt.startswith("It\u2019s a \u201cquiet\u201d")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ((QUOTES * 40).encode() + b"\xff" + QUOTES.encode(), "UTF-8"),  # one byte is damaged
        ((QUOTES * 40).encode()[:-300], None),  # nothing is wrong
        (b"words\0more words and more", None),
        ("Gr\u00fc\u00dfe\0 aus dem Caf\u00e9\0 in K\u00f6ln".encode(), None),
        (b"a bell\x07 and\0 an end", None),
        (bytes(range(256)) * 50, None),
        (bytes(10_000), None),
        (b"", None),
    ],
)
def test_damage_is_no_encoding(content: bytes, name: str | None) -> None:
    assert found(content) == name


@pytest.mark.skipif(shutil.which("iconv") is None, reason="needs iconv")
@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (QUOTES, "cp1252"),
        (FRENCH, "latin-1"),
        (RUSSIAN, "cp1251"),
        (CHINESE, "gb18030"),
        *((QUOTES, codec) for codec in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le")),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "my mother's $HOME.txt", "-f.txt"])
def test_the_command_of_the_hint_gives_the_text_and_keeps_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, codec: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    content = (text * 40).encode(codec)
    path = Path(name)
    path.write_bytes(content)
    hint = conversion_hint(encoding_of(io.BytesIO(content)), path)
    subprocess.run(hint.rpartition(": ")[2], shell=True, check=True)
    assert path.read_bytes() == content
    (new,) = set(tmp_path.iterdir()) - {tmp_path / name}
    assert new.name == f"{path.stem}-utf8.txt"
    assert new.read_text("utf-8") == text * 40
    assert "-utf8-2.txt" in conversion_hint(Encoding("UTF-16", ""), path)


@pytest.mark.parametrize(
    ("content", "is_text"),
    [
        (b"words\0more words", True),
        (QUOTES.encode() + bytes(4000), True),  # as after a crash
        ((QUOTES * 2000).encode()[: (1 << 16) + 1], True),
        (RUSSIAN.encode("utf-16-le"), False),
        (bytes(10_000), False),
        (bytes(range(256)) * 50, False),
        (b"", False),
    ],
)
def test_text_with_stray_zeros(content: bytes, is_text: bool) -> None:
    assert is_text_but_for_zeros(io.BytesIO(content)) is is_text


def test_hints_without_a_command() -> None:
    assert "save it as UTF-8" in conversion_hint(None, Path("a.txt"))
    assert (
        conversion_hint(Encoding("UTF-16", ""), None) == "pipe it through: iconv -f UTF-16 -t UTF-8"
    )


def test_a_packed_text_is_unpacked_on_the_way() -> None:
    hint = conversion_hint(
        Encoding("UTF-16", ""),
        Path("a b.txt.gz"),
        new=Path("a b.txt"),
        unpack="gzip -dc 'a b.txt.gz'",
    )
    assert hint.endswith("gzip -dc 'a b.txt.gz' | iconv -f UTF-16 -t UTF-8 > 'a b.txt'")


def test_marks() -> None:
    assert mark_of(codecs.BOM_UTF8) is None
    assert mark_of(codecs.BOM_UTF32_LE + b"a") == "UTF-32"
    assert mark_of(codecs.BOM_UTF16_LE + b"a") == "UTF-16"
    assert mark_of(codecs.BOM_UTF16_BE) == "UTF-16"


def test_names_that_are_free(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    assert free_name(tmp_path, "a", ".txt") == tmp_path / "a-2.txt"
    assert free_name(tmp_path, "b", ".txt") == tmp_path / "b.txt"
