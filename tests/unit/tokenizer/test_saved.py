from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from slm.errors import TokenizerError, WriteError
from slm.tokenizer import Tokenizer, load_tokenizer, save_tokenizer, saved, tokenizer_from_json
from slm.tokenizer.byte_level import BytesTokenizer
from slm.tokenizer.byte_pair import BytePairTokenizer


def test_a_saved_tokenizer_comes_back_the_same(any_tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    save_tokenizer(any_tokenizer, path)
    for loaded in (load_tokenizer(path), load_tokenizer(tmp_path)):
        assert type(loaded) is type(any_tokenizer)
        assert loaded.name == any_tokenizer.name
        assert loaded.fingerprint == any_tokenizer.fingerprint
        assert loaded.vocab_size == any_tokenizer.vocab_size
        text = "Once upon a time… 🙂 <|endoftext|>\n"
        assert loaded.encode(text) == any_tokenizer.encode(text)


def test_json_data_makes_the_same_tokenizer(any_tokenizer: Tokenizer) -> None:
    data = json.loads(json.dumps(any_tokenizer.to_json()))
    assert tokenizer_from_json(data).fingerprint == any_tokenizer.fingerprint


def test_the_name_is_kept_but_is_no_part_of_the_fingerprint(bpe: BytePairTokenizer) -> None:
    renamed = tokenizer_from_json({**bpe.to_json(), "name": "mine"})
    assert renamed.name == "mine"
    assert renamed.fingerprint == bpe.fingerprint


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="missing"):
        save_tokenizer(BytesTokenizer(), tmp_path / "missing" / "tokenizer.json")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 10_000, "not JSON"),
        (b'{"a":' * 10_000, "not JSON"),
        (b"9" * 10_000, "not JSON"),
        (b'{"version": 1e999}', "not JSON"),
        (b'{"a": 1, "a": 1}', "not JSON"),
        (b"[]", "format"),
        (b"null", "format"),
        (b"{}", "format"),
        (b'{"format": "slm-checkpoint"}', "format"),
    ],
)
def test_damaged_files_are_named_with_their_problem(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(TokenizerError, match=problem) as caught:
        load_tokenizer(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


ONE_BYTE = base64.b64encode(b"a").decode()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"version": 2}, '"version" is 2, not 1'),
        ({"version": None}, '"version" is missing'),
        ({"version": [1]}, '"version" is a list'),
        ({"kind": "wordpiece"}, "kind"),
        ({"kind": {}}, "kind"),
        ({"name": None}, "name"),
        ({"name": 7}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "\x1b[31mred"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"pattern": None}, "pattern"),
        ({"pattern": "(a+)+$"}, "pattern"),
        ({"tokens": None}, '"tokens" are missing'),
        ({"tokens": "YQ=="}, "tokens"),
        ({"tokens": {}}, '"tokens" are a dict'),
        ({"tokens": []}, "lacks 256 of the 256 single bytes"),
        ({"tokens": [ONE_BYTE]}, "lacks 255 of the 256 single bytes"),
        ({"tokens": [ONE_BYTE, ONE_BYTE]}, "repeated"),
        ({"tokens": [""]}, "empty"),
        ({"tokens": ["*"]}, "token 0 is not base64"),
        ({"tokens": ["é"]}, "token 0 is not base64"),
        ({"tokens": [97]}, "token 0 is not base64"),
        ({"tokens": [None]}, "token 0 is not base64"),
        ({"tokens": nested(500)}, "token 0 is not base64"),
        ({"kind": "chars", "characters": None}, "characters"),
        ({"kind": "chars", "characters": ["a"]}, "characters"),
        ({"kind": "chars", "characters": "\ud800"}, "lone surrogate"),
        ({"kind": "chars", "characters": "ba"}, "code point order"),
        ({"kind": "chars", "characters": "aa"}, "repeated"),
    ],
)
def test_wrong_contents_are_named(
    bpe: BytePairTokenizer, tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({**bpe.to_json(), **change}), encoding="utf-8")
    with pytest.raises(TokenizerError, match=problem) as caught:
        load_tokenizer(path)
    assert str(path) in caught.value.message


def test_missing_files_and_folders_without_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match="cannot read the tokenizer"):
        load_tokenizer(tmp_path / "absent.json")
    with pytest.raises(TokenizerError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path)


def test_huge_files_are_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved, "LARGEST_FILE_BYTES", 1 << 20)
    path = tmp_path / "huge.json"
    path.write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(TokenizerError, match="larger than 1,048,576 bytes"):
        load_tokenizer(path)


def test_huge_vocabularies_are_not_decoded(
    bpe: BytePairTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> bytes:
        raise AssertionError("nothing may be decoded")

    monkeypatch.setattr(base64, "b64decode", refuse)
    for tokens, problem in [
        ([ONE_BYTE] * ((1 << 20) + 1), '"tokens" are 1,048,577, more than 1,048,576'),
        ([ONE_BYTE * 2000], "token 0 is longer than 4,096 characters"),
    ]:
        with pytest.raises(TokenizerError, match=problem):
            tokenizer_from_json({**bpe.to_json(), "tokens": tokens})
    with pytest.raises(TokenizerError, match="more than Unicode has"):
        tokenizer_from_json({**bpe.to_json(), "kind": "chars", "characters": "a" * 0x110001})


def test_a_text_will_do_for_a_path(any_tokenizer: Tokenizer, tmp_path: Path) -> None:
    save_tokenizer(any_tokenizer, tmp_path / "tokenizer.json")
    for place in (tmp_path, tmp_path / "tokenizer.json"):
        assert load_tokenizer(str(place)).fingerprint == any_tokenizer.fingerprint


@pytest.mark.parametrize("name", ["x" * 10_000, "a\0b"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(TokenizerError, match="cannot read the tokenizer"):
        load_tokenizer(name)


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_a_pipe_never_keeps_us_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tokenizer.json")
    with pytest.raises(TokenizerError, match="not a regular file"):
        load_tokenizer(tmp_path)
