"""Every callback hears of everything, and only a vital one's failure counts."""

from __future__ import annotations

from typing import Any

import pytest

from slm.errors import NoSpaceError
from slm.training import Callback
from slm.training.callbacks import CallbackList


class Failing(Callback):
    def __init__(self, error: Exception, *, is_vital: bool = True) -> None:
        self.error = error
        self.is_vital = is_vital

    def on_end(self, result: Any) -> None:
        raise self.error

    def on_note(self, text: str) -> None:
        raise self.error


def end(callbacks: list[Callback], *, failed: bool = False, times: int = 1) -> None:
    listeners = CallbackList(callbacks)
    for _ in range(times):
        listeners.emit("on_end", None, failed=failed)


def test_all_hear_of_it_and_the_first_failure_is_raised(listener: Any) -> None:
    with pytest.raises(KeyError, match="first"):
        end([Failing(KeyError("first")), Failing(OSError("second")), listener])
    assert listener.events == [("on_end", None)]


def test_of_a_failed_run_every_failure_is_a_note(listener: Any) -> None:
    end(
        [Failing(NoSpaceError("no space", hint="x")), Failing(OSError("odd")), listener],
        failed=True,
    )
    assert listener.events == [
        ("on_note", "Failing failed: no space"),
        ("on_note", "Failing failed: OSError: odd"),
        ("on_end", None),
    ]


def test_what_is_not_vital_is_noted_once(listener: Any) -> None:
    end([listener, Failing(ValueError("plot"), is_vital=False)], times=3)
    assert listener.of("on_note") == ["Failing failed: ValueError: plot"]
    assert len(listener.of("on_end")) == 3


def test_only_the_main_process_tells(listener: Any) -> None:
    for rank in (1, 0):
        CallbackList([listener], is_main=rank == 0).note(f"from {rank}")
    assert listener.events == [("on_note", "from 0")]
