"""What every tokenizer promises, checked on every kind."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from slm.errors import TokenizerError
from slm.tokenizer import EOT_TEXT, Tokenizer
from slm.tokenizer.base import fingerprint_of

any_text = st.text() | st.text(alphabet="aé \n\t'<|endoftext|>st1漢🙂")


@settings(deadline=None, max_examples=150)
@given(text=any_text)
@example(text="")
@example(text="\0\ud7ff\ue000\U0010ffff")
@example(text="\x7f\x80\u07ff\u0800\uffff\U00010000")
@example(text="x \u3000\u00a0\x1c\r\n  y  ")
def test_round_trip_of_any_text(any_tokenizer: Tokenizer, text: str) -> None:
    ids = any_tokenizer.encode(text)
    assert any_tokenizer.decode(ids) == text
    assert any_tokenizer.decode_bytes(ids) == text.encode("utf-8")
    assert all(0 <= token_id < any_tokenizer.eot_id for token_id in ids)


@settings(deadline=None, max_examples=50)
@given(texts=st.lists(any_text, max_size=6))
@example(texts=[EOT_TEXT, "", "<|endoftext|", "|>"])
@example(texts=["", ""])
def test_encode_batch_equals_encode(any_tokenizer: Tokenizer, texts: list[str]) -> None:
    batch = any_tokenizer.encode_batch(texts)
    assert [ids.tolist() for ids in batch] == [any_tokenizer.encode(text) for text in texts]
    assert all(ids.dtype == np.uint32 and ids.flags.writeable for ids in batch)


@pytest.mark.parametrize("text", ["\ud800", "fine until \udfff here", EOT_TEXT + "\udc80"])
def test_a_lone_surrogate_is_refused(any_tokenizer: Tokenizer, text: str) -> None:
    with pytest.raises(TokenizerError, match=r"lone surrogate U\+D"):
        any_tokenizer.encode(text)
    with pytest.raises(TokenizerError, match=r"lone surrogate U\+D"):
        any_tokenizer.encode_batch(["good", text])


def test_special_token_text_is_plain_text(any_tokenizer: Tokenizer) -> None:
    ids = any_tokenizer.encode(f"a{EOT_TEXT}b")
    assert any_tokenizer.eot_id not in ids
    assert any_tokenizer.decode(ids) == f"a{EOT_TEXT}b"


def test_end_of_text_is_the_last_id_and_stands_for_nothing(any_tokenizer: Tokenizer) -> None:
    assert any_tokenizer.eot_id == any_tokenizer.vocab_size - 1
    assert any_tokenizer.token_bytes(any_tokenizer.eot_id) == b""
    ids = [any_tokenizer.eot_id, *any_tokenizer.encode("hi"), any_tokenizer.eot_id]
    assert any_tokenizer.decode(ids) == "hi"


def test_decoding_takes_arrays_and_split_characters(any_tokenizer: Tokenizer) -> None:
    ids = [any_tokenizer.encode("🙂")[0]]
    assert any_tokenizer.decode_bytes(np.array(ids, dtype=np.uint16)) == b"".join(
        any_tokenizer.token_bytes(token_id) for token_id in ids
    )
    byte_ids = {any_tokenizer.token_bytes(i): i for i in range(any_tokenizer.eot_id)}
    assert any_tokenizer.decode([byte_ids[b"\xf0"], byte_ids[b"\x9f"]]) == "\ufffd"
    whole = [byte_ids[bytes([value])] for value in "🙂".encode()]
    assert any_tokenizer.decode(whole) == "🙂"


@pytest.mark.parametrize("offset", [0, 1000])
def test_ids_outside_the_vocabulary_are_refused(any_tokenizer: Tokenizer, offset: int) -> None:
    for wrong in (any_tokenizer.vocab_size + offset, -1 - offset):
        with pytest.raises(TokenizerError, match="not in the vocabulary"):
            any_tokenizer.token_bytes(wrong)
        with pytest.raises(TokenizerError, match="not in the vocabulary"):
            any_tokenizer.decode([0, wrong])


def test_fingerprint_ignores_the_name_and_nothing_else() -> None:
    description = {"kind": "bytes", "name": "a", "tokens": ["x"]}
    assert fingerprint_of(description) == fingerprint_of({**description, "name": "b"})
    assert fingerprint_of(description) != fingerprint_of({**description, "tokens": ["y"]})


def test_fingerprints_of_all_kinds_differ(
    gpt2: Tokenizer, trimmed: Tokenizer, bpe: Tokenizer, chars: Tokenizer
) -> None:
    assert len({t.fingerprint for t in (gpt2, trimmed, bpe, chars)}) == 4


def test_importing_loads_neither_torch_nor_the_heavy_libraries() -> None:
    code = (
        "import sys, slm.tokenizer\n"
        "print({'torch', 'tokenizers', 'tiktoken', 'datasets'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
