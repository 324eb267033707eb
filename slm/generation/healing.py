"""Token healing, for a prompt that ends inside what the model knows as one token.

A tokenizer splits "met a fox " into "met", " a", " fox" and " ". In training text, a space belongs
to the word after it (" ran"), so after a lone " " the model continues badly. The same happens after
"The litt" if the model knows " little". The solution is that of guidance
(https://github.com/guidance-ai/guidance): remove the last tokens, and require that the first new
tokens start with the removed bytes.

Not every prompt needs it. Almost every token is the start of a longer one, but " fox" is a word as
well. So the model decides: it reads the prompt's own last tokens one by one, and they stay unless a
token that could replace them is `FACTOR` times as likely. White space at the end of a prompt is
never meant as a token of its own. There the probabilities of all replacements are added, and the
prompt's own tokens have no advantage: after two spaces, each single word is unlikely.

Letters: V ids of the vocabulary.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from slm.generation.engine import Logits
from slm.tokenizer.base import Tokenizer

FACTOR = 4.0
"""The prompt's own last tokens are replaced if another one is this many times as likely."""

MOST_REPLACED = 8
"""Number of tokens at the end of a prompt that may be replaced."""

IdArray = npt.NDArray[np.int64]


class TokenIndex:
    """The tokens of a vocabulary, sorted by their bytes.

    Args:
        tokenizer: defines the vocabulary; tokens without bytes are left out.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._bytes_of = [tokenizer.token_bytes(i) for i in range(tokenizer.vocab_size)]
        ids = [token_id for token_id, content in enumerate(self._bytes_of) if content]
        ids.sort(key=self._bytes_of.__getitem__)
        self._ids: IdArray = np.array(ids, dtype=np.int64)
        self._sorted = [self._bytes_of[token_id] for token_id in ids]
        self._longest = max(map(len, self._sorted), default=0)

    def token_bytes(self, ids: Sequence[int]) -> bytes:
        """The bytes of a sequence of ids."""
        return b"".join([self._bytes_of[token_id] for token_id in ids])

    def beginning_with(self, start: bytes) -> IdArray:
        """The ids of all tokens that start with these bytes, or equal them."""
        # No token that starts with them sorts after them and as many of the highest byte.
        end = start + b"\xff" * self._longest
        return self._ids[bisect_left(self._sorted, start) : bisect_right(self._sorted, end)]

    def within(self, content: bytes) -> IdArray:
        """The ids of all shorter tokens that these bytes start with."""
        lengths = range(1, min(len(content), self._longest + 1))
        found = [self._of(content[:length]) for length in lengths]
        return np.concatenate(found) if found else self._ids[:0]

    def replaceable(self, ids: Sequence[int]) -> int:
        """How many of the last ids would be different if the text ended inside a longer token.

        The count goes back to the earliest token in which such a longer token could start.
        """
        last = ids[-MOST_REPLACED:]
        content = self.token_bytes(last)
        n_inside = next(
            (n for n in range(len(content), 0, -1) if self._is_extended(content[-n:])), 0
        )
        n_replaced = 0
        while n_inside > 0:
            n_replaced += 1
            n_inside -= len(self._bytes_of[last[-n_replaced]])
        return n_replaced

    def _of(self, content: bytes) -> IdArray:
        first, last = bisect_left(self._sorted, content), bisect_right(self._sorted, content)
        return self._ids[first:last]

    def _is_extended(self, start: bytes) -> bool:
        """Whether some longer token starts with these bytes."""
        after = bisect_right(self._sorted, start)
        return after < len(self._sorted) and self._sorted[after].startswith(start)


_INDEXES: WeakKeyDictionary[Tokenizer, TokenIndex] = WeakKeyDictionary()


def token_index(tokenizer: Tokenizer) -> TokenIndex:
    """The index of a tokenizer, built once."""
    index = _INDEXES.get(tokenizer)
    if index is None:
        index = _INDEXES[tokenizer] = TokenIndex(tokenizer)
    return index


@dataclass(frozen=True)
class NewToken:
    """What a token adds to a text."""

    content: bytes
    """Its bytes beyond the prompt; empty if it is within the prompt's end."""
    replaced: bytes = b""
    """The prompt's end, if this is the first of the tokens that replace it."""


@dataclass(frozen=True)
class _Departure:
    """A position in the prompt's end at which another token could replace the prompt's own."""

    n_read: int
    """The number of the prompt's own ids before it."""
    rest: bytes
    """The prompt's bytes from here on."""
    logits: Logits
    """[V], at this position."""
    log_weight: float
    """ln of the weight of the other tokens after the own ids before them. The prompt's own ids stay
    unless they are less likely than this."""


class PromptEnd:
    """The last tokens of a prompt, while the model reads them or replaces them.

    In every step, `own_next` examines the logits. It returns the prompt's own next id, which is to
    be read next, or None: then an id is to be sampled from the `candidates` by `logits`. Then
    `accept` is called with the id, until `is_over`.

    Args:
        index: of the model's tokenizer.
        own_ids: the prompt's last ids; the model has read those before them.
    """

    def __init__(self, index: TokenIndex, own_ids: Sequence[int]) -> None:
        self._index = index
        self._own_ids = tuple(own_ids)
        self._n_read = 0
        self._log_own = 0.0
        self._best: _Departure | None = None
        self.rest = index.token_bytes(own_ids)
        """The prompt's bytes that the model has not read yet."""
        self._is_replaced = False
        self.logits: Logits = None
        """[V], those that the next id is sampled from."""

    @property
    def is_over(self) -> bool:
        """Whether the whole prompt has been read."""
        return not self.rest

    @property
    def candidates(self) -> IdArray:
        """The ids that can be sampled, in ascending order: tokens that start with the rest.

        If the rest is white space, shorter tokens within it are candidates as well: tokenizers
        split white space differently when a word follows. Otherwise the prompt's own ids are the
        most likely tokens of that kind, and they have been considered already.
        """
        found = self._index.beginning_with(self.rest)
        if self.rest.isspace():
            found = np.concatenate([found, self._index.within(self.rest)])
        return np.sort(found)

    def own_next(self, logits: Logits) -> int | None:
        """The prompt's own id to read next; None if an id is to be sampled.

        Args:
            logits: [V], after what has been read.
        """
        self.logits = logits
        if self._is_replaced:
            return None
        scores = as_floats(logits)
        total = _log_sum_exp(scores)
        own_id = self._own_ids[self._n_read]
        others = self.candidates
        others = others[others != own_id]
        if len(others):
            weight = self._log_own + self._log_weight(scores[others]) - total
            if self._best is None or weight > self._best.log_weight:
                self._best = _Departure(self._n_read, self.rest, logits, weight)
        self._log_own += float(scores[own_id]) - total
        # The own ids only become less likely from here on, so there is no need to wait.
        best = self._best
        if best is None or not best.log_weight > self._log_own:
            return own_id
        self._is_replaced = True
        self.logits, self.rest = best.logits, best.rest
        return None

    def _log_weight(self, scores: npt.NDArray[np.float64]) -> float:
        """ln of the weight of other tokens that could replace the rest, by their logits."""
        if self.rest.isspace():
            return _log_sum_exp(scores)
        return float(scores.max()) - math.log(FACTOR)

    def accept(self, token_id: int) -> tuple[NewToken | None, int]:
        """Record the id that was read or sampled.

        Returns:
            What it adds to the text (None: it is one of the prompt's own), and how many of the ids
            read before it are to be removed from the context.
        """
        content = self._index.token_bytes([token_id])
        self.rest, added = self.rest[len(content) :], content[len(self.rest) :]
        if not self._is_replaced:
            self._n_read += 1
            return None, 0
        departure, self._best = self._best, None
        if departure is None:
            return NewToken(added), 0
        return NewToken(added, departure.rest), self._n_read - departure.n_read


def as_floats(logits: Logits) -> npt.NDArray[np.float64]:
    """Logits [V], a tensor or an array, as an array for arithmetic."""
    if not isinstance(logits, np.ndarray):
        logits = logits.detach().float().cpu().numpy()
    floats: npt.NDArray[np.float64] = logits.astype(np.float64)
    return floats


def _log_sum_exp(scores: npt.NDArray[np.float64]) -> float:
    """ln(sum of e^score); NaN or infinite if one of the scores is."""
    highest = float(scores.max())
    with np.errstate(invalid="ignore"):
        return highest + math.log(float(np.exp(scores - highest).sum()))
