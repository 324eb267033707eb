"""How to get at the stories of JSON that is made in another way: a command of jq that copies them.

Only values are read whose text has a name that means it. Where a story lies deeper, or its field is
called otherwise, the right place is a guess, so the user decides; the command writes a new file.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from slm.data.readers.columns import text_name
from slm.data.readers.data_file import DataFile
from slm.errors import shell_path

_DEEPEST = 6
_MOST_FIELDS = 8
"""An object of more strings is not one row, but many texts by their names."""
_LONGEST_PLACE = 200
"""Nobody pastes a longer one, and a hostile key must not make a long message."""
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CHAT_FIELDS = (("role", "content"), ("from", "value"))
"""What says who speaks, and what is said, in the messages of a conversation."""


def step_for_value(value: Any, file: DataFile, *, root: str) -> str | None:
    """The hint for a value without a text field; None if it contains no text.

    Args:
        value: the value of a line or list element.
        file: its file.
        root: its jq path: `.`, or `.[]` in a list.
    """
    found = _conversation(value)
    what = "to learn each conversation as one text"
    if found is None:
        found = _named(value, 0) or _guessed(value)
        if found is None:
            return None
        what = f"if the stories are in {found}"
    if len(found) > _LONGEST_PLACE:
        return None
    program = ("" if root == "." else f"{root} | ") + f"{{text:{found}}}"
    return f"{what}, write them into a new file: {_jq_step(file, program)}"


def decoding_step(inner: Any, file: DataFile, *, root: str) -> str:
    """The hint for JSON inside a string.

    Args:
        inner: the value in the string.
        file, root: see `step_for_value`.
    """
    start = "" if root == "." else f"{root} | "
    program = f"{start}fromjson" + (" | .[]" if isinstance(inner, list) else "")
    return f"decode it into a new file: {_jq_step(file, program)}"


def _jq_step(file: DataFile, program: str) -> str:
    new = shell_path(file.new_name(".jsonl"))
    return f"{file.printing_command()} | jq -c {shlex.quote(program)} > {new}"


def _conversation(value: Any) -> str | None:
    """The jq expression for the joined messages of a conversation; None for other values."""
    if not isinstance(value, dict):
        return None
    for name, inner in value.items():
        first = inner[0] if isinstance(inner, list) and inner else None
        for speaker, said in _CHAT_FIELDS:
            if isinstance(first, dict) and speaker in first and isinstance(first.get(said), str):
                return f'([{_key(name)}[].{said}] | join("\\n"))'
    return None


def _named(value: Any, depth: int) -> str | None:
    """The place of the texts that have a name, or are in a list or table of their own."""
    if depth > _DEEPEST:
        return None
    if isinstance(value, list):
        inner = _named(value[0], depth + 1) if value else None
        return None if inner is None else _path(".[]", inner)
    if not isinstance(value, dict):
        return None
    name = text_name(value)
    if name is not None:
        texts = _texts(value[name])
        inner = _guessed(value[name]) if texts is None else texts
        return None if inner is None else _path(_key(name), inner)
    columns, rows = value.get("columns"), value.get("data")
    if isinstance(columns, list) and isinstance(rows, list):  # as pandas splits a table
        name = text_name([column for column in columns if isinstance(column, str)])
        return None if name is None else f".data[][{columns.index(name)}]"
    inners = list(value.values())
    if len(inners) > 1 and all(isinstance(inner, dict) for inner in inners):
        inner = _named(inners[0], depth + 1)
        if inner is not None and all(_named(other, depth + 1) == inner for other in inners[:3]):
            return _path(".[]", inner)
    for key, child in value.items():
        inner = _named(child, depth + 1)
        if inner is not None:
            return _path(_key(key), inner)
    return None


def _texts(value: Any) -> str | None:
    """What leads to the strings of a field: nothing, or `[]` for those in it."""
    if isinstance(value, str):
        return ""
    inners = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(inners, list) or not any(isinstance(inner, str) for inner in inners):
        return None
    return "[]" if all(inner is None or isinstance(inner, str) for inner in inners) else None


def _guessed(value: Any) -> str | None:
    """The place of the longest string, or of a list of strings."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        inner = _guessed(value[0])
        return None if inner is None else _path(".[]", inner)
    if isinstance(value, list):
        texts = {f".[{n}]": inner for n, inner in enumerate(value) if isinstance(inner, str)}
    elif isinstance(value, dict):
        texts = {_key(name): inner for name, inner in value.items() if isinstance(inner, str)}
        are_words = all(" " in text for text in texts.values())
        if len(texts) == len(value) > _MOST_FIELDS and are_words:
            return ".[]"  # each of its texts has a name of its own
        lists = [name for name, inner in value.items() if _texts(inner) == "[]"]
        if not texts and len(lists) == 1:
            return f"{_key(lists[0])}[]"
    else:
        return None
    return max(texts, key=lambda place: len(texts[place])) if texts else None


def _path(outer: str, inner: str) -> str:
    return outer + (inner[1:] if inner.startswith(".[") else inner)


def _key(name: str) -> str:
    return f".{name}" if _PLAIN_KEY.fullmatch(name) else f".[{json.dumps(name)}]"
