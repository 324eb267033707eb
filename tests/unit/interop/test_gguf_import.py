"""GGUF files are not trusted: damage, sizes beyond all memory, fields of other types."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slm.errors import CheckpointError, ConfigError, SlmError, TokenizerError
from slm.interop.export import export
from slm.interop.gguf_file import GGUFFile
from slm.interop.importing import import_model
from slm.interop.sentencepiece import sentencepiece_tokenizer
from slm.interop.tokenizer_json import to_tokenizers
from tests.interop_models import model_of, source_of, tokenizer


def test_a_damaged_gguf_file_is_refused(tmp_path: Path) -> None:
    words = tokenizer("bytes")
    export(source_of(model_of("llama-tied", words.vocab_size), words), "gguf", tmp_path / "m.gguf")
    whole = (tmp_path / "m.gguf").read_bytes()
    for size in (4, 30, 400, len(whole) // 2):
        (tmp_path / "cut.gguf").write_bytes(whole[:size])
        with pytest.raises(SlmError):
            import_model(str(tmp_path / "cut.gguf"))


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("<4sIQQ", b"GGUF", 3, 2**60, 0),
        struct.pack("<4sIQQ", b"GGUF", 3, 0, 2**60),
        struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, 2**62),
        # An array of 2^60 bytes: readers that look at each one take all memory.
        struct.pack("<4sIQQQsIIQ", b"GGUF", 3, 0, 1, 1, b"k", 9, 0, 2**60),
        struct.pack("<4sIQQQsI4Q", b"GGUF", 3, 1, 0, 1, b"k", 4, *[2**62] * 4) + bytes(12),
    ],
)
def test_sizes_of_a_gguf_file_are_checked_before_anything_is_made(
    header: bytes, tmp_path: Path
) -> None:
    (tmp_path / "m.gguf").write_bytes(header + bytes(64))
    with pytest.raises(SlmError):
        import_model(str(tmp_path / "m.gguf"))


@pytest.mark.parametrize(
    ("spec", "field", "value"),
    [
        *((spec, "tokens", value) for spec in ("bytes", "chars") for value in (7, [7] * 257)),
        *((spec, "bos_token_id", value) for spec in ("bytes", "chars") for value in ("1", 10**9)),
        *((spec, "eos_token_id", value) for spec in ("bytes", "chars") for value in ([1], -1)),
        *(("chars", "scores", value) for value in (None, ["0"], 0.5)),
        *(("chars", "token_type", value) for value in ([3] * 9999, [2.0], 1)),
        *(("bytes", "token_type", value) for value in (["1"] * 257, 1)),
        *(("bytes", "merges", value) for value in ([1, 2], "a b")),
    ],
)
def test_a_gguf_tokenizer_of_other_types_is_refused(
    spec: str, field: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The type of each field is given in the file."""
    words = tokenizer(spec)
    export(source_of(model_of("llama", words.vocab_size), words), "gguf", tmp_path / "m.gguf")
    plain = GGUFFile.__init__

    def changed_on_reading(file: GGUFFile, path: Path) -> None:
        plain(file, path)
        file.fields[f"tokenizer.ggml.{field}"] = value

    monkeypatch.setattr(GGUFFile, "__init__", changed_on_reading)
    with pytest.raises((TokenizerError, CheckpointError)):
        import_model(str(tmp_path / "m.gguf"))


@pytest.mark.parametrize("spec", ["bpe:600", "bytes", "chars"])
def test_texts_come_back(spec: str, tmp_path: Path) -> None:
    """A character vocabulary begins with blanks, where SentencePiece's has `<unk>` and `<s>`."""
    words = tokenizer(spec)
    export(source_of(model_of("llama", words.vocab_size), words), "gguf", tmp_path / "m.gguf")
    back = import_model(str(tmp_path / "m.gguf")).tokenizer
    for text in ('Once upon a time!\n\n  "Hello", said Mia é', "<|endoftext|> \0\1 \U0001f600"):
        ids = words.encode(text)
        assert back.encode(text) == ids
        assert back.decode(ids) == text
    fast = to_tokenizers(back)
    ids = [words.bos_id, *words.encode("Once! a\n")]
    assert fast.encode("Once! a\n").ids == ids
    assert fast.decode([*ids, words.eot_id], skip_special_tokens=True) == "Once! a\n"


def test_equal_scores_are_refused() -> None:
    specials = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0)]
    letters = [(letter, 0.0) for letter in "abcd"]
    ordered = [*specials, *letters, ("ab", -1.0), ("bc", -2.0), ("abc", -3.0)]
    tokenizer = sentencepiece_tokenizer("real", ordered, eot_id=2, add_space=False)
    assert tokenizer.encode("abc") == [9]
    lost = [*specials, *letters, ("ab", -1000.0), ("bc", -1000.0), ("abc", -1000.0)]
    with pytest.raises(TokenizerError, match="3 tokens have only 1 different scores") as caught:
        sentencepiece_tokenizer("made up", lost, eot_id=2)
    assert "transformers folder" in str(caught.value.hint)


@pytest.mark.parametrize(("values", "is_plain"), [([1.0, 1.0], True), ([1.0, 8.0], False)])
def test_scaled_positions_are_refused(
    values: list[float], is_plain: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Converters write those of Llama 3.1 as factors, without a type of scaling."""
    words = tokenizer("bytes")
    export(source_of(model_of("llama", words.vocab_size), words), "gguf", tmp_path / "m.gguf")
    original, found = GGUFFile.__init__, GGUFFile.values

    def with_factors(file: GGUFFile, path: Path) -> None:
        original(file, path)
        file.tensors = {**file.tensors, "rope_freqs.weight": next(iter(file.tensors.values()))}

    def values_of(file: GGUFFile, name: str) -> Any:
        factors = np.array(values, dtype=np.float32)
        return factors if name == "rope_freqs.weight" else found(file, name)

    monkeypatch.setattr(GGUFFile, "__init__", with_factors)
    monkeypatch.setattr(GGUFFile, "values", values_of)
    if is_plain:
        import_model(str(tmp_path / "m.gguf"))
        return
    with pytest.raises(ConfigError, match="scaled rotary positions"):
        import_model(str(tmp_path / "m.gguf"))
