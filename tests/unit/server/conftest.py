"""A scheduler whose steps the test makes, on slots without a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from slm.server.limits import Limits
from slm.server.scheduler import Scheduler
from tests.unit.server.fakes import Client, Clock, FakeSlots, make_stream, run_alone


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake_slots() -> Callable[[int], FakeSlots]:
    return FakeSlots


@pytest.fixture
def stream() -> Any:
    return make_stream


@pytest.fixture
def client() -> Any:
    return Client


@pytest.fixture
def make_scheduler(clock: Clock) -> Any:
    """`make_scheduler(slots, **limits)`: a scheduler whose steps the test makes."""

    def make(slots: FakeSlots, **limits: Any) -> Scheduler:
        return Scheduler(slots, Limits(slots=slots.n_slots, **limits), clock=clock)

    return make


@pytest.fixture
def alone() -> Any:
    return run_alone
