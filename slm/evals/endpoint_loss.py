"""Bits per byte of any program that returns the log-probabilities of a prompt.

`POST /v1/completions` with `echo`, `logprobs` and no new tokens returns the log-probability of each
token of the prompt. The rules are those of `slm.evals.loss`: every token once, with the start of
its own story as context, and the end-of-text token at its end.

Servers with `POST /tokenize` (ours, vLLM) get token ids. Their windows are those of a model of
ours: a first id, which is context only, and then the ids that are scored. Where a story begins,
the first id is the token that begins a text. Other servers get each story as a text between two
end-of-text tokens, which they must read as such; a story must fit into their context.

No log-probability is guessed: an answer in which one is missing ends the evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

import numpy as np

from slm.data.documents import DocumentPart, parts_of, whole_stories
from slm.errors import EndpointError, shown
from slm.evals.endpoint import AT_ONCE, Endpoint
from slm.evals.loss import (
    BATCH_TOKENS,
    Encoder,
    EvalResult,
    TokenProgress,
    Total,
    evaluate_windows,
    result_of,
)
from slm.evals.scoring import Window, story_windows
from slm.log import Log, silent
from slm.tokenizer.base import Ids

LONGEST_WINDOW = 4096
"""Most tokens scored at once. Few stories are longer, and many servers would need much memory."""
PART_CHARS = 1 << 16
"""Characters that are tokenized at once: servers limit the size of a request."""
ROUNDING = 1e-3
"""A log-probability may be above 0 by so much."""
NO_LOGPROBS = (
    "use a server that scores prompts, such as slm serve or vLLM; several ignore echo, and their "
    "figures would mean nothing"
)
NAME_THE_END = "name it with --end-of-text, for example --end-of-text '<|endoftext|>'"


def evaluate_endpoint(
    endpoint: Endpoint,
    parts: Iterable[DocumentPart],
    *,
    end_of_text: str | None = None,
    on_progress: TokenProgress | None = None,
    log: Log = silent,
) -> EvalResult:
    """Score a text with the model of a server.

    Args:
        endpoint: the server.
        parts: the documents.
        end_of_text: the end-of-text token as text; None: the server says which one it is.
        on_progress: called with the number of tokens scored so far.
        log: called with sentences for the user.

    Raises:
        EndpointError: the server does not answer, or not with a log-probability for each token.
        DataError: there is no text to score.
    """
    scorer = EndpointScorer(endpoint)
    scorer.check()
    tokenizer = EndpointTokenizer.find(endpoint, end_of_text)
    if tokenizer is None:
        if end_of_text is None:
            raise EndpointError(
                f"{endpoint.address} has no /tokenize and does not say which token ends a text",
                hint=NAME_THE_END,
            )
        log(f"{endpoint.address} has no /tokenize: stories are sent as text")
        return _evaluate_texts(scorer, end_of_text, whole_stories(parts), on_progress)
    size = scorer.longest_window(tokenizer)
    log(f"windows of {size:,} tokens")
    encoder = Encoder(tokenizer)
    ids = encoder.ids_of(parts)
    return evaluate_windows(
        story_windows(ids, tokenizer.eot_id, size, bos_id=tokenizer.bos_id),
        scorer,
        n_bytes=lambda: encoder.n_bytes,
        batch_tokens=max(2 * BATCH_TOKENS, 4 * AT_ONCE * size),
        on_progress=on_progress,
    )


class EndpointTokenizer:
    """The tokenizer of a server with vLLM's `POST /tokenize`.

    Args:
        endpoint: the server.
        eot_id: the end-of-text token.
        bos_id: the token that begins a text.
        context: the model's context length as the server says.
    """

    def __init__(self, endpoint: Endpoint, *, eot_id: int, bos_id: int, context: int) -> None:
        self.endpoint = endpoint
        self.eot_id = eot_id
        self.bos_id = bos_id
        self.context = context

    @classmethod
    def find(cls, endpoint: Endpoint, end_of_text: str | None) -> EndpointTokenizer | None:
        """The server's tokenizer; None: it offers none.

        Raises:
            EndpointError: it does not say what ends a text, or that is not one token.
        """
        try:
            begins = _tokenize(endpoint, "", special=True)
        except EndpointError as error:
            if error.status in (400, 404, 405, 422, 501):
                return None
            raise
        context = begins.get("max_model_len")
        if not isinstance(context, int) or isinstance(context, bool) or context < 1:
            return None  # another program's, such as that of llama.cpp
        text = _end_of_text(endpoint) if end_of_text is None else end_of_text
        ends = _ids_in(endpoint, _tokenize(endpoint, text, special=False))
        if len(ends) != 1:
            raise EndpointError(
                f"{endpoint.address} reads {shown(text)} as {len(ends)} tokens, not as the "
                "end-of-text token",
                hint=NAME_THE_END,
            )
        first = _ids_in(endpoint, begins)
        eot_id = ends[0]
        return cls(endpoint, eot_id=eot_id, bos_id=first[0] if first else eot_id, context=context)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without special tokens. A long one is sent in parts."""
        return [
            token_id
            for part in parts_of(text, PART_CHARS)
            for token_id in _ids_in(
                self.endpoint, _tokenize(self.endpoint, part.text, special=False)
            )
        ]

    def encode_batch(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of texts, without special tokens."""
        found = self.endpoint.map(self.encode, texts)
        return [np.array(ids, dtype=np.uint32) for ids in found]


def _tokenize(endpoint: Endpoint, text: str, *, special: bool) -> dict[str, Any]:
    body = {"model": endpoint.model, "prompt": text, "add_special_tokens": special}
    return endpoint.post("/tokenize", body)


def _ids_in(endpoint: Endpoint, answer: dict[str, Any]) -> list[int]:
    ids = answer.get("tokens")
    if not isinstance(ids, list) or not all(
        isinstance(each, int) and not isinstance(each, bool) and 0 <= each < 1 << 32 for each in ids
    ):
        raise EndpointError(
            f"{endpoint.root}/tokenize answers without token ids: {shown(answer)}",
            hint="check the server's output",
        )
    return ids


def _end_of_text(endpoint: Endpoint) -> str:
    """The text of the end-of-text token, by `GET /tokenizer_info`."""
    found: Any = None
    try:
        query = urlencode({"model": endpoint.model})
        found = endpoint.get(f"/tokenizer_info?{query}").get("eos_token")
    except EndpointError as error:
        if error.status not in (404, 405, 501):
            raise
    if isinstance(found, dict):  # as in a tokenizer's own file
        found = found.get("content")
    if not isinstance(found, str) or not found:
        raise EndpointError(
            f"{endpoint.address} does not say which token ends a text", hint=NAME_THE_END
        )
    return found


class EndpointScorer:
    """Scores windows, and texts, with the log-probabilities of a server.

    Args:
        endpoint: the server.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._max_tokens = 0
        """New tokens that a request asks for: some servers generate at least one."""

    def check(self) -> None:
        """Ask for the log-probabilities of a short text.

        Raises:
            EndpointError: the server knows no such model, or returns no log-probabilities.
        """
        self._scored({"prompt": "a b", "max_tokens": 1})

    def longest_window(self, tokenizer: EndpointTokenizer) -> int:
        """The most tokens that the server scores at once.

        A model with a context of N positions can predict N tokens, but servers differ in whether
        they take the last one, which is never read, and whether they must generate another.
        """
        context = min(tokenizer.context, LONGEST_WINDOW)
        start = [tokenizer.bos_id, tokenizer.eot_id]
        try:
            self.log_probabilities(start)
        except EndpointError as error:
            if error.status is None:
                raise
            self._max_tokens = 1
            self.log_probabilities(start)
        for size in range(context, max(0, context - 4), -1):
            try:
                self.log_probabilities([tokenizer.bos_id, *[tokenizer.eot_id] * size])
            except EndpointError as error:
                if error.status is None:
                    raise
                refusal = error
            else:
                return size
        raise refusal

    def nats(self, batch: Sequence[Window]) -> float:
        """See `slm.evals.scorers.Scorer`."""
        return sum(self.endpoint.map(self._window_nats, batch))

    def _window_nats(self, window: Window) -> float:
        return -math.fsum(self.log_probabilities(window.ids.tolist())[window.n_context :])

    def log_probabilities(self, ids: Sequence[int]) -> list[float]:
        """ln P of each id but the first, given those before it.

        Raises:
            EndpointError: the server refuses them, or returns something else.
        """
        body = {"prompt": list(ids), "add_special_tokens": False}
        logprobs, _ = self._scored(body)
        return self._checked(logprobs.get("token_logprobs"), len(ids), exactly=not self._max_tokens)

    def text_log_probabilities(self, text: str, end_of_text: str) -> list[float]:
        """ln P of each token of a text and of the end-of-text token after it.

        Raises:
            EndpointError: see `log_probabilities`; or the server reads the end-of-text token as
                ordinary text.
        """
        # Some servers take 0 as "no limit".
        body = {"prompt": end_of_text + text + end_of_text, "max_tokens": 1}
        logprobs, answer = self._scored(body)
        tokens, usage = logprobs.get("tokens"), answer.get("usage")
        n_new = usage.get("completion_tokens") if isinstance(usage, dict) else None
        if not isinstance(tokens, list) or not isinstance(n_new, int) or len(tokens) - n_new < 2:
            raise self._error("does not return the tokens of the prompt and their number")
        n_tokens = len(tokens) - n_new
        found = self._checked(logprobs.get("token_logprobs"), n_tokens, exactly=False)
        # A server may put a token of its own before the prompt, which may be the same.
        n_before = 2 if n_tokens > 2 and tokens[1] == end_of_text else 1
        ends = tokens[n_before - 1], tokens[n_tokens - 1]
        if n_tokens <= n_before or ends != (end_of_text, end_of_text):
            raise self._error(
                f"reads {shown(end_of_text)} as {shown(tokens[0])}, not as the end-of-text token",
                hint=NAME_THE_END,
            )
        return found[n_before - 1 :]

    def _scored(self, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The log-probabilities in the answer to a prompt, and the answer."""
        fixed = {"echo": True, "logprobs": 1, "temperature": 0, "max_tokens": self._max_tokens}
        answer = self.endpoint.complete({**fixed, **body})
        choices = answer.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        logprobs = choice.get("logprobs") if isinstance(choice, dict) else None
        if not isinstance(logprobs, dict) or "token_logprobs" not in logprobs:
            raise self._error("returns no log-probabilities of the prompt")
        return logprobs, answer

    def _checked(self, values: Any, n_tokens: int, *, exactly: bool) -> list[float]:
        """The log-probabilities of all tokens but the first, which has none."""
        n_found = len(values) if isinstance(values, list) else 0
        if n_found < n_tokens or (exactly and n_found > n_tokens):
            raise self._error(
                f"returns {n_found:,} log-probabilities for the {n_tokens:,} tokens of a prompt"
            )
        found = values[1:n_tokens]
        for number, value in enumerate(found, 2):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not -math.inf < value <= ROUNDING:
                raise self._error(
                    f"returns {shown(value)} as the log-probability of token {number:,}"
                )
        return [float(value) for value in found]

    def _error(self, problem: str, *, hint: str = NO_LOGPROBS) -> EndpointError:
        return EndpointError(f"{self.endpoint.address} {problem}", hint=hint)


def _evaluate_texts(
    scorer: EndpointScorer,
    end_of_text: str,
    stories: Iterable[str],
    on_progress: TokenProgress | None,
) -> EvalResult:
    total, n_bytes = Total(), 0

    def score(story: str) -> tuple[int, list[float]]:
        try:
            found = scorer.text_log_probabilities(story, end_of_text)
        except EndpointError as error:
            if error.status not in (400, 413, 422):
                raise
            raise EndpointError(
                f"a story of {len(story):,} characters was rejected: {error.message}",
                hint="without /tokenize, a server must take every story as a whole; score a text "
                "of shorter ones",
                status=error.status,
            ) from None
        return len(story.encode("utf-8")), found

    for size, found in scorer.endpoint.map(score, stories):
        n_bytes += size
        total.nats -= math.fsum(found)
        total.tokens += len(found)
        total.stories += 1
        if on_progress is not None:
            on_progress(total.tokens)
    return result_of(total, n_bytes)
