"""Where the value of a setting came from."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass


class OriginKind(enum.StrEnum):
    """Who or what chose a value."""

    DEFAULT = "default"
    """A built-in default; it is not saved."""
    PRESET = "preset"
    """A preset; the detail is its name."""
    FILE = "file"
    """A settings file, or a file that describes data or a model; the detail is its path."""
    FLAG = "flag"
    """A command-line option or a function argument; the detail is its name."""
    SET = "set"
    """`--set KEY=VALUE`."""
    PREPARED = "prepared"
    """A data directory that is used unchanged, whatever `source` and `tokenizer` are; the detail is
    the option's name."""
    PLAN = "plan"
    """The plan for a time budget; the detail is the budget."""
    DERIVED = "derived"
    """Another setting, the data, or the machine; the detail says which. Such a value belongs to one
    run: another run derives its own."""


OPEN = frozenset({OriginKind.DEFAULT, OriginKind.PRESET, OriginKind.PLAN, OriginKind.DERIVED})
"""Kinds of values that the user did not choose one by one."""
COMMAND_LINE = frozenset({OriginKind.FLAG, OriginKind.SET, OriginKind.PREPARED})
"""Kinds of values that the command line gives."""


@dataclass(frozen=True)
class Origin:
    """Where the value of a setting came from; `str` gives it in words."""

    kind: OriginKind
    detail: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the user left the choice to the program."""
        return self.kind in OPEN

    @property
    def may_be_planned(self) -> bool:
        """Whether a plan may choose another value: neither the user nor the data gave this one."""
        return self.is_open and self.kind is not OriginKind.DERIVED

    @property
    def is_on_command_line(self) -> bool:
        """Whether the user chose the value on the command line."""
        return self.kind in COMMAND_LINE

    def __str__(self) -> str:
        match self.kind:
            case OriginKind.FLAG | OriginKind.PREPARED:
                return self.detail
            case OriginKind.SET:
                return "--set"
            case OriginKind.PLAN:
                return f"plan for {self.detail}"
            case OriginKind.DERIVED:
                return f"derived from the {self.detail}"
        return f"{self.kind} {self.detail}".rstrip()

    def to_text(self) -> str:
        """The form in `config.json`: `kind:detail`."""
        return f"{self.kind}:{self.detail}"

    @classmethod
    def from_text(cls, text: str) -> Origin:
        """Read the form of `to_text`, or the sentence that format version 1 has in its place."""
        kind, colon, detail = text.partition(":")
        if colon and kind in _KINDS:
            return cls(OriginKind(kind), detail)
        if text in _DERIVED_IN_VERSION_1:
            return cls(OriginKind.DERIVED, _DERIVED_IN_VERSION_1[text])
        for pattern, kind_of_match in _SENTENCES_OF_VERSION_1:
            found = pattern.fullmatch(text)
            if found is not None:
                return cls(kind_of_match, found[1])
        return cls(OriginKind.FILE, text)


DEFAULT = Origin(OriginKind.DEFAULT)
SET = Origin(OriginKind.SET)
PREPARED = Origin(OriginKind.PREPARED, "--data")
FROM_SOURCE = Origin(OriginKind.DERIVED, "source and tokenizer")
"""Of a data directory that the user did not name."""
FROM_BLOCK_SIZE = Origin(OriginKind.DERIVED, "block size")
"""Of a shorter context at first, which has to divide the whole one."""
FROM_TOKENIZER = Origin(OriginKind.DERIVED, "tokenizer")
FROM_HARDWARE = Origin(OriginKind.DERIVED, "hardware")
FROM_PROCESSES = Origin(OriginKind.DERIVED, "number of processes")
FROM_NAME = Origin(OriginKind.DERIVED, "name of the run")
"""Of a run directory that the user did not name."""
FROM_OTHER_SOURCE = Origin(OriginKind.DERIVED, "source, which is not the preset's")
FROM_PARENT = Origin(OriginKind.DERIVED, "initial model")
"""Of the shape and the tokenizer of a run that starts from given weights."""
FROM_TEACHERS = Origin(OriginKind.DERIVED, "teachers")
"""Of the tokenizer, its vocabulary, and a `block_size` that a run has from its teachers."""

_KINDS = frozenset(kind.value for kind in OriginKind)
_DERIVED_IN_VERSION_1 = {
    "made from source and tokenizer": FROM_SOURCE.detail,
    "tokenizer": FROM_TOKENIZER.detail,
    "auto, as found on this machine": FROM_HARDWARE.detail,
    "shared by the processes": FROM_PROCESSES.detail,
    "where runs go": FROM_NAME.detail,
    "another source than the preset's": FROM_OTHER_SOURCE.detail,
}
_SENTENCES_OF_VERSION_1 = [
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        ("preset (.*)", OriginKind.PRESET),
        ("file (.*)", OriginKind.FILE),
        ("(?:data|saved) in (.*)", OriginKind.FILE),
        ("plan for (.*)", OriginKind.PLAN),
        ("(--data)", OriginKind.PREPARED),
        ("--set()", OriginKind.SET),
        ("(--.*)", OriginKind.FLAG),
    )
]
