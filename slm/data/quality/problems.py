"""Problems of a single document: damaged encoding, odd characters, cut-off ends, boilerplate."""

from __future__ import annotations

import re
from collections.abc import Callable

from slm.errors import MissingExtraError

ODD = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ue000-\uf8ff\ufeff\ufff9-\ufffd]"
)
"""Control, invisible and private characters, and the replacement character U+FFFD. Not the two
joiners (U+200C, U+200D), which belong to the spelling of Persian and Hindi, and to emoji."""
LINE_BREAKS = re.compile("[\x0b\x0c\u2028\u2029]")
"""Those of them that separate lines; they are replaced by a newline, the others are removed."""
BOILERPLATE = re.compile(
    r"https?://\S+|www\.\S+|</?(?:p|br|div|span|a|b|i|html|body|table|td|tr|li|ul|h[1-6])\b[^>\n]*>"
    r"|&(?:nbsp|amp|quot|lt|gt);|Project Gutenberg|All rights reserved|Terms of (?:Use|Service)"
    r"|(?-i:Subscribe to|Click here|Sign up for|Read more[.:]|Copyright (?:\([cC]\)|©|\d{4}))",
    re.IGNORECASE,
)
_CLOSING = "\"')]}*_\u2019\u201d\u00bb"
_ENDS = ".!?…。！？:;~-—♪"  # noqa: RUF001 - other writing systems


def encoding_mender() -> Callable[[str], str]:
    """Undoes a wrong decoding, such as `itâ€™s`; other text stays as it is.

    Raises:
        MissingExtraError: ftfy is not installed.
    """
    try:
        import ftfy
    except ImportError:
        raise MissingExtraError("ftfy", extra="quality", purpose="slm data check") from None

    def mend(text: str) -> str:
        # It goes by character: one pass over a megabyte of ASCII would find nothing.
        return text if text.isascii() else ftfy.fix_encoding(text)

    return mend


def is_cut_off(text: str) -> str | None:
    """How a document is cut off: `start`, `end`, or None."""
    text = text.strip()
    if not text:
        return None
    if text.rstrip(_CLOSING)[-1:] not in _ENDS:
        return "end"
    first = text.lstrip("\"'([{*_-\u2018\u201c\u00ab")[:1]
    return "start" if first.islower() else None


def around(text: str, start: int, end: int, room: int = 40) -> str:
    """A place in a text for people: what is there and a little around it, on one line."""
    before, after = max(0, start - room), min(len(text), end + room)
    shown = " ".join(text[before:after].split())
    return f"{'...' if before else ''}{shown}{'...' if after < len(text) else ''}"
