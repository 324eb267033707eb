"""Plain text files: separators, line ends, marks, and text that is no UTF-8."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slm.data.documents import whole_stories
from slm.data.readers.data_file import DataFile
from slm.data.readers.text import read_text_file
from slm.errors import DataError

EOT = "<|endoftext|>"
REAL = Path(__file__).resolve().parents[5] / "shared" / "tinystories" / "validation.txt"


def stories(path: Path, block_bytes: int = 1 << 20, part_chars: int = 1 << 20) -> list[str]:
    return list(
        whole_stories(
            read_text_file(DataFile(path), block_bytes=block_bytes, part_chars=part_chars)
        )
    )


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "text.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (f"one\n{EOT}\ntwo\n{EOT}\n", ["one", "two"]),
        (f"one\n{EOT}\ntwo", ["one", "two"]),
        (f"one\n{EOT}\ntwo\n", ["one", "two"]),
        (f"one\n{EOT}", ["one"]),
        (f"{EOT}\none\n{EOT}\n", ["one"]),
        (f"one\n\n{EOT}\n\ntwo\n{EOT}\n", ["one\n", "\ntwo"]),
        (f"one\n{EOT}\n \n{EOT}\n{EOT}\ntwo\n", ["one", "two"]),
        (f"say {EOT}\n{EOT} said\nx{EOT}\n{EOT} \n", ["say", "said\nx"]),
        ("kept exactly \n\n", ["kept exactly \n\n"]),
        (EOT, []),
        ("", []),
        (" \n\n ", []),
        (f"a\r\nb\r\n{EOT}\r\nc\rd\r\n", ["a\nb", "c\rd"]),
        ("\ufeffmarked", ["marked"]),
        (f"\ufeff{EOT}\nmarked\n", ["marked"]),
        ("no mark: \ufeff", ["no mark: \ufeff"]),
        (f"one\n{EOT}\n\ufefftwo\r\n\ufeffend", ["one", "two\nend"]),  # joined files
        ("\ufeff\ufeff\r\r\n\ufeffa", ["\r\na"]),
    ],
)
@pytest.mark.parametrize("block_bytes", [1, 2, 3, 7, 1 << 20])
def test_documents_of_a_file(
    tmp_path: Path, content: str, expected: list[str], block_bytes: int
) -> None:
    assert stories(write(tmp_path, content), block_bytes) == expected


@settings(deadline=None, max_examples=60)
@given(
    parts=st.lists(
        st.sampled_from(
            [EOT, EOT + "\n", "\n" + EOT + "\n", "\n", " ", "word", "é", "<|", "\t" * 70, "</s>"]
            + ["<|startoftext|>", '"', ".", ",", "<s>"]
        ),
        max_size=60,
    ),
    block_bytes=st.integers(1, 40),
)
def test_blocks_and_pieces_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], block_bytes: int
) -> None:
    path = write(tmp_path_factory.mktemp("text"), "".join(parts))
    assert stories(path, block_bytes, part_chars=150) == stories(path)


def test_a_long_document_comes_in_pieces_that_are_not_long(tmp_path: Path) -> None:
    text = "word and word\n" * 2000
    path = write(tmp_path, text + f"{EOT}\nend\n")
    parts = list(read_text_file(DataFile(path), block_bytes=100, part_chars=500))
    assert max(len(part.text) for part in parts) <= 1100
    assert sum(part.ends_story for part in parts) == 2
    assert list(whole_stories(parts)) == [text.removesuffix("\n"), "end"]


@pytest.mark.parametrize("block_bytes", [1, 2, 5, 1 << 20])
def test_invalid_utf8_is_refused_with_its_byte(tmp_path: Path, block_bytes: int) -> None:
    path = write(tmp_path, "héllo ".encode() + b"\xff rest")
    with pytest.raises(DataError, match=r"is not UTF-8: .* at byte 7") as caught:
        stories(path, block_bytes)
    assert "iconv" in str(caught.value.hint)


def test_a_character_cut_off_at_the_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at byte 1"):
        stories(write(tmp_path, b"a\xe2\x82"))


def test_utf16_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="UTF-16") as caught:
        stories(write(tmp_path, "text".encode("utf-16")))
    assert "UTF-16" in str(caught.value.hint)


def test_a_file_that_vanished_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        stories(tmp_path / "gone.txt")


@pytest.mark.skipif(not REAL.exists(), reason="needs the shared TinyStories text")
def test_real_tinystories_counts() -> None:
    found = stories(REAL)
    assert len(found) == 1000
    assert sum(len(story.encode()) for story in found) == 831_103


@pytest.mark.parametrize("block_bytes", [2, 1 << 20])
def test_zero_bytes_are_no_text(tmp_path: Path, block_bytes: int) -> None:
    with pytest.raises(DataError, match="not text: byte 5 is zero"):
        stories(write(tmp_path, "words\0more"), block_bytes)
