"""Mappings of text and integers in Python's pickle format, without running what is read.

Only the instructions for plain values exist here: a file that names a class or a function is
refused. The format: https://docs.python.org/3/library/pickletools.html.
"""

from __future__ import annotations

import pickletools
import struct
from typing import Any

Plain = str | int | dict[Any, Any]

_TEXT = {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE"}
_INTEGERS = {"BININT", "BININT1", "BININT2", "INT", "LONG1", "LONG4", "LONG"}
_IGNORED = {"PROTO", "FRAME"}
_MARK = object()


def dumps(value: Plain) -> bytes:
    """The value as a pickle of protocol 2."""
    return b"\x80\x02" + _encoded(value) + b"."


def _encoded(value: Plain) -> bytes:
    if isinstance(value, str):
        content = value.encode("utf-8")
        return b"X" + struct.pack("<I", len(content)) + content
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    items = b"".join(_encoded(key) + _encoded(item) for key, item in value.items())
    return b"}(" + items + b"u"


def loads(content: bytes) -> Any:
    """The value of a pickle that holds mappings, text and integers only.

    Raises:
        ValueError: it holds anything else, or is damaged.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for instruction, argument, _ in pickletools.genops(content):
        name = instruction.name
        number = argument if isinstance(argument, int) else 0
        if name in _TEXT or name in _INTEGERS:
            stack.append(argument)
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[number] = _last(stack)
        elif name == "MEMOIZE":
            memo[len(memo)] = _last(stack)
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            if number not in memo:
                raise ValueError("it refers to a value that is not there")
            stack.append(memo[number])
        elif name in ("SETITEM", "SETITEMS"):
            _set_items(stack, at=len(stack) - 2 if name == "SETITEM" else _last_mark(stack))
        elif name == "STOP":
            if len(stack) != 1:
                raise ValueError("it ends too early")
            return stack[0]
        elif name not in _IGNORED:
            raise ValueError(f"it contains more than text and integers: {name}")
    raise ValueError("it has no end")


def _last(stack: list[Any]) -> Any:
    if not stack:
        raise ValueError("it is damaged")
    return stack[-1]


def _last_mark(stack: list[Any]) -> int:
    for place in range(len(stack) - 1, -1, -1):
        if stack[place] is _MARK:
            del stack[place]
            return place
    raise ValueError("it is damaged")


def _set_items(stack: list[Any], *, at: int) -> None:
    """Move the keys and values from a place on into the mapping before it."""
    items = stack[at:]
    if at < 1 or not isinstance(stack[at - 1], dict) or len(items) % 2:
        raise ValueError("it is damaged")
    keys = items[::2]
    if not all(isinstance(key, str | int) for key in keys):
        raise ValueError("a key is neither text nor an integer")
    stack[at - 1].update(zip(keys, items[1::2], strict=True))
    del stack[at:]
