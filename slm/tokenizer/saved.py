"""Tokenizers as files: `tokenizer.json`, which is self-contained and fully checked when read."""

from __future__ import annotations

import base64
import json
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slm.errors import TokenizerError, shown
from slm.storage.files import atomic_write
from slm.storage.safe_reading import read_bounded, status_of, strict_json
from slm.tokenizer.byte_level import BytesTokenizer
from slm.tokenizer.chars import CharsTokenizer

if TYPE_CHECKING:
    from slm.tokenizer.base import Tokenizer

FORMAT = "slm-tokenizer"
VERSION = 1
FILE_NAME = "tokenizer.json"
LARGEST_FILE_BYTES = 24 << 20
MAX_NAME_CHARS = 100
_MAX_TOKENS = 1 << 20
_MAX_TOKEN_CHARS = 4096


def save_tokenizer(tokenizer: Tokenizer, path: Path) -> None:
    """Write a tokenizer's file atomically.

    Raises:
        WriteError, NoSpaceError: no partial file remains, and an older file is unchanged.
    """
    atomic_write(path, json.dumps(tokenizer.to_json(), indent=1) + "\n")


def load_tokenizer(path: Path | str) -> Tokenizer:
    """Read a tokenizer from its file, or from the directory that contains its `tokenizer.json`.

    Raises:
        TokenizerError: the file is missing, damaged, or of another format.
    """
    path = Path(path)
    status = status_of(path)
    file = path / FILE_NAME if status is not None and stat.S_ISDIR(status.st_mode) else path
    try:
        content = read_bounded(file, LARGEST_FILE_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a null in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise TokenizerError(
            f"cannot read the tokenizer {shown(str(file), 300)}: {reason}", hint="check the path"
        ) from error
    return tokenizer_from_bytes(content, source=str(file))


def tokenizer_from_bytes(content: bytes, *, source: str) -> Tokenizer:
    """Make a tokenizer from its file's content.

    Args:
        content: untrusted bytes.
        source: where it comes from, for messages.

    Raises:
        TokenizerError: a part is missing or of the wrong kind.
    """
    try:
        data = strict_json(content)
    except ValueError as error:
        raise _unusable(source, f"it is not JSON ({error})") from error
    return tokenizer_from_json(data, source=source)


def tokenizer_from_json(data: object, *, source: str = "the tokenizer's description") -> Tokenizer:
    """Make a tokenizer from the result of its `to_json`.

    Args:
        data: decoded JSON, untrusted.
        source: where it comes from, for messages.

    Raises:
        TokenizerError: a part is missing or of the wrong kind.
    """
    try:
        return _from_json(data)
    except TokenizerError as error:
        raise _unusable(source, error.message) from error


def _from_json(data: object) -> Tokenizer:
    """The errors raised here give the problem; the caller adds the source."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise TokenizerError(f'its "format" is not "{FORMAT}"')
    if data.get("version") != VERSION:
        raise TokenizerError(f'its "version" is {_shown(data.get("version"))}, not {VERSION}')
    name = _text(data, "name")
    if not name.isprintable() or not 0 < len(name) <= MAX_NAME_CHARS:
        raise TokenizerError(f'its "name" is not 1 to {MAX_NAME_CHARS} printable characters')
    match data.get("kind"):
        case "bytes":
            return BytesTokenizer()
        case "chars":
            return _chars(data)
        case "byte-pair":
            return _byte_pair(name, data)
        case "imported":
            return _imported(name, data)
        case kind:
            raise TokenizerError(
                f'its "kind" is {_shown(kind)}, not byte-pair, bytes, chars or imported'
            )


def _chars(data: dict[str, Any]) -> Tokenizer:
    characters = _text(data, "characters")
    if len(characters) > sys.maxunicode + 1:
        raise TokenizerError('its "characters" are more than Unicode has')
    tokenizer = CharsTokenizer(characters)
    if tokenizer.characters != characters:
        raise TokenizerError('its "characters" are repeated or not in code point order')
    return tokenizer


def _byte_pair(name: str, data: dict[str, Any]) -> Tokenizer:
    from slm.tokenizer.byte_pair import GPT2_PATTERN, BytePairTokenizer

    if _text(data, "pattern") != GPT2_PATTERN:
        raise TokenizerError('its "pattern" is not GPT-2\'s, the only one that we split by')
    encoded = data.get("tokens")
    if not isinstance(encoded, list):
        raise TokenizerError(f'its "tokens" are {_shown(encoded)}, not a list')
    if len(encoded) > _MAX_TOKENS:
        raise TokenizerError(f'its "tokens" are {len(encoded):,}, more than {_MAX_TOKENS:,}')
    ranks = []
    for place, token in enumerate(encoded):
        if isinstance(token, str) and len(token) > _MAX_TOKEN_CHARS:
            raise TokenizerError(f"token {place} is longer than {_MAX_TOKEN_CHARS:,} characters")
        try:
            ranks.append(base64.b64decode(token, validate=True))
        except (ValueError, TypeError) as error:
            raise TokenizerError(f"token {place} is not base64") from error
    return BytePairTokenizer(name, ranks)


def _imported(name: str, data: dict[str, Any]) -> Tokenizer:
    from slm.tokenizer.imported import ImportedTokenizer

    definition, eot_id, bos_id = data.get("definition"), data.get("eot_id"), data.get("bos_id")
    if not isinstance(definition, dict):
        raise TokenizerError(f'its "definition" is {_shown(definition)}, not an object')
    if type(eot_id) is not int or type(bos_id) is not int:
        raise TokenizerError('its "eot_id" or "bos_id" is not an integer')
    return ImportedTokenizer(name, definition, eot_id=eot_id, bos_id=bos_id)


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise TokenizerError(f'its "{key}" is {_shown(value)}, not a string')
    return value


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    return repr(value)[:40] if isinstance(value, str | int | float) else f"a {type(value).__name__}"


def _unusable(source: str, problem: str) -> TokenizerError:
    return TokenizerError(
        f"{source} cannot be used: {problem}",
        hint="it may be damaged or from another program; create it again",
    )
