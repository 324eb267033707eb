"""One server for a class: every browser loads the page and continues a story at the same moment.

    python bench/classroom.py [RUN] [--browsers 30] [--slots 30] [--rounds 3] [--json]

Starts `slm serve` on loopback, with the built-in model unless a run is named. Each browser opens
the page with all its files and sends what the page sends: at the start, when Write is pressed, and
when the story has ended. That is the worst case: nobody reads or thinks in between. Reports the
median and the worst browser, and the tokens that the server generates per second of its own
processor time, which says more on a machine that does other work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

PAGE_FILE = re.compile(rb'(?:href=|src=|from )"([\w./-]+\.(?:js|css|svg))"')
PROMPT = "Once upon a time there was a little fox"
SETTINGS = {"temperature": 0.8, "top_k": 50, "top_p": 1, "min_p": 0, "max_tokens": 160}
CANDIDATES = {"top": 10, "logprobs": True}
"""What the page asks about the next token."""


@dataclass(frozen=True)
class Browser:
    """What one browser met; times in seconds.

    Attributes:
        refused: requests that got another status than 200.
        page: until the page showed the probabilities of the first token.
        first_token: from Write to the first piece of text.
        story: from Write to the end of the story.
        next_token: from there to the probabilities of the next token.
        tokens: of the story.
    """

    refused: int
    page: float
    first_token: float
    story: float
    next_token: float
    tokens: int


@dataclass(frozen=True)
class Round:
    """All browsers at once.

    Attributes:
        browsers: each of them.
        seconds: from the first Write to the end of the last story.
        processor_seconds: of the server, meanwhile.
    """

    browsers: list[Browser]
    seconds: float
    processor_seconds: float

    @property
    def tokens(self) -> int:
        """Of all stories together."""
        return sum(browser.tokens for browser in self.browsers)


async def get(port: int, path: str) -> bytes:
    """The body of a file of the server."""
    status, reader, writer = await _ask(port, f"GET {path}", b"")
    body = await reader.read()
    writer.close()
    if status != 200:
        raise RuntimeError(f"GET {path} gave status {status}")
    return body


async def load_page(port: int) -> None:
    """Load the page, and the files that it and its scripts name."""
    todo, seen = ["/"], {"/"}
    while todo:
        path = todo.pop()
        body = await get(port, path)
        for found in PAGE_FILE.findall(body):
            file = f"/page/{found.decode().rpartition('/')[2]}"
            if file not in seen:
                seen.add(file)
                todo.append(file)


async def post(port: int, path: str, fields: dict[str, object]) -> tuple[int, float, bytes]:
    """The status of a response, the seconds until its body began, and the body."""
    asked_at = time.perf_counter()
    status, reader, writer = await _ask(port, f"POST {path}", json.dumps(fields).encode("utf-8"))
    first_after, body = 0.0, b""
    while chunk := await reader.read(65536):
        first_after = first_after or time.perf_counter() - asked_at
        body += chunk
    writer.close()
    return status, first_after, body


async def browse(port: int, seed: int, together: asyncio.Barrier) -> Browser:
    """Load the page, wait for the others, and write a story."""
    started_at = time.perf_counter()
    await load_page(port)
    await get(port, "/insight/models")
    shown, *_ = await post(port, "/insight/next", {"ids": [], **CANDIDATES})
    page = time.perf_counter() - started_at

    await together.wait()
    pressed_at = time.perf_counter()
    split, _, body = await post(port, "/insight/tokens", {"text": PROMPT, "top": 0})
    fields = {"prompt": PROMPT, "seed": seed, "stream": True, "logprobs": 0, **SETTINGS}
    fields["stream_options"] = {"include_usage": True}
    sent_at = time.perf_counter()
    written, first_after, answer = await post(port, "/v1/completions", fields)
    ended_at = time.perf_counter()
    ids = [token["id"] for token in json.loads(body)["tokens"]] if split == 200 else []
    after, *_ = await post(port, "/insight/next", {"ids": ids, **CANDIDATES})

    counted = answer.rpartition(b'"completion_tokens":')[2].partition(b",")[0]
    return Browser(
        refused=sum(status != 200 for status in (shown, split, written, after)),
        page=page,
        first_token=sent_at - pressed_at + first_after,
        story=ended_at - pressed_at,
        next_token=time.perf_counter() - ended_at,
        tokens=int(counted) if counted.isdigit() else 0,
    )


async def _ask(
    port: int, request: str, body: bytes
) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a request; the status, and a reader behind the head of the response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode("ascii") + body)
    lines = await reader.readuntil(b"\r\n\r\n")
    return int(lines.split(b" ", 2)[1]), reader, writer


def processor_seconds(process: int) -> float:
    """What a process has used so far (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def one_round(port: int, server: int, browsers: int, seed: int) -> Round:
    """All browsers press Write when the last one has its page."""
    moments: list[tuple[float, float]] = []

    async def note() -> None:
        moments.append((time.perf_counter(), processor_seconds(server)))

    together = asyncio.Barrier(browsers + 1)
    tasks = [asyncio.create_task(browse(port, seed + i, together)) for i in range(browsers)]
    await together.wait()
    await note()
    found = await asyncio.gather(*tasks)
    await note()
    (began, used_before), (ended, used_after) = moments
    return Round(list(found), ended - began, used_after - used_before)


def report(rounds: list[Round], browsers: int) -> str:
    """The result in words."""
    everyone = [browser for each in rounds for browser in each.browsers]
    refused = sum(browser.refused for browser in everyone)

    def line(name: str) -> str:
        values = [getattr(browser, name) for browser in everyone if not browser.refused]
        return f"{statistics.median(values):.2f} s (worst {max(values):.2f} s)"

    rate = statistics.median(each.tokens / each.seconds for each in rounds)
    efficiency = statistics.median(each.tokens / each.processor_seconds for each in rounds)
    rows = {
        "browsers": f"{browsers}, {len(rounds)} times; {refused} requests refused",
        "page": line("page"),
        "first token": line("first_token"),
        "whole story": f"{line('story')}, {everyone[0].tokens} tokens the first",
        "next token": line("next_token"),
        "all together": f"{rate:,.0f} tokens/s; {rate / browsers:,.1f} for each",
        "server": f"{efficiency:,.0f} tokens for each second of its processor time",
    }
    return "\n".join(f"{name:14}{text}" for name, text in rows.items())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", nargs="?", default="builtin", help="run directory or checkpoint")
    parser.add_argument("--browsers", type=int, default=30)
    parser.add_argument("--slots", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    command = [sys.executable, "-m", "slm", "serve", "--checkpoint", options.run, "--port", "0"]
    command += ["--slots", str(options.slots)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().strip().rpartition(":")[2])
            asyncio.run(one_round(port, server.pid, 1, seed=0))  # warms up
            rounds = [
                asyncio.run(one_round(port, server.pid, options.browsers, seed=1000 * number))
                for number in range(1, options.rounds + 1)
            ]
        finally:
            server.terminate()
    if options.json:
        print(json.dumps([{**asdict(each), "tokens": each.tokens} for each in rounds], indent=2))
    else:
        print(report(rounds, options.browsers))


if __name__ == "__main__":
    main()
