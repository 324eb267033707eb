"""Tokens a second over HTTP, from one client to many, beside the same model without a server.

    python bench/serving.py [--preset modern-12m] [--clients 1 8 32] [--tokens 100] [--json]

A model with random weights and a tokenizer of bytes, served on loopback in a process of its own;
every client streams one text. `direct` is `Generator.complete` with one prompt, in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import socket
import statistics
import time

PROMPT = "Once upon a time"


def serve(preset: str, slots: int, listener: socket.socket) -> None:
    """Serve until the process is ended."""
    from slm.generate import PlainSlots
    from slm.server.app import create_app
    from slm.server.asking import Model
    from slm.server.endpoints import Service
    from slm.server.limits import Limits
    from slm.server.metrics import Metrics
    from slm.server.scheduler import Scheduler
    from slm.server.serve import build_server, run
    from slm.tokenizer.byte_level import BytesTokenizer

    limits = Limits(slots=slots)
    plain = PlainSlots(random_model(preset), slots)
    scheduler = Scheduler(plain, limits)
    model = Model.of("bench", BytesTokenizer(), plain.block_size)
    service = Service(model, scheduler, limits, Metrics(scheduler, slots), created=0)
    server = build_server(create_app(service), limits, on_drain=scheduler.drain)
    run(server, listener, on_ready=lambda address: None)


def random_model(preset: str):  # type: ignore[no-untyped-def]
    """The preset's model, with weights that were never trained."""
    import torch

    from slm.model import GPT
    from slm.presets import resolve

    torch.manual_seed(0)
    return GPT(resolve(preset).model).eval()


def direct(preset: str, tokens: int) -> float:
    """Tokens a second of one text, without a server."""
    from slm.generate import GenerationOptions, Generator
    from slm.tokenizer.byte_level import BytesTokenizer

    generator = Generator(random_model(preset), BytesTokenizer())
    options = GenerationOptions(max_new_tokens=tokens, seed=1)
    generator.complete([PROMPT], options)
    began_at = time.perf_counter()
    (completion,) = generator.complete([PROMPT], options)
    return completion.new_tokens / (time.perf_counter() - began_at)


async def crowd(port: int, clients: int, tokens: int) -> tuple[float, float]:
    """Tokens a second of all clients together, and the median seconds to the first event."""

    async def ask(seed: int) -> tuple[int, float]:
        fields = {"prompt": PROMPT, "max_tokens": tokens, "seed": seed, "top_k": 50}
        usage = {"stream": True, "stream_options": {"include_usage": True}}
        body = json.dumps({**fields, **usage, "temperature": 0.8}).encode()
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
    told = await asyncio.gather(*(ask(seed) for seed in range(clients)))
    seconds = time.perf_counter() - began_at
    return sum(n for n, _ in told) / seconds, statistics.median(first for _, first in told)


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--preset", default="modern-12m")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    rows = [{"clients": 0, "tokens_per_second": direct(chosen.preset, chosen.tokens)}]
    from slm.server.serve import listen

    with listen("127.0.0.1", 0, with_key=False) as listener:
        port = listener.getsockname()[1]
        # Not forked: PyTorch's threads do not come along.
        server = multiprocessing.get_context("spawn").Process(
            target=serve, args=(chosen.preset, max(chosen.clients), listener), daemon=True
        )
        server.start()
        asyncio.run(crowd(port, 1, 5))
        for clients in chosen.clients:
            rate, first = asyncio.run(crowd(port, clients, chosen.tokens))
            rows.append(
                {"clients": clients, "tokens_per_second": rate, "seconds_to_first_token": first}
            )
        server.terminate()
        server.join()
    if chosen.json:
        print(json.dumps({"preset": chosen.preset, "rows": rows}, indent=2))
        return
    for row in rows:
        name = f"{row['clients']} clients" if row["clients"] else "direct"
        first = row.get("seconds_to_first_token")
        told = "" if first is None else f", first token after {1e3 * first:,.0f} ms"
        print(f"{name:12} {row['tokens_per_second']:8,.0f} tokens/s{told}")


if __name__ == "__main__":
    main()
