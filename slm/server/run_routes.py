"""`/run`: the progress of a training run, read from its directory.

The page requests the records of `metrics.jsonl` after a cursor. A run that is resumed rewrites the
file; then all records are sent again.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from slm.config.run_files import CONFIG_FILE, METRICS_FILE
from slm.reporting.thinning import thinned
from slm.server.http_errors import HttpError, printable
from slm.storage.safe_reading import open_regular, read_bounded, status_of, strict_json

MAX_CONFIG_BYTES = 1 << 20
MAX_BYTES = 32 << 20
"""Bytes of metrics read for one response."""
SHOWN_SETTINGS = {
    "model": ("n_layer", "n_head", "n_embd", "block_size", "vocab_size", "norm", "position", "mlp"),
    "train": ("max_steps", "max_minutes", "optimizer", "batch_size", "eval_interval"),
    "data": ("source", "tokenizer"),
}
"""The settings that are shown; paths of this machine are not."""

Record = dict[str, Any]


@dataclass(frozen=True)
class Cursor:
    """How far a client has read: the file's inode number and the byte offset."""

    file: int
    offset: int

    @classmethod
    def parse(cls, text: str | None) -> Cursor | None:
        """The inverse of `str`; None: from the beginning.

        Raises:
            HttpError: it is not a cursor.
        """
        if not text:
            return None
        file, dash, offset = text.partition("-")
        if not (dash and len(text) < 50 and _is_number(file) and _is_number(offset)):
            raise HttpError(400, "after must be the cursor of a response", param="after")
        return cls(int(file), int(offset))

    def __str__(self) -> str:
        return f"{self.file}-{self.offset}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def run_routes(run: Path | None) -> list[Route]:
    """`GET /run` and `GET /run/records?after=CURSOR`.

    Args:
        run: a run directory, which may not exist yet; None: no run is shown.
    """

    async def describe(request: Request) -> Response:
        if run is None:
            return JSONResponse({"run": None})
        return JSONResponse({"run": await anyio.to_thread.run_sync(describe_run, run)})

    async def records(request: Request) -> Response:
        if run is None:
            raise HttpError(404, "this server shows no run")
        after = Cursor.parse(request.query_params.get("after"))
        return JSONResponse(await anyio.to_thread.run_sync(new_records, run, after))

    return [
        Route("/run", describe, methods=["GET"]),
        Route("/run/records", records, methods=["GET"]),
    ]


def describe_run(run: Path) -> Record:
    """The run's name and its most important settings; None before the run has begun."""
    try:
        config = strict_json(read_bounded(run / CONFIG_FILE, MAX_CONFIG_BYTES))
    except (OSError, ValueError):
        config = None
    settings: Record | None = None
    if isinstance(config, dict):
        settings = {
            group: {
                name: value if not isinstance(value, str) else printable(Path(value).name)
                for name, value in config.get(group, {}).items()
                if name in names
            }
            for group, names in SHOWN_SETTINGS.items()
            if isinstance(config.get(group, {}), dict)
        }
    return {"name": printable(run.resolve().name), "settings": settings}


def new_records(run: Path, after: Cursor | None) -> Record:
    """The records after a cursor.

    Returns:
        `records`; `cursor`, to request the next records; `restarted`, whether earlier records are
        no longer valid; `more`, whether there are more records already; `seconds_ago`, the time
        since the run last wrote a record.
    """
    path = run / METRICS_FILE
    status = status_of(path)
    if status is None:
        return _answer([], after or Cursor(0, 0), restarted=False, more=False, seconds_ago=None)
    continues = after is not None and after.file == status.st_ino and after.offset <= status.st_size
    start = after.offset if continues and after is not None else 0
    try:
        with open_regular(path) as stream:
            stream.seek(start)
            content = stream.read(MAX_BYTES)
    except OSError:
        content = b""
    whole = content[: content.rfind(b"\n") + 1]  # the last line may be incomplete
    if not whole and len(content) == MAX_BYTES:
        whole = content  # no run writes such a long line: skip it
    return _answer(
        thinned(parsed(whole)),
        Cursor(status.st_ino, start + len(whole)),
        restarted=after is not None and after.offset > 0 and not continues,
        more=start + len(content) < status.st_size,
        seconds_ago=max(0.0, time.time() - status.st_mtime),
    )


def _answer(
    records: list[Record], cursor: Cursor, *, restarted: bool, more: bool, seconds_ago: float | None
) -> Record:
    return {
        "records": records,
        "cursor": str(cursor),
        "restarted": restarted,
        "more": more,
        "seconds_ago": seconds_ago,
    }


def parsed(lines: bytes) -> list[Record]:
    """The records in whole lines of a metrics file; invalid lines are skipped."""
    records = []
    for line in lines.split(b"\n"):
        try:
            record = json.loads(line, parse_constant=lambda name: None)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int):
            records.append(record)
    return records
