"""Text that grows token by token: whole characters only, and nothing of a stop string."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextStream:
    """Turns the bytes of tokens into text that may be shown at once.

    Bytes of an unfinished UTF-8 character wait for the rest of it. Text that could be the beginning
    of a stop string waits until it is one or cannot become one. What is shown in all does not
    depend on how the bytes were divided among tokens.

    Args:
        stop: strings that end the text and are not part of it.
        unfinished: the first bytes of a character, which the text begins with (see
            `whole_characters`).
    """

    def __init__(self, stop: Sequence[str] = (), unfinished: bytes = b"") -> None:
        self.stop = tuple(stop)
        self.stopped = False
        """Whether a stop string was met; nothing is shown from then on."""
        self._characters = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._characters.decode(unfinished)
        self._held = ""

    def push(self, token: bytes) -> str:
        """Add a token's bytes and return the text that is now certain."""
        return self._release(self._characters.decode(token), last=False)

    def finish(self, *, cut: bool = False) -> str:
        """Return what was held back.

        Args:
            cut: the text could have gone on. Then an unfinished character is left out, so that the
                text can be continued; else it becomes U+FFFD.
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
    """Text up to its last whole character, and the bytes of the one that is cut at the end.

    Bytes that can be no character become U+FFFD.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    text = decoder.decode(content)
    return text, decoder.getstate()[0]


def first_stop(text: str, stop: Sequence[str]) -> int | None:
    """Where the stop string begins that is complete first, reading character by character."""
    found = [(text.find(string), len(string)) for string in stop]
    complete = [(start + length, start) for start, length in found if start >= 0]
    return min(complete)[1] if complete else None


def longest_beginning(text: str, stop: Sequence[str]) -> int:
    """Number of characters at the end of `text` that some stop string begins with."""
    return max(
        (
            length
            for string in stop
            for length in range(1, min(len(string) - 1, len(text)) + 1)
            if text.endswith(string[:length])
        ),
        default=0,
    )
