"""A crowd at the door, clients that leave at any moment, slow ones: no slot and no byte is lost.

The long form has 1,000 concurrent clients; all on loopback.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from slm.generation import TorchEngine
from tests.servers import PATIENCE_SECONDS, Running, running
from tests.unit.server.fakes import make_sequence, take

SOAK = bool(os.environ.get("SLM_SOAK"))
CROWD = 1000 if SOAK else 120
LEAVERS = 1000 if SOAK else 200
LORISES = 200 if SOAK else 40

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="too few sockets in one select")


@pytest.fixture(scope="module")
def model(tiny_model):
    return tiny_model("modern", spread=8.0, vocab_size=257, block_size=32, n_layer=1)


def request(path: str = "/v1/completions", **fields: object) -> bytes:
    body = json.dumps({"prompt": "Once", "stream": True, "temperature": 0.8, **fields}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def answer(port: int, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and the rest of what is answered to a request on its own connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
        lines = head.strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1]), headers, await reader.read()
    finally:
        writer.close()


def text_of(body: bytes) -> str:
    """The text of a stream of events, chunked as HTTP has it."""
    content = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        content, body = content + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    events = content.decode("utf-8").split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    return "".join(json.loads(event[6:])["choices"][0]["text"] for event in events[:-2])


def told(model, **options) -> str:
    """What the model tells when nothing runs beside it."""
    engine = TorchEngine(model, 1)
    sequence = make_sequence(**options)
    sequence.begin()
    text = ""
    while not sequence.finished:
        if sequence.next_id is None:
            engine.free([0])
            text += take(sequence, engine.prefill([0], [sequence.context])[0]).text
        else:
            text += take(sequence, engine.decode([0], [sequence.next_id])[0]).text
    return text


async def settled(server: Running) -> None:
    """Wait until nothing is held for anybody."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        held = (server.scheduler.busy_slots, server.scheduler.waiting_requests)
        if held == (0, 0) and not server.server.server_state.connections:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{held}, {len(server.server.server_state.connections)} connections")


def memory_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_crowd_is_served_or_refused_at_once(model):
    async def crowd(port: int):
        return await asyncio.gather(
            *(answer(port, request(seed=i, max_tokens=12)) for i in range(CROWD))
        )

    n_slots, queue = 8, CROWD // 4
    with running(TorchEngine(model, n_slots), queue=queue, queue_seconds=600.0) as server:
        asyncio.run(crowd(server.port))  # so that caches and buffers are there
        before = memory_bytes() if sys.platform == "linux" else 0
        answers = asyncio.run(crowd(server.port))
        after = memory_bytes() if sys.platform == "linux" else 0
        asyncio.run(settled(server))
    statuses = Counter(status for status, _, _ in answers)
    assert statuses.keys() <= {200, 429}
    assert statuses[200] >= n_slots + queue
    if SOAK:
        print(f"{CROWD} clients: {dict(statuses)}, memory grew by {(after - before) / 1e6:.1f} MB")
    assert after - before < 64 << 20
    sample = random.Random(0).sample(range(CROWD), 40)
    for number, (status, headers, body) in enumerate(answers):
        if status == 429:
            assert int(headers["retry-after"]) >= 1
        elif number in sample:
            expected = told(model, seed=number, max_new_tokens=12, temperature=0.8)
            assert text_of(body) == expected


STAGES: Sequence[str] = ("connected", "half a head", "half a body", "sent", "head", "some text")


async def leave(port: int, number: int) -> None:
    """Go away at a stage, by closing or by a reset, with a request of either kind."""
    chance = random.Random(number)
    stage = STAGES[number % len(STAGES)]
    sent = request(max_tokens=2048, n=chance.randint(1, 3), stream=chance.random() < 0.7)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    if stage == "half a head":
        writer.write(sent[: chance.randint(1, 60)])
    elif stage == "half a body":
        writer.write(sent[: -chance.randint(1, 20)])
    elif stage != "connected":
        writer.write(sent)
        if stage == "sent":
            await asyncio.sleep(chance.random() * 0.05)
        elif b'"stream": true' in sent:
            await reader.read(1 if stage == "head" else 4000)
    if chance.random() < 0.5:
        writer.transport.abort()
    writer.close()


def test_clients_that_leave_at_any_stage_leave_nothing_behind(model):
    async def all_leave(port: int) -> None:
        gate = asyncio.Semaphore(50)

        async def one(number: int) -> None:
            async with gate:
                await leave(port, number)

        await asyncio.gather(*(one(number) for number in range(LEAVERS)))

    with running(TorchEngine(model, 4), queue=500) as server:
        asyncio.run(all_leave(server.port))
        asyncio.run(settled(server))
        counts = server.scheduler.counts
        assert counts.cancelled > 0
        assert counts.failed == 0
        if SOAK:
            print(f"{LEAVERS} clients left at {len(STAGES)} stages; {counts}")
        sent = request(seed=5, max_tokens=12)
        status, _, body = asyncio.run(answer(server.port, sent))
        assert status == 200
        assert text_of(body) == told(model, seed=5, max_new_tokens=12, temperature=0.8)


def test_slow_clients_are_closed_and_keep_nobody_out(model):
    async def drip(port: int, number: int) -> int:
        """Send a byte now and then; returns how many were taken."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = request(user="x" * 2000)
        ended = asyncio.ensure_future(reader.read())
        start = 0 if number % 2 else sent.index(b"\r\n\r\n") + 4  # within the head, or the body
        writer.write(sent[:start])
        for place in range(start, len(sent)):
            writer.write(sent[place : place + 1])
            await asyncio.wait({ended}, timeout=0.05)
            if ended.done():
                writer.close()
                return place - start
        raise AssertionError("nobody closes the connection")

    async def siege(port: int):
        drips = [asyncio.ensure_future(drip(port, number)) for number in range(LORISES)]
        await asyncio.sleep(0.2)
        status, _, _ = await answer(port, request(max_tokens=3))
        return status, await asyncio.gather(*drips)

    deadlines = {"header_seconds": 2.0, "body_seconds": 2.0}
    with running(TorchEngine(model, 2), **deadlines) as server:
        status, taken = asyncio.run(siege(server.port))
        asyncio.run(settled(server))
    assert status == 200
    assert max(taken) < 500


def test_random_bytes_are_answered_or_dropped(model):
    async def throw(port: int, number: int) -> bytes:
        chance = random.Random(number)
        content = bytearray(request(max_tokens=2))
        for _ in range(chance.randint(1, 20)):
            place = chance.randrange(len(content))
            content[place : place + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(bytes(content))
        writer.write_eof()
        try:
            return await reader.read(15)
        except OSError:
            return b""
        finally:
            writer.close()

    async def throw_all(port: int) -> list[bytes]:
        return [await throw(port, number) for number in range(2000 if SOAK else 150)]

    with running(TorchEngine(model, 2)) as server:
        heads = Counter(asyncio.run(throw_all(server.port)))
        asyncio.run(settled(server))
    if SOAK:
        print(heads)
    assert not [head for head in heads if head.startswith(b"HTTP/1.1 5")]
    assert [head for head in heads if head.startswith(b"HTTP/1.1 4")]
