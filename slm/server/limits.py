"""The limits of a server: sizes, counts and times."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from slm.config.group import SettingsGroup

Seconds = Annotated[float, Field(gt=0.0, le=86_400.0)]


class Limits(SettingsGroup):
    """The limits of a server. A request beyond them is refused at once, with the reason."""

    slots: Annotated[int, Field(ge=1, le=4096)] = 16
    """Sequences that are generated at the same time."""
    queue: Annotated[int, Field(ge=0, le=100_000)] = 64
    """Requests that may wait for a slot, and as many that may wait to look inside the model;
    another one is refused with 429."""
    connections: Annotated[int, Field(ge=1, le=100_000)] = 2048
    """Open connections; one more is refused with 503."""
    body_bytes: Annotated[int, Field(ge=1024, le=2**30)] = 1 << 20
    """Maximum size of a request's body."""
    all_bodies_bytes: Annotated[int, Field(ge=1024, le=2**36)] = 64 << 20
    """Maximum size of all bodies that are being read; a request beyond it is refused with 503."""
    max_tokens: Annotated[int, Field(ge=1, le=2**20)] = 2048
    """Maximum number of new tokens per sequence."""
    choices: Annotated[int, Field(ge=1, le=1024)] = 16
    """Maximum number of continuations per prompt (`n`)."""
    prompts: Annotated[int, Field(ge=1, le=1024)] = 16
    """Maximum number of prompts per request."""
    max_response_tokens: Annotated[int, Field(ge=1, le=2**30)] = 1 << 18
    """Maximum number of tokens in a response, including the alternatives of `logprobs`."""
    queue_seconds: Seconds = 30.0
    """How long a request waits for a slot before it is refused with 503."""
    request_seconds: Seconds = 120.0
    """How long a request may take; sequences that are unfinished by then end with `length`."""
    header_seconds: Seconds = 10.0
    """How long a client may take to send the head of a request."""
    body_seconds: Seconds = 10.0
    """How long a client may take to send the body of a request."""
    stall_seconds: Seconds = 20.0
    """How long a client may leave a response unread; one that reads some of it gets more time."""
    keep_alive_seconds: Seconds = 5.0
    """How long a connection stays open between two requests."""
    drain_seconds: Seconds = 30.0
    """How long requests may continue after the server was asked to end."""
