"""What the tests of faults share: how long they take, and a process to fork."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.faults.forked import Nursery, nursery


@pytest.fixture(scope="session")
def soak() -> bool:
    """Whether this is the long form (`make soak`)."""
    return os.environ.get("SLM_SOAK", "0") not in ("", "0")


@pytest.fixture
def fsync_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where power does not really fail, waiting for the disk would take most of the time."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="session")
def children() -> Iterator[Nursery]:
    """A process that has imported PyTorch, to run jobs in forked children of it."""
    with nursery() as parent:
        yield parent


@pytest.fixture(autouse=True)
def no_job_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test that failed has started is waited for, so that the next sees its own jobs."""
    shared = request.getfixturevalue("children") if "children" in request.fixturenames else None
    yield
    if shared is not None:
        shared.forget()
