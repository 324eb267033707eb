from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from slm.errors import ConfigError
from slm.tokenizer import (
    TokenizerSpec,
    build_tokenizer,
    expected_size,
    needs_corpus,
    parse_tokenizer,
    save_tokenizer,
)
from slm.tokenizer.byte_level import BytesTokenizer


def no_texts() -> Iterable[str]:
    raise AssertionError("the corpus was asked for without need")


@pytest.mark.parametrize(
    ("spec", "size"),
    [("gpt2", 50257), ("gpt2:257", 257), ("gpt2-8k", 8192), ("bpe:300", 300), ("bytes", 257)],
)
def test_the_size_is_known_before_it_is_made(spec: str, size: int) -> None:
    assert expected_size(spec) == size


def test_the_size_of_a_saved_tokenizer_is_its_own(tmp_path: Path) -> None:
    save_tokenizer(BytesTokenizer(), tmp_path / "tokenizer.json")
    assert expected_size(str(tmp_path)) == 257
    with pytest.raises(ConfigError, match="nowhere"):
        expected_size("nowhere")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("gpt2", TokenizerSpec("gpt2")),
        ("gpt2:50257", TokenizerSpec("gpt2", 50257)),
        ("gpt2-8k", TokenizerSpec("trimmed-gpt2", 8192)),
        ("gpt2-16k", TokenizerSpec("trimmed-gpt2", 16384)),
        ("gpt2:8192", TokenizerSpec("trimmed-gpt2", 8192)),
        ("gpt2:257", TokenizerSpec("trimmed-gpt2", 257)),
        ("bpe:4096", TokenizerSpec("bpe", 4096)),
        ("bytes", TokenizerSpec("bytes")),
        ("chars", TokenizerSpec("chars")),
    ],
)
def test_known_specifications(spec: str, expected: TokenizerSpec) -> None:
    assert parse_tokenizer(spec) == expected


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("gpt-8k", "did you mean gpt2-8k"),
        ("byte", "did you mean bytes"),
        ("bpe", "known kinds"),
        ("bpe:", "bpe:4096"),
        ("bpe:4k", "bpe:4096"),
        ("bpe:-5", "known kinds"),
        ("gpt2:", "gpt2:8192"),
        ("", "known kinds"),
        ("no/such/tokenizer.json", "known kinds"),
        ("x" * 5000, "known kinds"),
        ("a\0b", "known kinds"),
        ("bpe:٤٠٩٦", "known kinds"),
    ],
)
def test_unknown_specifications_get_a_suggestion(spec: str, hint: str) -> None:
    with pytest.raises(ConfigError, match="neither a known kind nor a file") as caught:
        parse_tokenizer(spec)
    assert caught.value.hint is not None
    assert hint in caught.value.hint or caught.value.hint.startswith("did you mean")


@pytest.mark.parametrize("spec", ["bpe:256", "bpe:0", "bpe:999999999", "gpt2:256", "gpt2-64k"])
def test_impossible_sizes(spec: str) -> None:
    with pytest.raises(ConfigError, match="must be between 257"):
        parse_tokenizer(spec)


def test_paths_are_files_or_folders_that_hold_one(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    with pytest.raises(ConfigError):
        parse_tokenizer(str(tmp_path))
    save_tokenizer(BytesTokenizer(), file)
    assert parse_tokenizer(str(file)) == TokenizerSpec("file", path=file)
    assert build_tokenizer(str(tmp_path), no_texts).name == "bytes"


def test_the_corpus_is_asked_for_only_when_needed() -> None:
    assert [s for s in ("gpt2", "gpt2-8k", "bpe:300", "bytes", "chars") if needs_corpus(s)] == [
        "gpt2-8k",
        "bpe:300",
        "chars",
    ]
    assert build_tokenizer("bytes", no_texts).vocab_size == 257


@pytest.mark.usefixtures("gpt2")
@pytest.mark.parametrize(
    ("spec", "name", "vocab_size"),
    [
        ("gpt2", "gpt2", 50257),
        ("gpt2:2048", "gpt2-2k", 2048),
        ("bpe:300", "bpe:300", 300),
        ("bytes", "bytes", 257),
    ],
)
def test_tokenizers_are_built(corpus: list[str], spec: str, name: str, vocab_size: int) -> None:
    tokenizer = build_tokenizer(spec, lambda: corpus)
    assert (tokenizer.name, tokenizer.vocab_size) == (name, vocab_size)


def test_chars_are_built_from_the_corpus() -> None:
    assert build_tokenizer("chars", lambda: ["abc"]).vocab_size == 3 + 257
