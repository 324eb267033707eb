"""Notes about text that is probably unwanted in training, such as special tokens and licenses.

Programs write dozens of special tokens. Those that separate documents are in `slm.data.markers`;
all others are learned as ordinary text, which users rarely expect.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from slm.tokenizer.base import EOT_TEXT

_LEAST_COUNT = 3
"""A text may mention a token now and then."""
_SHOWN = 3
_OVERLAP = 64
_BEGINS = ("<|", "<\uff5c", "&lt;|")
_TOKEN = re.compile(
    r"<[|\uff5c][^<>\n]{1,40}>|&lt;\|[^&\n]{1,40}&gt;|</?s>"
    r"|<(?:eos|bos|eod|eot|eom|end|endoftext|end_of_text|pad|sep)>|\[(?:eos|bos|sep|cls|pad)\]",
    re.IGNORECASE,
)
_LICENSE = re.compile(r"\*\*\* ?(?:START|END) OF (?:THE|THIS) PROJECT GUTENBERG", re.IGNORECASE)


class Suspects:
    """Counts strings that look like special tokens, and finds licenses, in a stream of text."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._has_license = False

    def watched(self, blocks: Iterable[str]) -> Iterator[str]:
        """Yield the same blocks, and search each of them."""
        end = ""
        for block in blocks:
            window = end + block
            for match in _TOKEN.finditer(window):
                if match.end() > len(end):
                    self._counts[match[0]] += 1
            self._has_license = self._has_license or _LICENSE.search(window) is not None
            end = window[-_OVERLAP:]
            yield block

    def notes(self, name: str, separators: Iterable[str]) -> Iterator[str]:
        """Notes for the user of a file.

        Args:
            name: the name of the file.
            separators: markers that separate documents, or that were reported already.
        """
        for separator in separators:
            self._counts.pop(separator, None)
        tokens = [token for token, n in self._counts.most_common() if n >= _LEAST_COUNT]
        if tokens:
            shown = ", ".join(f"{token} ({self._counts[token]:,})" for token in tokens[:_SHOWN])
            more = f" and {len(tokens) - _SHOWN:,} more" if len(tokens) > _SHOWN else ""
            yield (
                f"note: {name}: strings that look like special tokens are kept as text: "
                f"{shown}{more}; only {EOT_TEXT} separates documents"
            )
        if self._has_license:
            yield (
                f"note: {name}: the Project Gutenberg license is kept as text; to exclude it, "
                "remove the lines up to '*** START OF' and from '*** END OF' on"
            )


def special_token_in(text: str) -> str | None:
    """The first special token of a text that cannot be prose; None if there is none."""
    if not any(begin in text for begin in _BEGINS):
        return None
    return next((m[0] for m in _TOKEN.finditer(text) if m[0].startswith(_BEGINS)), None)
