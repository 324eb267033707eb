"""How much is served at once, and how long anything may take."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from slm.settings_group import SettingsGroup

Seconds = Annotated[float, Field(gt=0.0, le=86_400.0)]


class Limits(SettingsGroup):
    """The bounds of a server. What goes beyond them is refused at once, and says so."""

    slots: Annotated[int, Field(ge=1, le=4096)] = 16
    """Texts that are written at the same time."""
    queue: Annotated[int, Field(ge=0, le=100_000)] = 64
    """Requests that may wait for a slot; one more is refused with 429."""
    connections: Annotated[int, Field(ge=1, le=100_000)] = 2048
    """Open connections; one more is refused with 503."""
    body_bytes: Annotated[int, Field(ge=1024, le=2**30)] = 1 << 20
    """Size of a request's body."""
    all_bodies_bytes: Annotated[int, Field(ge=1024, le=2**36)] = 64 << 20
    """Size of all bodies that are being read; what would exceed it is refused with 503."""
    max_tokens: Annotated[int, Field(ge=1, le=2**20)] = 2048
    """New tokens that a request may ask for."""
    choices: Annotated[int, Field(ge=1, le=1024)] = 16
    """Continuations of a prompt (`n`)."""
    prompts: Annotated[int, Field(ge=1, le=1024)] = 16
    """Prompts in a request."""
    max_response_tokens: Annotated[int, Field(ge=1, le=2**30)] = 1 << 18
    """Tokens of a request's answer, alternatives reported with `logprobs` included."""
    queue_seconds: Seconds = 30.0
    """How long a request waits for a slot before it is refused with 503."""
    request_seconds: Seconds = 120.0
    """How long a request may take; texts that are not done by then end with `length`."""
    header_seconds: Seconds = 10.0
    """How long a client may take to send the head of a request."""
    body_seconds: Seconds = 10.0
    """How long a client may take to send the body of a request."""
    stall_seconds: Seconds = 20.0
    """How long a client may leave an answer unread."""
    keep_alive_seconds: Seconds = 5.0
    """How long a connection stays open between two requests."""
    drain_seconds: Seconds = 30.0
    """How long requests may go on after the server was asked to end."""
