from __future__ import annotations

from slm.tokenizer.byte_level import BytesTokenizer


def test_ids_are_utf8_bytes() -> None:
    tokenizer = BytesTokenizer()
    assert tokenizer.vocab_size == 257
    assert tokenizer.encode("aé🙂") == [0x61, 0xC3, 0xA9, 0xF0, 0x9F, 0x99, 0x82]
    assert tokenizer.token_bytes(0xC3) == b"\xc3"
