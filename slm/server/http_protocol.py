"""HTTP/1.1 with deadlines, for clients that send or read slowly, or not at all.

uvicorn only limits the time between two requests. This module adds a deadline for the head of a
request, one for unread responses, and a maximum number of connections. The deadline for bodies is
in `slm.server.request_bodies`.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from slm.server.http_errors import HttpError
from slm.server.limits import Limits

HARD_FACTOR = 2
"""Connections above this multiple of the limit are closed without a response."""
SLOWEST_BYTES = 1 << 16
"""What a client must read of a response before the deadline, if it does not read all of it."""


async def _answer_full(scope: Scope, receive: Receive, send: Send) -> None:
    error = HttpError(
        503,
        "too many connections are open",
        code="busy",
        retry_after=1,
        headers={"Connection": "close"},
    )
    await error.response()(scope, receive, send)


def protocol_with(limits: Limits) -> type[asyncio.Protocol]:
    """uvicorn's protocol with these limits."""

    class DeadlineProtocol(H11Protocol):
        """One connection."""

        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            self._head_timer: asyncio.TimerHandle | None = None
            self._stall_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > HARD_FACTOR * limits.connections:
                transport.abort()
                return
            if len(self.connections) > limits.connections:
                self.app = _answer_full
            # `pause_writing` is then called as soon as the client leaves a byte unread.
            transport.set_write_buffer_limits(high=0)
            self._watch_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_timer = _cancelled(self._head_timer)
            self._stall_timer = _cancelled(self._stall_timer)
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            if self.conn.their_state is h11.IDLE:
                already, _ = self.conn.trailing_data
                data = with_ascii_target(data, is_first_line=b"\n" not in already)
            super().data_received(data)
            self._watch_head()

        def pause_writing(self) -> None:
            super().pause_writing()
            if self._stall_timer is None:
                self._watch_reading()

        def resume_writing(self) -> None:
            self._stall_timer = _cancelled(self._stall_timer)
            super().resume_writing()

        def _watch_head(self) -> None:
            """Start the deadline for a request's head, unless a request is being answered.

            The bytes after a response are the next head, or the rest of an unread body.
            """
            if self.cycle is not None and not self.cycle.response_complete:
                self._head_timer = _cancelled(self._head_timer)
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(limits.header_seconds, self._abort)

        def _watch_reading(self) -> None:
            self._unread = self.transport.get_write_buffer_size()
            self._stall_timer = self.loop.call_later(limits.stall_seconds, self._judge_reading)

        def _judge_reading(self) -> None:
            """A client that reads slowly may go on; one that does not read is cut off."""
            if self._unread - self.transport.get_write_buffer_size() >= SLOWEST_BYTES:
                self._watch_reading()
            else:
                self._abort()

        def _abort(self) -> None:
            self.transport.abort()

        def on_response_complete(self) -> None:
            self._head_timer = _cancelled(self._head_timer)
            super().on_response_complete()

        def send_400_response(self, msg: str) -> None:
            """Respond to invalid HTTP with an error in our format."""
            body = json.dumps(HttpError(400, msg).to_json()).encode("ascii")
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode("ascii")),
                (b"connection", b"close"),
            ]
            response = h11.Response(status_code=400, headers=headers, reason=STATUS_PHRASES[400])
            try:
                for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                    self.transport.write(self.conn.send(event) or b"")
            except h11.LocalProtocolError:  # a response has already begun
                self.transport.abort()
            self.transport.close()

    return DeadlineProtocol


def with_ascii_target(data: bytes, *, is_first_line: bool) -> bytes:
    """A part of a request's head, with the target in its first line percent-encoded.

    Browsers percent-encode non-ASCII characters of a path; other programs may not, and h11 would
    reject them.
    """
    if not is_first_line or data.isascii():
        return data
    line, newline, rest = data.partition(b"\n")
    escaped = b"".join(bytes([byte]) if byte < 0x80 else b"%%%02X" % byte for byte in line)
    return escaped + newline + rest


def _cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    if timer is not None:
        timer.cancel()
    return None
