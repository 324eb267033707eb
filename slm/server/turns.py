"""Work that takes long and runs in a thread, one request at a time; a few requests may wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from slm.errors import SlmError
from slm.server.http_errors import HttpError

Result = TypeVar("Result")


class Turns:
    """Gives each request its turn.

    Args:
        max_waiting: how many requests may wait; more are refused at once.
    """

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._limiter = anyio.CapacityLimiter(1)

    async def run(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, computed in a thread when it is this request's turn.

        Raises:
            HttpError: too many requests wait, or `work` raised an `SlmError`.
        """
        would_wait = self._limiter.available_tokens < 1
        if would_wait and self._limiter.statistics().tasks_waiting >= self._max_waiting:
            raise HttpError(429, "too many requests wait for their turn", retry_after=1)
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)
        except SlmError as error:
            raise HttpError(400, str(error)) from None
