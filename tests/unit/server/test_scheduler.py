"""Requests in slots: joining, leaving, waiting, refusals, cancelling."""

from __future__ import annotations

import math
import random
import threading

import pytest
import torch

from slm.server.request_queue import BusyError, ClosedError, ModelError
from tests.unit.server.fakes import never_ending, run, wait_until


def test_company_changes_nothing(make_scheduler, fake_engine, stream, client, alone):
    chance = random.Random(0)
    engine = fake_engine(5)
    scheduler = make_scheduler(engine, queue=100)
    settings = [
        {
            "prompt": chance.choice(["", "a", "Once upon", "x" * 31]),
            "seed": number,
            "max_new_tokens": chance.randint(1, 50),
            "temperature": chance.choice([0.0, 0.7, 2.0]),
            "top_k": chance.choice([None, 4]),
            "repetition_penalty": chance.choice([1.0, 1.3]),
            "logprobs": chance.choice([None, 2]),
            "echo": chance.random() < 0.3,
        }
        for number in range(40)
    ]
    clients = []
    for each in settings:
        clients.append(client(scheduler, stream(**each)))
        for _ in range(chance.randint(0, 6)):
            scheduler.step()
    run(scheduler, clients)
    for each, served in zip(settings, clients, strict=True):
        assert served.deltas() == alone(stream(**each))
    assert engine.most_taken == 5
    assert engine.texts == {}


def test_a_step_advances_all_texts_in_one_call(make_scheduler, fake_engine, stream, client):
    engine = fake_engine(3)
    scheduler = make_scheduler(engine)
    for number in range(3):
        client(scheduler, stream(seed=number, max_new_tokens=20, temperature=0.0))
    scheduler.step()
    assert engine.calls == ["prefill 0", "prefill 1", "prefill 2"]
    scheduler.step()
    assert engine.calls[3:] == ["decode 3"]


def test_long_prompts_are_read_a_few_at_a_time(make_scheduler, fake_engine, stream, client):
    # With the end of text before them, 16 tokens each and 2.
    for prompt, expected in (("x" * 15, [16, 20]), ("x", [20, 20])):
        engine = fake_engine(20)
        scheduler = make_scheduler(engine)
        for number in range(20):
            client(scheduler, stream(prompt, seed=number, max_new_tokens=100, temperature=0.0))
        read = []
        for _ in expected:
            scheduler.step()
            read.append(sum(call.startswith("prefill") for call in engine.calls))
        assert read == expected


def test_a_paced_client_is_told_at_once_then_now_and_then_and_of_the_end(
    make_scheduler, fake_engine, stream, client, alone, clock
):
    engine = fake_engine(2)
    engine.logits_of = lambda ids: torch.eye(260)[65] * 1000
    scheduler = make_scheduler(engine)
    paced = client(scheduler, stream(max_new_tokens=12), pace=0.5)
    other = client(scheduler, stream(max_new_tokens=12))
    told = []
    for _ in range(11):
        scheduler.step()
        told.append(len(paced.events))
        clock.now += 0.125
    assert told == [1, 1, 1, 1, 5, 5, 5, 5, 9, 9, 9]
    assert len(other.events) == 11
    scheduler.step()
    assert paced.events == other.events
    assert paced.done


def test_failures_are_told_at_once(make_scheduler, fake_engine, stream, client):
    engine = fake_engine(1)
    scheduler = make_scheduler(engine)
    paced = client(scheduler, stream(max_new_tokens=12, temperature=0.0), pace=1000.0)
    scheduler.step()
    scheduler.step()
    assert len(paced.events) == 1
    engine.logits_of = lambda ids: torch.full((260,), math.nan)
    scheduler.step()
    assert len(paced.events) == 3
    assert isinstance(paced.error, ModelError)


def test_a_slot_is_taken_over_in_the_step_in_which_it_becomes_free(
    make_scheduler, fake_engine, stream, client
):
    engine = fake_engine(1)
    scheduler = make_scheduler(engine)
    first, second = (client(scheduler, stream(max_new_tokens=2)) for _ in range(2))
    scheduler.step()
    assert scheduler.waiting_requests == 1
    scheduler.step()
    assert first.done
    assert second.deltas()
    assert scheduler.waiting_requests == 0


def test_choices_of_a_request_share_the_slots(make_scheduler, fake_engine, stream, client, alone):
    engine = fake_engine(2)
    scheduler = make_scheduler(engine, queue=1)
    many = client(scheduler, *(stream(index=i, max_new_tokens=6) for i in range(7)))
    one = client(scheduler, stream(seed=9))
    run(scheduler, [many, one])
    for index in range(7):
        assert many.deltas(index) == alone(stream(index=index, max_new_tokens=6))


def test_what_is_too_much_is_refused_at_once(make_scheduler, fake_engine, stream, client):
    scheduler = make_scheduler(fake_engine(2), queue=3)
    clients = [client(scheduler, stream()) for _ in range(5)]
    with pytest.raises(BusyError, match="2 slots are in use and 3 requests wait") as refused:
        client(scheduler, stream())
    assert refused.value.refused_at_once
    assert 1 <= refused.value.retry_after <= 60
    with pytest.raises(BusyError):
        scheduler.check_room()
    run(scheduler, clients)
    scheduler.check_room()


def test_waiting_has_an_end(make_scheduler, fake_engine, stream, client, clock):
    scheduler = make_scheduler(fake_engine(1), queue=3, queue_seconds=5, request_seconds=1000)
    holder = client(scheduler, stream(max_new_tokens=1000, temperature=0.0))
    waiting = client(scheduler, stream())
    scheduler.step()
    clock.now = 6.0
    scheduler.step()
    assert isinstance(waiting.error, BusyError)
    assert not waiting.error.refused_at_once
    assert holder.error is None


def test_a_request_that_takes_too_long_is_cut(make_scheduler, fake_engine, stream, client, clock):
    engine = fake_engine(1)
    engine.logits_of = lambda ids: torch.eye(260)[65] * 1000
    scheduler = make_scheduler(engine, request_seconds=5)
    late = client(scheduler, *(stream("Hi", max_new_tokens=1000, echo=True) for _ in range(2)))
    next_one = client(scheduler, stream())
    scheduler.step()
    scheduler.step()
    clock.now = 6.0
    scheduler.step()
    assert late.text(0) == "HiAA"
    assert late.text(1) == "Hi"
    assert [late.deltas(i)[-1].finish for i in range(2)] == ["length", "length"]
    assert late.done
    assert next_one.deltas()


@pytest.mark.parametrize("steps", range(5))
def test_a_cancelled_request_is_gone_within_a_step(
    make_scheduler, fake_engine, stream, client, steps
):
    engine = fake_engine(2)
    engine.logits_of = lambda ids: torch.eye(260)[65] * 1000
    scheduler = make_scheduler(engine)
    gone = client(scheduler, *(stream(max_new_tokens=1000) for _ in range(3)))
    for _ in range(steps):
        scheduler.step()
    stays = client(scheduler, stream(max_new_tokens=1000))
    scheduler.cancel(gone.queued)
    count = len(gone.events)
    scheduler.step()
    assert len(engine.texts) == 1
    assert len(stays.deltas()) == 1
    assert len(gone.events) == count
    scheduler.cancel(gone.queued)
    scheduler.cancel(stays.queued)
    scheduler.step()
    assert engine.texts == {}
    assert scheduler.busy_slots == 0
    assert scheduler.counts.cancelled == 2


@pytest.mark.slow
def test_cancelling_at_random_leaves_nothing_behind(
    make_scheduler, fake_engine, stream, client, alone
):
    chance = random.Random(1)
    engine = fake_engine(4)
    scheduler = make_scheduler(engine, queue=1000)
    clients = []
    for number in range(200):
        texts = [
            stream(seed=number, index=i, max_new_tokens=6) for i in range(chance.randint(1, 3))
        ]
        clients.append(client(scheduler, *texts))
        if chance.random() < 0.7:
            scheduler.cancel(chance.choice(clients).queued)
        if chance.random() < 0.7:
            scheduler.step()
    kept = [each for each in clients if not each.queued.cancelled]
    assert len(kept) > 20
    run(scheduler, kept)
    scheduler.step()
    assert engine.texts == {}
    for each in kept[:30]:
        seed = clients.index(each)
        for index in range(len(each.sequences)):
            expected = alone(stream(seed=seed, index=index, max_new_tokens=6))
            assert each.deltas(index) == expected


def test_silent_texts_take_no_slot(make_scheduler, fake_engine, stream, client):
    engine = fake_engine(1)
    scheduler = make_scheduler(engine)
    silent = client(scheduler, stream("Hi", silent=True, echo=True))
    scheduler.step()
    assert silent.text() == "Hi"
    assert engine.calls == []


def test_a_thread_of_its_own(make_scheduler, fake_engine, stream, client, alone):
    scheduler = make_scheduler(fake_engine(2), queue=10)
    delivered_by = set()
    threads_before = set(threading.enumerate())

    def post(call):
        delivered_by.add(threading.current_thread().name)
        call()

    scheduler.start(post)
    clients = []
    for number in range(6):
        one = client(scheduler, stream(seed=number, max_new_tokens=30))
        clients.append(one)
    wait_until(lambda: all(each.done for each in clients))
    for number, each in enumerate(clients):
        assert each.deltas() == alone(stream(seed=number, max_new_tokens=30))
    scheduler.close()
    assert delivered_by == {"scheduler"}
    assert set(threading.enumerate()) <= threads_before
    with pytest.raises(ClosedError):
        client(scheduler, stream())


def test_closing_ends_what_is_unfinished(make_scheduler, fake_engine, stream, client):
    engine = fake_engine(1)
    engine.logits_of = lambda ids: torch.eye(260)[65] * 1000
    scheduler = make_scheduler(engine)
    endless = client(scheduler, stream(max_new_tokens=2**20))
    scheduler.start(lambda call: call())
    scheduler.close()
    assert isinstance(endless.error, ClosedError)
    assert engine.texts == {}


def test_draining_takes_no_more_and_comes_to_an_end(
    make_scheduler, fake_engine, stream, client, clock
):
    engine = fake_engine(1)
    engine.logits_of = lambda ids: torch.eye(260)[65] * 1000
    scheduler = make_scheduler(engine, drain_seconds=5)
    runs, waits = (client(scheduler, stream(max_new_tokens=1000)) for _ in range(2))
    scheduler.step()
    scheduler.drain()
    with pytest.raises(ClosedError):
        client(scheduler, stream())
    scheduler.step()
    assert runs.text() == "AA"
    clock.now = 6.0
    scheduler.step()
    assert runs.done
    assert runs.deltas()[-1].finish == "length"
    assert isinstance(waits.error, ClosedError)


def test_a_request_of_many_texts_leaves_slots_to_others(
    make_scheduler, fake_engine, stream, client
):
    engine = fake_engine(4)
    never_ending(engine)
    scheduler = make_scheduler(engine, queue=100)
    # Of different lengths, so that slots become free one by one.
    many = client(scheduler, *(stream(index=i, max_new_tokens=3 + i) for i in range(40)))
    scheduler.step()
    assert many.queued.in_slots == 4
    singles = [client(scheduler, stream(seed=i, max_new_tokens=20)) for i in range(2)]
    while not all(single.queued.started for single in singles):
        scheduler.step()
    # Each took the first slot that became free: of the 40, none has started meanwhile.
    assert len(many.queued.unread) == 36
    assert [many.queued.in_slots, *(single.queued.in_slots for single in singles)] == [2, 1, 1]


def test_requests_of_many_texts_share_the_slots_alike(make_scheduler, fake_engine, stream, client):
    engine = fake_engine(6)
    never_ending(engine)
    scheduler = make_scheduler(engine, queue=100)

    def request(seed):
        texts = (stream(seed=seed, index=i, max_new_tokens=4 + i % 3) for i in range(30))
        return client(scheduler, *texts)

    clients = [request(0)]
    scheduler.step()
    clients += [request(1), request(2)]
    for _ in range(12):
        scheduler.step()
    shares = []
    for _ in range(10):
        scheduler.step()
        shares.append([each.queued.in_slots for each in clients])
    assert shares == [[2, 2, 2]] * 10
    run(scheduler, clients)
