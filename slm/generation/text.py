"""Text from a stream of tokens: whole characters only, and no part of a stop string."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextStream:
    """Converts the bytes of tokens to text that can be shown at once.

    The bytes of an incomplete UTF-8 character are held back until the rest follows. Text that could
    be the start of a stop string is held back until that is decided. The whole text does not depend
    on how its bytes were divided into tokens.

    Args:
        stop: strings that end the text and are not part of it.
        unfinished: the first bytes of a character that the text continues (see
            `whole_characters`).
    """

    def __init__(self, stop: Sequence[str] = (), unfinished: bytes = b"") -> None:
        self.stop = tuple(stop)
        self.stopped = False
        """Whether a stop string was found; no more text follows it."""
        self._characters = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._characters.decode(unfinished)
        self._held = ""

    def push(self, token: bytes) -> str:
        """Add the bytes of a token and return the text that can be shown now."""
        return self._release(self._characters.decode(token), last=False)

    def finish(self, *, cut: bool = False) -> str:
        """Return what was held back.

        Args:
            cut: the text could continue. Then an incomplete character is left out, so that the
                text can be continued; otherwise it becomes U+FFFD.
        """
        return self._release("" if cut else self._characters.decode(b"", final=True), last=True)

    def _release(self, new_text: str, *, last: bool) -> str:
        if not self.stop:
            return new_text
        if self.stopped:
            return ""
        text = self._held + new_text
        start = first_stop(text, self.stop)
        if start is not None:
            self.stopped = True
            self._held = ""
            return text[:start]
        n_held = 0 if last else longest_beginning(text, self.stop)
        self._held = text[len(text) - n_held :]
        return text[: len(text) - n_held]


def whole_characters(content: bytes) -> tuple[str, bytes]:
    """The text up to its last whole character, and the bytes of an incomplete one at the end.

    Invalid bytes become U+FFFD.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    text = decoder.decode(content)
    return text, decoder.getstate()[0]


def first_stop(text: str, stop: Sequence[str]) -> int | None:
    """The start of the stop string that is complete first, reading character by character."""
    found = [(text.find(string), len(string)) for string in stop]
    complete = [(start + length, start) for start, length in found if start >= 0]
    return min(complete)[1] if complete else None


def longest_beginning(text: str, stop: Sequence[str]) -> int:
    """Number of characters at the end of `text` that are the start of a stop string."""
    return max(
        (
            length
            for string in stop
            for length in range(1, min(len(string) - 1, len(text)) + 1)
            if text.endswith(string[:length])
        ),
        default=0,
    )
