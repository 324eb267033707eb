"""Tokens per second over HTTP for one to many clients, compared with generation without a server.

    python bench/serving.py [--preset modern-12m] [--clients 1 8 32] [--tokens 100]
                            [--dtype auto] [--top-k 50] [--rounds 3] [--json]

A separate process serves a model with random weights, and a tokenizer whose tokens are letters, on
loopback; every client streams one completion. `without` is `Generator.complete` with the same
number of prompts, in this process. Then the parts of a scheduler step are timed without HTTP: the
model, sampling, the scheduler's own Python code, and the creation of events.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import socket
import statistics
import time
from collections.abc import Sequence
from typing import Any, cast

from slm.bench.generation import EndlessTokenizer
from slm.generation import Engine, GenerationOptions, build_engine, build_generator
from slm.generation.sequence import TokenSequence
from slm.model import GPT
from slm.server.app import create_app
from slm.server.endpoints import Service, as_event
from slm.server.limits import Limits
from slm.server.request_queue import Event
from slm.server.requests import GenerationJob, ServedModel
from slm.server.responses import CompletionWriter
from slm.server.scheduler import Scheduler
from slm.server.serve import build_server, listen, run
from slm.server.served_sequence import ServedSequence, TextDelta

PROMPT = "Once upon a time"
TEMPERATURE = 0.8


def random_model(preset: str) -> GPT:
    """The preset's model with random weights."""
    import torch

    from slm.presets import resolve

    torch.manual_seed(0)
    return GPT(resolve(preset).model).eval()


def serve(preset: str, dtype: str, slots: int, listener: socket.socket) -> None:
    """Serve until the process is terminated."""
    limits = Limits(slots=slots)
    model = random_model(preset)
    engine = build_engine(model, slots, dtype=dtype)
    scheduler = Scheduler(engine, limits)
    served = ServedModel.of(
        "bench", EndlessTokenizer(model.config.vocab_size), model.config.block_size
    )
    service = Service(served, scheduler, limits, created=0)
    server = build_server(create_app(service), limits, on_drain=scheduler.drain)
    run(server, listener, on_ready=lambda address: None)


def without_server(preset: str, dtype: str, texts: int, tokens: int, top_k: int) -> float:
    """Total tokens per second of a batch of completions."""
    model = random_model(preset)
    tokenizer = EndlessTokenizer(model.config.vocab_size)
    generator = build_generator(model, tokenizer, dtype=dtype, batch_size=texts)
    options = GenerationOptions(max_new_tokens=tokens, seed=1, temperature=TEMPERATURE, top_k=top_k)
    generator.complete([PROMPT] * texts, options)
    began_at = time.perf_counter()
    completions = generator.complete([PROMPT] * texts, options)
    return sum(each.new_tokens for each in completions) / (time.perf_counter() - began_at)


async def crowd(port: int, clients: int, tokens: int, top_k: int) -> tuple[float, float]:
    """Total tokens per second of all clients, and the median seconds to the first event."""

    async def ask(seed: int) -> tuple[int, float]:
        fields = {"prompt": PROMPT, "max_tokens": tokens, "seed": seed, "top_k": top_k}
        usage = {"stream": True, "stream_options": {"include_usage": True}}
        body = json.dumps({**fields, **usage, "temperature": TEMPERATURE}).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        asked_at = time.perf_counter()
        writer.write(
            b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        await reader.readuntil(b"data: ")
        first_after = time.perf_counter() - asked_at
        answer = await reader.read()
        writer.close()
        counted = answer.rpartition(b'"completion_tokens":')[2].partition(b",")[0]
        return int(counted), first_after

    began_at = time.perf_counter()
    results = await asyncio.gather(*(ask(seed) for seed in range(clients)))
    seconds = time.perf_counter() - began_at
    return sum(n for n, _ in results) / seconds, statistics.median(first for _, first in results)


class Timed:
    """An engine that sums the seconds of its calls."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.seconds = {"model": 0.0, "sampling": 0.0}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def decode(self, slots: Sequence[int], ids: Sequence[int]) -> Any:
        started_at = time.perf_counter()
        logits = self._engine.decode(slots, ids)
        self.seconds["model"] += time.perf_counter() - started_at
        return logits

    def sample(self, *arguments: Any) -> list[int]:
        started_at = time.perf_counter()
        ids = self._engine.sample(*arguments)
        self.seconds["sampling"] += time.perf_counter() - started_at
        return ids


def parts(preset: str, dtype: str, texts: int, tokens: int, top_k: int) -> dict[str, float]:
    """Microseconds of a step for a number of sequences, by part."""
    model = random_model(preset)
    tokenizer = EndlessTokenizer(model.config.vocab_size)
    timed = Timed(build_engine(model, texts, dtype=dtype))
    scheduler = Scheduler(cast(Engine, timed), Limits(slots=texts))
    options = GenerationOptions(max_new_tokens=tokens, seed=1, temperature=TEMPERATURE, top_k=top_k)
    block_size = model.config.block_size
    rows = [
        TokenSequence(PROMPT, tokenizer, options, seed=1, index=index, block_size=block_size)
        for index in range(texts)
    ]
    sequences = [ServedSequence(row, options, tokenizer) for row in rows]
    deltas: list[tuple[int, TextDelta]] = []

    def deliver(events: Sequence[Event]) -> None:
        deltas.extend(event for event in events if not isinstance(event, Exception))

    scheduler.submit(sequences, deliver)
    while scheduler.waiting_requests or scheduler.busy_slots < texts:
        scheduler.step()
    timed.seconds = dict.fromkeys(timed.seconds, 0.0)
    deltas.clear()
    steps, began_at = 0, time.perf_counter()
    while scheduler.busy_slots == texts:
        scheduler.step()
        steps += 1
    whole = time.perf_counter() - began_at
    found = {**timed.seconds, "scheduler": whole - sum(timed.seconds.values())}
    job = GenerationJob(sequences, seed=1, prompt_tokens=0, logprobs=None)
    writer = CompletionWriter(job, ServedModel.of("bench", tokenizer, block_size))
    began_at = time.perf_counter()
    for index, delta in deltas:
        if (answer := writer.event(index, delta)) is not None:
            as_event(answer)
    found["events"] = time.perf_counter() - began_at
    return {name: 1e6 * seconds / steps for name, seconds in found.items()}


def main() -> None:
    """Measure, and print tables or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--preset", default="modern-12m")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--top-k", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rounds: dict[int, list[tuple[float, float, float]]] = {n: [] for n in args.clients}
    with listen("127.0.0.1", 0, with_key=False) as listener:
        port = listener.getsockname()[1]
        # Not forked: PyTorch's threads do not survive a fork.
        server = multiprocessing.get_context("spawn").Process(
            target=serve,
            args=(args.preset, args.dtype, max(args.clients), listener),
            daemon=True,
        )
        server.start()
        asyncio.run(crowd(port, 1, 5, args.top_k))
        for _ in range(args.rounds):
            for clients in args.clients:
                rate, first = asyncio.run(crowd(port, clients, args.tokens, args.top_k))
                direct = without_server(args.preset, args.dtype, clients, args.tokens, args.top_k)
                rounds[clients].append((rate, first, direct))
        server.terminate()
        server.join()
    rows = []
    for clients, found in rounds.items():
        rate, first, direct = (statistics.median(column) for column in zip(*found, strict=True))
        rows.append(
            {
                "clients": clients,
                "tokens_per_second": rate,
                "milliseconds_to_first_token": 1e3 * first,
                "without_server": direct,
                "step_microseconds": parts(
                    args.preset, args.dtype, clients, args.tokens, args.top_k
                ),
            }
        )
    if args.json:
        print(json.dumps({"preset": args.preset, "dtype": args.dtype, "rows": rows}, indent=2))
        return
    for row in rows:
        print(
            f"{row['clients']:4} clients {row['tokens_per_second']:8,.0f} tokens/s, first token "
            f"after {row['milliseconds_to_first_token']:,.1f} ms; without a server "
            f"{row['without_server']:,.0f} tokens/s"
        )
        shown = (f"{name} {us:,.0f} us" for name, us in row["step_microseconds"].items())
        print(f"     a step: {', '.join(shown)}")


if __name__ == "__main__":
    main()
