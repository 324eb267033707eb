"""Byte-pair vocabularies of SentencePiece, given by tokens and scores, as a `tokenizer.json`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from slm.errors import TokenizerError
from slm.interop.tokenizer_json import added_tokens, beginning
from slm.tokenizer.imported import SPACE, ImportedTokenizer

UNKNOWN_ID = 0
SPECIAL_IDS = (UNKNOWN_ID, 1, 2)
"""`<unk>`, `<s>` and `</s>` where nothing else is said."""


def sentencepiece_tokenizer(
    name: str,
    tokens: Sequence[tuple[str, float]],
    *,
    eot_id: int,
    bos_id: int | None = None,
    add_space: bool = True,
    adds_beginning: bool = True,
    special: Collection[int] = SPECIAL_IDS,
    unknown_id: int | None = UNKNOWN_ID,
) -> ImportedTokenizer:
    """A tokenizer that joins the pair whose union has the highest score, again and again.

    Args:
        name: what it is called.
        tokens: text and score of each id, with spaces or SentencePiece's sign for them, and bytes
            as `<0x41>`.
        eot_id: the id that ends a text.
        bos_id: the id that begins a text; None: `eot_id`.
        add_space: whether a space is put in front of a text.
        adds_beginning: whether the original puts the id that begins a text in front of it.
        special: ids that are no text.
        unknown_id: the id of what has no token; None: there is none.

    Raises:
        TokenizerError: the library refuses the vocabulary, or the scores give no order.
    """
    pieces = [text.replace(" ", SPACE) for text, _ in tokens]
    vocabulary: dict[str, int] = {}
    for token_id, piece in enumerate(pieces):
        vocabulary.setdefault(piece, token_id)
    for token_id, piece in enumerate(pieces):  # a second one of a name is never written
        if vocabulary[piece] != token_id:
            vocabulary[f"<duplicate {token_id}>"] = token_id
    pairs: list[tuple[float, int, str, str]] = []
    for token_id, piece in enumerate(pieces):
        is_byte = piece.startswith("<0x") and len(piece) == 6
        if token_id in special or vocabulary[piece] != token_id or is_byte:
            continue
        splits = [(piece[:at], piece[at:]) for at in range(1, len(piece))]
        pairs += [
            (-tokens[token_id][1], token_id, first, second)
            for first, second in splits
            if first in vocabulary and second in vocabulary
        ]
    _require_order(pairs)
    pairs.sort(key=lambda pair: pair[:2])
    unknown = None
    if unknown_id is not None and 0 <= unknown_id < len(pieces):
        unknown = pieces[unknown_id]
    space: list[dict[str, Any]] = [{"type": "Prepend", "prepend": SPACE}] if add_space else []
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    restore = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
    strip = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if add_space else []
    definition: dict[str, Any] = {
        "version": "1.0",
        "added_tokens": added_tokens(
            {i: pieces[i] for i in sorted(special) if i < len(pieces)}, special=True
        ),
        "normalizer": {"type": "Sequence", "normalizers": [*space, replace]},
        "decoder": {
            "type": "Sequence",
            "decoders": [restore, {"type": "ByteFallback"}, {"type": "Fuse"}, *strip],
        },
        "model": {
            "type": "BPE",
            "unk_token": unknown,
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": vocabulary,
            "merges": [[first, second] for _, _, first, second in pairs],
        },
    }
    first_id = eot_id if bos_id is None else bos_id
    if adds_beginning and 0 <= first_id < len(pieces):  # other ids are refused below
        definition["post_processor"] = beginning(pieces[first_id], first_id)
    return ImportedTokenizer(name, definition, eot_id=eot_id, bos_id=bos_id)


def _require_order(pairs: Sequence[tuple[float, int, str, str]]) -> None:
    """Refuse scores that are mostly equal: the program that wrote them did not know the real ones.

    llama.cpp's converter writes such files where it finds no `tokenizer.model`.
    """
    unions = {token_id: score for score, token_id, _, _ in pairs}
    if len(set(unions.values())) < len(unions) / 2:
        raise TokenizerError(
            f"{len(unions):,} tokens have only {len(set(unions.values())):,} different scores, "
            "so the order in which they are joined is lost",
            hint="import the transformers folder that the file was made from",
        )
