"""A tokenizer of another project: the `tokenizers` library runs its `tokenizer.json`.

The ids are unchanged. The bytes of each token, which we also need, depend on its kind: byte-level
BPE (GPT-2, Qwen), BPE with byte fallback (Llama, SentencePiece), or WordPiece, which is not
lossless.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from slm.errors import TokenizerError, shown
from slm.tokenizer.base import Ids
from slm.tokenizer.byte_pair import byte_symbols
from slm.tokenizer.table import TokenTable, invalid_unicode

if TYPE_CHECKING:
    import tokenizers

KIND = "imported"
SPACE = "\u2581"
"""SentencePiece's sign for a space."""
MAX_TOKENS = 1 << 20

Style = Literal["byte-level", "byte-fallback", "wordpiece"]
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class ImportedTokenizer(TokenTable):
    """A tokenizer given by a `tokenizer.json`.

    Args:
        name: its name, such as `hf:openai-community/gpt2`.
        definition: the content of the file, as JSON data.
        eot_id: the id that ends a text.
        bos_id: the id that begins a text; None: `eot_id`.

    Raises:
        TokenizerError: the library cannot use it, its kind is not supported, or an id is not in
            it.
    """

    def __init__(
        self, name: str, definition: Mapping[str, Any], *, eot_id: int, bos_id: int | None = None
    ) -> None:
        self._definition = definition
        self._fast = _loaded(definition)
        vocabulary = self._fast.get_vocab(with_added_tokens=True)
        size = max(vocabulary.values(), default=-1) + 1
        if not 0 < size <= MAX_TOKENS:
            raise TokenizerError(f"its ids go up to {size - 1:,}, beyond {MAX_TOKENS:,}")
        for role, token_id in (("eot_id", eot_id), ("bos_id", bos_id)):
            if token_id is not None and not 0 <= token_id < size:
                raise TokenizerError(f'its "{role}" is {token_id}, and its ids are 0 to {size - 1}')
        added = self._fast.get_added_tokens_decoder()
        special = {token_id for token_id, token in added.items() if token.special}
        style = style_of(definition)
        content = _content(style)
        table = [b""] * size
        for token, token_id in vocabulary.items():
            if token_id not in special and token_id not in (eot_id, bos_id):
                is_text = style == "byte-level" and token_id in added
                table[token_id] = token.encode("utf-8", "replace") if is_text else content(token)
        super().__init__(name, table, eot_id)
        self._bos_id = eot_id if bos_id is None else bos_id

    @property
    def bos_id(self) -> int:
        return self._bos_id

    @property
    def definition(self) -> Mapping[str, Any]:
        """The content of the `tokenizer.json`."""
        return self._definition

    @property
    def style(self) -> Style:
        """How the tokens are written."""
        return style_of(self._definition)

    def vocabulary(self) -> dict[str, int]:
        """All tokens as the definition writes them, with their ids."""
        return self._fast.get_vocab(with_added_tokens=True)

    def encode(self, text: str) -> list[int]:
        """Ids of a text; special tokens written in it are plain text.

        Raises:
            TokenizerError: the text contains a lone surrogate.
        """
        ids: list[int] = self.encode_batch([text])[0].tolist()
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of many texts, using all processors.

        Raises:
            TokenizerError: a text contains a lone surrogate.
        """
        for text in texts:
            try:
                text.encode("utf-8")
            except UnicodeEncodeError as error:
                raise invalid_unicode(error) from error
        try:
            encodings = self._fast.encode_batch_fast(list(texts), add_special_tokens=False)
        except BaseException as error:
            raise _library_error(error, "fails on a text") from None
        return [np.array(encoding.ids, dtype=np.uint32) for encoding in encodings]

    def to_json(self) -> dict[str, Any]:
        return {
            "format": "slm-tokenizer",
            "version": 1,
            "kind": KIND,
            "name": self.name,
            "eot_id": self.eot_id,
            "bos_id": self.bos_id,
            "definition": self._definition,
        }


def style_of(definition: Mapping[str, Any]) -> Style:
    """The encoding of the tokens in a `tokenizer.json`.

    Raises:
        TokenizerError: the encoding is not supported.
    """
    model = definition.get("model")
    kind = model.get("type") if isinstance(model, dict) else None
    if kind == "WordPiece":
        return "wordpiece"
    if isinstance(model, dict) and kind in ("BPE", None) and "merges" in model:
        parts = json.dumps([definition.get("pre_tokenizer"), definition.get("decoder")])
        if '"ByteLevel"' in parts:
            return "byte-level"
        if model.get("byte_fallback"):
            return "byte-fallback"
    raise TokenizerError(
        f"its kind {shown(kind)} is not supported, only byte-level BPE, BPE with byte fallback "
        "and WordPiece"
    )


def _content(style: Style) -> Callable[[str], bytes]:
    """The bytes of a token of this style."""
    if style == "byte-level":
        byte_of = byte_symbols()

        def from_symbols(token: str) -> bytes:
            if all(symbol in byte_of for symbol in token):
                return bytes(byte_of[symbol] for symbol in token)
            return token.encode("utf-8", "replace")

        return from_symbols
    if style == "byte-fallback":

        def from_piece(token: str) -> bytes:
            if byte := _BYTE.fullmatch(token):
                return bytes([int(byte[1], 16)])
            return token.replace(SPACE, " ").encode("utf-8", "replace")

        return from_piece

    def from_word(token: str) -> bytes:
        is_inside = token.startswith("##")
        is_word = token[:1].isalnum()
        text = token[2:] if is_inside else f" {token}" if is_word else token
        return text.encode("utf-8", "replace")

    return from_word


def _loaded(definition: Mapping[str, Any]) -> tokenizers.Tokenizer:
    from tokenizers import Tokenizer

    style_of(definition)
    try:
        # The post-processor adds special tokens, which is done here.
        fast = Tokenizer.from_str(json.dumps({**definition, "post_processor": None}))
    except BaseException as error:
        raise _library_error(error, "rejects it") from None
    fast.no_truncation()
    fast.no_padding()
    fast.encode_special_tokens = True
    return fast


def _library_error(error: BaseException, what: str) -> BaseException:
    """An error of the library, or a panic of its Rust code, as one of ours."""
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return error
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return TokenizerError(f"the tokenizers library {what}: {reason[:200]}")
