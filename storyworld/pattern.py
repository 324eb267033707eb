"""The narrator's notation: short patterns, compiled once, rendered many times.

A pattern is plain English with three marks:

    [a|b|c]      one of several wordings, nested to any depth (a wording may be empty)
    {A} {X.a}    a member of the cast, in a given form (see `referents.py`)
    <bank>       a wording from a named bank of `phrases.py`; `<bank A B>` passes it the cast
                 members that its patterns call {1} and {2}

Compiling turns a pattern into a tuple of strings and of functions from the narrator to a string.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from storyworld.phrases import BANKS

if TYPE_CHECKING:
    from storyworld.narrator import Narrator

Part: TypeAlias = "str | Callable[[Narrator], str]"
Parts: TypeAlias = "tuple[Part, ...]"

_compiled: dict[str, Parts] = {}


def compiled(source: str) -> Parts:
    """The parts of a pattern (parsed at first use, then remembered)."""
    parts = _compiled.get(source)
    if parts is None:
        parts, end = _sequence(source, 0, "")
        if end != len(source):
            raise ValueError(f"unbalanced {source[end]!r} in pattern {source!r}")
        _compiled[source] = parts
    return parts


def render(parts: Parts, narrator: Narrator) -> str:
    """The text of compiled parts, as this narrator tells them now."""
    return "".join([p if p.__class__ is str else p(narrator) for p in parts])  # type: ignore[operator]


def _sequence(source: str, at: int, stop: str) -> tuple[Parts, int]:
    """Parse until one of the characters in `stop`; give the parts and where it stopped."""
    parts: list[Part] = []
    text = ""
    while at < len(source) and source[at] not in stop:
        char = source[at]
        if char in "[{<":
            _add_text(parts, text)
            text = ""
            if char == "[":
                part, at = _choice(source, at + 1)
            else:
                end = source.index("}" if char == "{" else ">", at)
                inside = source[at + 1 : end]
                part = _reference(inside) if char == "{" else _bank(inside)
                at = end + 1
            parts.append(part)
        elif char in "]}>":
            break
        else:
            text += char
            at += 1
    _add_text(parts, text)
    return tuple(parts), at


def _choice(source: str, at: int) -> tuple[Part, int]:
    options: list[Parts] = []
    while True:
        option, at = _sequence(source, at, "|]")
        options.append(option)
        if at >= len(source):
            raise ValueError(f"missing ']' in pattern {source!r}")
        at += 1
        if source[at - 1] == "]":
            return _any_of(options), at


def _any_of(options: list[Parts]) -> Part:
    """A part that is one of the options, each as likely."""
    ready: list[str | Parts] = [
        "" if not o else o[0] if len(o) == 1 and isinstance(o[0], str) else o for o in options
    ]
    count = len(ready)

    def choose(narrator: Narrator) -> str:
        option = ready[int(narrator.roll() * count)]
        return option if option.__class__ is str else render(option, narrator)  # type: ignore[arg-type]

    return choose


def _reference(inside: str) -> Part:
    """`A` or `A.form`: a mention of a cast member."""
    name, _, form = inside.partition(".")

    def mention(narrator: Narrator) -> str:
        return narrator.cast[name].wording(form, narrator)

    return mention


def _bank(inside: str) -> Part:
    """`name` or `name A B`: a wording from a bank, its {1} and {2} filled."""
    name, *arguments = inside.split()
    source = BANKS[name]
    for number, argument in enumerate(arguments, 1):
        source = source.replace(f"{{{number}", f"{{{argument}").replace(
            f"<{name} {number}", f"<{name} {argument}"
        )
        source = source.replace(f" {number}>", f" {argument}>").replace(
            f" {number} ", f" {argument} "
        )
    lazily: list[Parts] = []

    def wording(narrator: Narrator) -> str:
        if not lazily:
            lazily.append(compiled("[" + source + "]"))
        return render(lazily[0], narrator)

    return wording


def _add_text(parts: list[Part], text: str) -> None:
    """Literal text; the narrator is told where one sentence ends and the next begins."""
    start = 0
    for i in range(len(text) - 1):
        if text[i] in ".!?" and text[i + 1] == " ":
            parts += [text[start : i + 2], _next_sentence]
            start = i + 2
    if text[start:]:
        parts.append(text[start:])


def _next_sentence(narrator: Narrator) -> str:
    narrator.sentence += 1
    return ""
