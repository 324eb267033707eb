"""Subjects without a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from slm.evals.suite import Request
from slm.generation.options import GenerationOptions
from slm.generation.sequence import Completion


class Judge:
    """Finds each request as likely as a function says; a context has `room` characters."""

    name = "judge"

    def __init__(self, judge: Callable[[Request], float], *, room: int = 10_000) -> None:
        self.judge = judge
        self.room = room

    def log_likelihoods(
        self, requests: Sequence[Request], *, on_progress: Callable[[float, int], None]
    ) -> list[float]:
        on_progress(1.0, len(requests))
        return [self.judge(request) for request in requests]

    def tokens_cut(self, requests: Sequence[Request]) -> list[int]:
        return [max(0, len(request.context) - self.room) for request in requests]

    def complete(self, prompts: Sequence[str], options: GenerationOptions) -> list[Completion]:
        raise NotImplementedError

    def training_text(self) -> Iterator[str] | None:
        return None
