"""A scheduler whose steps the test makes, an engine without a model, and a model to look into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from slm.model import GPT
from slm.server.limits import Limits
from slm.server.scheduler import Scheduler
from slm.tokenizer.byte_level import BytesTokenizer
from tests.unit.server.fakes import Client, Clock, FakeEngine, make_sequence, run_alone


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake_engine() -> Callable[[int], FakeEngine]:
    return FakeEngine


@pytest.fixture
def stream() -> Any:
    return make_sequence


@pytest.fixture
def client() -> Any:
    return Client


@pytest.fixture
def make_scheduler(clock: Clock) -> Any:
    """`make_scheduler(engine, **limits)`: a scheduler whose steps the test makes."""

    def make(engine: FakeEngine, **limits: Any) -> Scheduler:
        return Scheduler(engine, Limits(slots=engine.n_slots, **limits), clock=clock)

    return make


@pytest.fixture
def alone() -> Any:
    return run_alone


@pytest.fixture(scope="session")
def inspected(tiny_model: Callable[..., GPT]) -> Any:
    """A model to look into."""
    from slm.server.insight_routes import InspectedModel

    return InspectedModel(tiny_model("modern", spread=6.0, vocab_size=257).eval(), BytesTokenizer())


@pytest.fixture
def client_of() -> Callable[..., Any]:
    """`client_of(routes)`: a client of an application with these routes."""
    from starlette.applications import Starlette
    from starlette.testclient import TestClient

    from slm.server.endpoints import error_response
    from slm.server.http_errors import HttpError

    def make(routes: Any) -> TestClient:
        handlers = {HttpError: error_response}
        return TestClient(Starlette(routes=routes, exception_handlers=handlers))

    return make
