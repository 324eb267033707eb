"""Bytes that are nearly right: what a broken disk, a mistyping person or an attacker might make."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 255, 2**16, 2**31, 2**32 - 1, 2**53, 2**63, 2**64, -(2**63)),
    *(10**400, 0.5, -0.0, 1e-320, 1e308, float("nan"), float("inf"), float("-inf")),
    *("", " ", "\0", "\ud800", "\n", "é", "a" * 300, "../x", "/etc/passwd", "~", "~nobody/x"),
    *("none", "1e999", "-1", "0x7f", "{}", [], {}, [[]], [None], {"": None}, [0] * 9, ["\ud800"]),
)
TOKENS: tuple[bytes, ...] = (
    *(b"1e999", b"-1", b"0", b"NaN", b"Infinity", b"null", b"true", b'""', b"\\ud800", b"\\u0000"),
    *(b"9" * 400, b"9" * 5000, b"0x" + b"f" * 5000, b"1" + b"0" * 30 + b".5", b"1e-400"),
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b'"',
        b"'",
        b",",
        b":",
        b"=",
        b"\n",
        b"\r\n",
        b"\0",
        b"#",
        b".",
        b"\\",
    ),
    *(b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc0\x80", b"\xf4\x90\x80\x80"),
    *(b"[" * 1000, b"[" * 100_000, b'{"a":' * 1000, b"a." * 1000 + b"a = 1\n", b"[[a]]\n"),
    *(b"../", b"<|endoftext|>", b"\n<|endoftext|>\n", b"__class__", b"\x80\x04\x95", b"PK\x03\x04"),
)
LARGEST = 1 << 20
_LENGTH_BYTES = 8


def mutated(chance: random.Random, seed: bytes, others: Sequence[bytes]) -> bytes:
    """A seed with one to four changes."""
    content = seed
    for _ in range(chance.choice((1, 1, 1, 2, 2, 4))):
        change = chance.choice((_bytes, _number, _json, _json, _json, _json))
        content = change(chance, content, others)
    return content[:LARGEST]


def _bytes(chance: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Flip, insert, cut out, repeat, truncate or splice."""
    start = chance.randint(0, len(content))
    end = min(len(content), start + chance.choice((1, 2, 8, 64, 512)))
    match chance.randrange(7):
        case 0 if content:
            flipped = bytearray(content)
            flipped[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            return bytes(flipped)
        case 1:
            return content[:start] + content[end:]
        case 2:
            return content[:start] + content[start:end] * chance.choice((2, 3, 50)) + content[end:]
        case 3:
            return content[:start]
        case 4:
            other = chance.choice(others)
            return content[:start] + other[chance.randint(0, len(other)) :]
        case 5:
            return content[:start] + chance.randbytes(chance.choice((1, 2, 4, 8))) + content[end:]
        case _:
            return content[:start] + chance.choice(TOKENS) + content[start:]


def _number(chance: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Put something else in the place of a number."""
    numbers = list(re.finditer(rb"-?\d+(?:\.\d+)?", content[: 1 << 16]))
    if not numbers:
        return _bytes(chance, content, others)
    place = chance.choice(numbers)
    number = int(float(place[0][:15]))
    other = chance.choice(
        (*TOKENS[:17], str(number + 1).encode(), str(number - 1).encode(), str(-number).encode())
    )
    return content[: place.start()] + other + content[place.end() :]


def _json(chance: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Change the tree that a JSON text means; other text by its bytes."""
    start, end = content.find(b"{"), content.rfind(b"}") + 1
    if start == _LENGTH_BYTES:  # a safetensors file: the header's length and the header come first
        end = min(end, start + int.from_bytes(content[:start], "little"))
    try:
        tree = json.loads(content[start:end])
    except (ValueError, RecursionError):
        return _bytes(chance, content, others)
    try:
        changed = json.dumps(_other_tree(chance, tree), indent=chance.choice((None, 1, 2)))
    except (ValueError, RecursionError):
        return _bytes(chance, content, others)
    header = changed.encode()
    before = len(header).to_bytes(start, "little") if start == _LENGTH_BYTES else content[:start]
    return before + header + content[end:]


def _other_tree(chance: random.Random, tree: Any) -> Any:
    """The tree with a random part of it replaced, removed, doubled or renamed."""
    parts: list[Any] = list(tree) if isinstance(tree, dict) else list(range(_length(tree)))
    if not parts or chance.random() < 0.1:
        return chance.choice(ODD_VALUES)
    place = chance.choice(parts)
    if _length(tree[place]) and chance.random() < 0.7:
        tree[place] = _other_tree(chance, tree[place])
        return tree
    match chance.randrange(6):
        case 0:
            del tree[place]
        case 1 if isinstance(tree, dict):
            name = chance.choice((place + "s", place[1:], "", "__class__", "self", "\ud800"))
            tree[name] = tree.pop(place)
        case 1:
            tree.insert(place, tree[place])
        case 2:
            tree[place] = tree[chance.choice(parts)]
        case 3:
            tree[place] = [tree[place]]
        case _:
            tree[place] = chance.choice(ODD_VALUES)
    return tree


def _length(tree: Any) -> int:
    return len(tree) if isinstance(tree, dict | list) else 0
