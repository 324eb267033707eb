"""A real server with the page, in a thread, on loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from slm.generation import Generator, TorchEngine
from slm.server.app import create_app
from slm.server.endpoints import Service
from slm.server.insight_routes import InspectedModel, insight_routes
from slm.server.limits import Limits
from slm.server.over_time_routes import over_time_routes
from slm.server.page_routes import page_routes
from slm.server.requests import ServedModel
from slm.server.run_routes import run_routes
from slm.server.scheduler import Scheduler
from slm.server.serve import address_of, build_server, listen


class SlowEngine(TorchEngine):
    """An engine that pauses before each token."""

    def __init__(self, *arguments: Any, pause: float) -> None:
        super().__init__(*arguments)
        self.pause = pause

    def decode(self, slots: Sequence[int], ids: Sequence[int]) -> Tensor:
        time.sleep(self.pause)
        return super().decode(slots, ids)


def service_of(name: str, of: InspectedModel, limits: Limits, pause: float) -> Service:
    engine = SlowEngine(of.model, limits.slots, pause=pause)
    scheduler = Scheduler(engine, limits)
    return Service(
        model=ServedModel.of(name, of.tokenizer, engine.block_size),
        scheduler=scheduler,
        limits=limits,
        created=0,
    )


def generator_of(models: Mapping[str, InspectedModel]) -> Generator:
    """The first model, in the place of a checkpoint of a run."""
    first = next(iter(models.values()))
    return Generator(TorchEngine(first.model), first.tokenizer)


@contextmanager
def serving(
    models: Mapping[str, InspectedModel],
    run: Path | None = None,
    *,
    pause: float = 0.0,
    api_key: str | None = None,
) -> Iterator[str]:
    """Serve these models and this run; yields the address."""
    # A browser may leave a connection open; the server must still stop.
    limits = Limits(slots=4, drain_seconds=2.0)
    first, *others = (service_of(name, of, limits, pause) for name, of in models.items())
    app = create_app(
        first,
        beside=others,
        api_key=api_key,
        routes=[
            *insight_routes(models, limits),
            *run_routes(run),
            *over_time_routes(run, lambda path: generator_of(models), limits),
        ],
        open_routes=page_routes(),
    )
    with listen("127.0.0.1", 0, with_key=api_key is not None) as listener:
        server = build_server(app, limits, on_drain=lambda: None)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield address_of(listener)
        finally:
            server.should_exit = True
            thread.join(120)
            assert not thread.is_alive(), "the server does not end"
