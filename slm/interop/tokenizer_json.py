"""A tokenizer in the form of the `tokenizers` library: the `tokenizer.json` of Hugging Face.

The ids are exactly ours. An imported tokenizer leaves as it came. Of our own, byte-pair
vocabularies become byte-level BPE with GPT-2's split; bytes become the same without merges;
characters become BPE without merges whose unknown characters fall back to bytes. Encoding a text
with special tokens puts the end-of-text token in front, which is where our models begin. The
format: https://huggingface.co/docs/tokenizers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slm.errors import TokenizerError
from slm.interop.byte_level_splits import GPT2, ByteLevelSplit
from slm.tokenizer.base import EOT_TEXT, Tokenizer
from slm.tokenizer.byte_level import BytesTokenizer
from slm.tokenizer.byte_pair import BytePairTokenizer, byte_symbols
from slm.tokenizer.chars import CharsTokenizer
from slm.tokenizer.imported import ImportedTokenizer

if TYPE_CHECKING:
    import tokenizers


def byte_level_symbols(tokens: Sequence[bytes]) -> list[str]:
    """Tokens in GPT-2's printable stand-ins, one character per byte."""
    symbol_of = {byte: symbol for symbol, byte in byte_symbols().items()}
    return ["".join(symbol_of[byte] for byte in token) for token in tokens]


def byte_level_merges(tokenizer: BytePairTokenizer) -> list[tuple[str, str]]:
    """All pairs that give a token, in the order of the tokens, in GPT-2's stand-ins.

    Our ids come from joining any two neighbors whose union is a token. Programs that know merges
    join the listed pairs only. So every split of a token into two tokens is listed, which also
    covers a trimmed vocabulary, where merges of the full one are missing. The first pair of a token
    is the one that GPT-2's own table lists.
    """
    rank_of = {token: rank for rank, token in enumerate(tokenizer.ranks)}
    pairs = []
    for token in tokenizer.ranks:
        splits = [(token[:at], token[at:]) for at in range(1, len(token))]
        known = [(a, b) for a, b in splits if a in rank_of and b in rank_of]
        pairs += sorted(known, key=lambda pair: (rank_of[pair[0]], rank_of[pair[1]]))
    firsts = byte_level_symbols([first for first, _ in pairs])
    seconds = byte_level_symbols([second for _, second in pairs])
    return list(zip(firsts, seconds, strict=True))


def byte_fallback_tokens(tokenizer: CharsTokenizer) -> list[str]:
    """The tokens of a character vocabulary, with bytes written as `<0x41>`."""
    return [*tokenizer.characters, *(f"<0x{byte:02X}>" for byte in range(256))]


def to_tokenizers(tokenizer: Tokenizer) -> tokenizers.Tokenizer:
    """The same tokenizer as an object of the `tokenizers` library.

    Raises:
        TokenizerError: the library has no form for this kind.
    """
    from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors
    from tokenizers import Tokenizer as Fast

    if isinstance(tokenizer, ImportedTokenizer):
        return Fast.from_str(json.dumps(tokenizer.definition))
    if isinstance(tokenizer, CharsTokenizer):
        vocabulary = _ids(byte_fallback_tokens(tokenizer))
        fast = Fast(models.BPE(vocabulary, [], byte_fallback=True))
        # Long words would take quadratic time; no merge crosses characters anyway.
        fast.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        fast.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    elif isinstance(tokenizer, BytesTokenizer | BytePairTokenizer):
        is_bytes = isinstance(tokenizer, BytesTokenizer)
        merges = [] if isinstance(tokenizer, BytesTokenizer) else byte_level_merges(tokenizer)
        fast = Fast(models.BPE(_ids(byte_level_symbols(token_bytes(tokenizer))), merges))
        fast.pre_tokenizer = pre_tokenizers.ByteLevel(
            add_prefix_space=False, use_regex=not is_bytes
        )
        fast.decoder = decoders.ByteLevel()
    else:
        raise TokenizerError(f"a {type(tokenizer).__name__} has no form as tokenizer.json")
    fast.add_special_tokens([AddedToken(EOT_TEXT, special=True, normalized=False)])
    assert fast.token_to_id(EOT_TEXT) == tokenizer.eot_id
    fast.post_processor = processors.TemplateProcessing(
        single=f"{EOT_TEXT} $A",
        pair=f"{EOT_TEXT} $A {EOT_TEXT} $B:1",
        special_tokens=[(EOT_TEXT, tokenizer.eot_id)],
    )
    return fast


def token_text(tokenizer: Tokenizer, token_id: int) -> str:
    """How the token that begins or ends a text is written."""
    if isinstance(tokenizer, ImportedTokenizer):
        return next((t for t, found in tokenizer.vocabulary().items() if found == token_id), "")
    return EOT_TEXT


def tokenizer_config(tokenizer: Tokenizer, block_size: int) -> dict[str, Any]:
    """The contents of `tokenizer_config.json` next to a `tokenizer.json`."""
    ends = token_text(tokenizer, tokenizer.eot_id)
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": token_text(tokenizer, tokenizer.bos_id),
        "eos_token": ends,
        "pad_token": ends,
        "unk_token": None,
        "clean_up_tokenization_spaces": False,
        "model_max_length": block_size,
        "padding_side": "left",
    }


def token_bytes(tokenizer: Tokenizer) -> list[bytes]:
    """The bytes of every token but the end-of-text token, by id."""
    return [tokenizer.token_bytes(token_id) for token_id in range(tokenizer.vocab_size - 1)]


def _ids(tokens: Sequence[str]) -> dict[str, int]:
    return {token: token_id for token_id, token in enumerate(tokens)}


def added_tokens(contents: Mapping[int, str], *, special: bool) -> list[dict[str, Any]]:
    """Entries of the `added_tokens` of a `tokenizer.json`.

    Args:
        contents: by id.
        special: whether they are not text, so that no text gives them.
    """
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return [
        {"id": token_id, "content": content, **plain, "special": special}
        for token_id, content in contents.items()
    ]


def beginning(token: str, token_id: int) -> dict[str, Any]:
    """The `post_processor` of a `tokenizer.json` that puts a token in front of every text."""

    def special(type_id: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token, "type_id": type_id}}

    def text(name: str, type_id: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": type_id}}

    return {
        "type": "TemplateProcessing",
        "single": [special(0), text("A", 0)],
        "pair": [special(0), text("A", 0), special(1), text("B", 1)],
        "special_tokens": {token: {"id": token, "ids": [token_id], "tokens": [token]}},
    }


def byte_level_definition(
    vocabulary: Mapping[str, int],
    merges: Sequence[str],
    added: Sequence[Mapping[str, Any]],
    split: ByteLevelSplit = GPT2,
) -> dict[str, Any]:
    """A `tokenizer.json` of byte-level BPE.

    Args:
        vocabulary: tokens in GPT-2's stand-ins to their ids.
        merges: pairs with a space between them, in order.
        added: tokens that are found before a text is split, see `added_tokens`.
        split: of a text into words.
    """
    model = {"type": "BPE", "vocab": dict(vocabulary), "merges": list(merges)}
    return {
        "version": "1.0",
        "added_tokens": list(added),
        "pre_tokenizer": split.pre_tokenizer,
        "decoder": GPT2.pre_tokenizer,
        "model": {**model, "ignore_merges": True} if split.ignores_merges else model,
    }
