"""Servers that run beside a test, on loopback, in a thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2

from slm.generation import Engine
from slm.server.app import create_app
from slm.server.endpoints import Service
from slm.server.limits import Limits
from slm.server.requests import ServedModel
from slm.server.scheduler import Scheduler
from slm.server.serve import Server, address_of, build_server, listen
from slm.tokenizer.base import Tokenizer
from slm.tokenizer.byte_level import BytesTokenizer

PATIENCE_SECONDS = 120.0
"""How long tests wait for what takes milliseconds on an idle machine."""


@dataclass
class Running:
    """A server that answers."""

    address: str
    port: int
    scheduler: Scheduler
    server: Server
    thread: threading.Thread

    def client(self) -> httpx2.Client:
        """A client that waits for a busy machine; by default, HTTPX gives up after 5 s."""
        return httpx2.Client(base_url=self.address, trust_env=False, timeout=PATIENCE_SECONDS)

    def drain(self) -> None:
        """What the first signal does."""
        self.server.should_exit = True


@contextlib.contextmanager
def running(
    engine: Engine,
    *,
    tokenizer: Tokenizer | None = None,
    name: str = "tiny",
    send_buffer: int | None = None,
    **settings: Any,
) -> Iterator[Running]:
    """Serve while the block runs; further settings are those of `Limits` or of `create_app`."""
    limits = Limits(
        **{"slots": engine.n_slots}
        | {name: settings.pop(name) for name in [*settings] if name in Limits.model_fields}
    )
    scheduler = Scheduler(engine, limits)
    service = Service(
        model=ServedModel.of(name, tokenizer or BytesTokenizer(), engine.block_size),
        scheduler=scheduler,
        limits=limits,
        created=1_700_000_000,
    )
    listener = listen("127.0.0.1", 0, with_key=False)
    if send_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    address = address_of(listener)
    app = create_app(service, **settings)
    server = build_server(app, limits, on_drain=scheduler.drain)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="server")
    thread.start()
    try:
        yield Running(address, int(address.rpartition(":")[2]), scheduler, server, thread)
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        listener.close()
        assert not thread.is_alive(), "the server does not end"
