"""What fails in a scheduler ends the requests that it concerns, and no others."""

from __future__ import annotations

import math

import pytest

from slm.server.request_queue import ClosedError, ModelError
from tests.unit.server.fakes import never_ending, run, wait_until


def failing_from(calls):
    """What `FakeEngine.fail` may be: these calls raise."""

    def fail(call):
        if call.startswith(calls):
            raise RuntimeError("broken")

    return fail


def almost_full(stream, max_new_tokens=40, **options):
    """A text whose context is full after its second new token, and then starts over."""
    return stream("x" * 30, temperature=0.0, max_new_tokens=max_new_tokens, **options)


class FailsOnce:
    """A method that fails when it is asked to."""

    def __init__(self, method):
        self.method = method
        self.is_due = False

    def __call__(self):
        if self.is_due:
            self.is_due = False
            raise KeyError("a fault of ours")
        return self.method()


def test_a_failing_read_ends_its_request_only(make_scheduler, fake_engine, stream, client):
    engine = fake_engine(2)
    scheduler = make_scheduler(engine)
    good = client(scheduler, stream(max_new_tokens=9, temperature=0.0))
    scheduler.step()

    def fail(call):
        if call == "prefill 1":
            raise RuntimeError("no memory")

    engine.fail = fail
    bad = client(scheduler, stream())
    scheduler.step()
    assert isinstance(bad.error, ModelError)
    run(scheduler, [good])
    assert good.done
    engine.fail = lambda call: None
    again = client(scheduler, stream())
    run(scheduler, [again])
    assert scheduler.counts.failed == 1


def test_a_failing_step_ends_all_that_run_and_nothing_else(
    make_scheduler, fake_engine, stream, client
):
    engine = fake_engine(2)
    scheduler = make_scheduler(engine)
    clients = [client(scheduler, stream(max_new_tokens=9, seed=i)) for i in range(3)]
    scheduler.step()

    def fail(call):
        if call.startswith("decode"):
            raise RuntimeError("broken")

    engine.fail = fail
    scheduler.step()
    engine.fail = lambda call: None
    assert [isinstance(each.error, ModelError) for each in clients] == [True, True, False]
    run(scheduler, clients)
    assert clients[2].done


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_fail_the_request(
    make_scheduler, fake_engine, stream, client, value
):
    engine = fake_engine(2)
    scheduler = make_scheduler(engine)
    good = client(scheduler, stream("good", max_new_tokens=3))
    whole = engine.logits_of
    engine.logits_of = lambda ids: whole(ids) if ids[1] == ord("g") else whole(ids) * value
    bad = client(scheduler, stream("bad"))
    run(scheduler, [good, bad])
    assert isinstance(bad.error, ModelError)
    assert good.done
    assert engine.texts == {}


@pytest.mark.parametrize("failing", ["decode", "prefill"])
def test_a_failure_while_a_sibling_starts_over_ends_their_request_alone(
    make_scheduler, fake_engine, stream, client, alone, failing
):
    engine = fake_engine(4)
    never_ending(engine)
    scheduler = make_scheduler(engine)
    # Of two texts of a request, one starts over when the other goes on, or both do.
    other = "x" if failing == "decode" else "x" * 30
    siblings = client(
        scheduler,
        almost_full(stream),
        stream(other, index=1, temperature=0.0, max_new_tokens=40),
    )
    while siblings.sequences[0].next_id is not None or not siblings.deltas():
        scheduler.step()
    engine.fail = failing_from(failing)
    scheduler.step()
    engine.fail = lambda call: None
    assert isinstance(siblings.error, ModelError)
    assert engine.texts == {}
    assert scheduler.busy_slots == 0
    again = client(scheduler, stream(max_new_tokens=9))
    run(scheduler, [again])
    assert scheduler.is_healthy


def test_texts_that_are_not_finite_while_a_sibling_starts_over(
    make_scheduler, fake_engine, stream, client
):
    engine = fake_engine(2)
    never_ending(engine)
    scheduler = make_scheduler(engine)
    siblings = client(
        scheduler,
        almost_full(stream),
        stream("y", index=1, temperature=0.0, max_new_tokens=40),
    )
    while siblings.sequences[0].next_id is not None or not siblings.deltas():
        scheduler.step()
    whole = engine.logits_of
    engine.logits_of = lambda ids: whole(ids) * (math.nan if ids[1] == ord("y") else 1.0)
    scheduler.step()
    assert isinstance(siblings.error, ModelError)
    assert engine.texts == {}


def test_a_step_that_fails_ends_its_requests_and_not_the_thread(
    make_scheduler, fake_engine, stream, client, alone, monkeypatch
):
    engine = fake_engine(2)
    scheduler = make_scheduler(engine, queue=10)
    never_ending(engine)
    monkeypatch.setattr(scheduler, "_end_late", failing_step := FailsOnce(scheduler._end_late))
    scheduler.start(lambda call: call())
    clients = [client(scheduler, stream(seed=i, max_new_tokens=2**20)) for i in range(3)]
    wait_until(lambda: clients[0].deltas())
    failing_step.is_due = True
    wait_until(lambda: all(each.error for each in clients))
    assert [type(each.error) for each in clients] == [ModelError] * 3
    assert scheduler.is_healthy
    again = client(scheduler, stream(max_new_tokens=9))
    wait_until(lambda: again.done)
    assert again.deltas()[-1].new_tokens == 9
    scheduler.close()
    assert engine.texts == {}


def test_a_thread_that_cannot_be_saved_says_so(make_scheduler, fake_engine, stream, client):
    engine = fake_engine(1)
    never_ending(engine)
    scheduler = make_scheduler(engine, queue=10)
    scheduler.start(lambda call: call())
    runs, waits = (client(scheduler, stream(max_new_tokens=2**20)) for _ in range(2))
    wait_until(lambda: runs.deltas())

    def free(engine):
        raise RuntimeError("the native code is in no known state")

    engine.free = free
    scheduler.cancel(runs.queued)
    wait_until(lambda: not scheduler.is_healthy)
    wait_until(lambda: waits.error)
    assert isinstance(waits.error, ClosedError)
    assert waits.error.after_failure
    for refused in (scheduler.check_room, lambda: client(scheduler, stream())):
        with pytest.raises(ClosedError) as error:
            refused()
        assert error.value.after_failure
    scheduler.close()


def test_a_step_that_hangs_is_not_well(make_scheduler, fake_engine, stream, client, clock):
    engine = fake_engine(1)
    scheduler = make_scheduler(engine, request_seconds=5)
    client(scheduler, stream())
    well = []

    def hang(call):
        clock.now += 4.0
        well.append(scheduler.is_healthy)

    engine.fail = hang
    scheduler.step()
    clock.now += 100.0
    assert scheduler.is_healthy
    engine.fail = lambda call: hang(call) or hang(call)
    client(scheduler, stream())
    scheduler.step()
    assert well[:3] == [True, True, False]
