"""`slm serve`: a model over HTTP."""

from __future__ import annotations

import logging
import os
import re
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slm.cli.loading import load_model
from slm.cli.options import Checkpoint, Device, Dtype
from slm.cli.output import say
from slm.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from slm.cli.loading import LoadedModel
    from slm.server.endpoints import Service
    from slm.server.limits import Limits

KEY_VARIABLE = "SLM_API_KEY"
PACKAGES = ("starlette", "uvicorn", "prometheus_client")
SHORTEST_KEY = 8


def serve(
    checkpoint: Checkpoint,
    host: Annotated[
        str, typer.Option("--host", metavar="HOST", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", help="Port to listen on; 0: any free one.")
    ] = 8000,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key",
            metavar="KEY",
            help="What clients must send; better given as the variable SLM_API_KEY, "
            "which no list of processes shows.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="A name by which clients reach this server; may be given several times.",
        ),
    ] = None,
    model_name: Annotated[
        str | None,
        typer.Option(
            "--model-name", metavar="NAME", help="What clients call the model.  [the run's name]"
        ),
    ] = None,
    slots: Annotated[
        int, typer.Option("--slots", metavar="N", help="Texts that are written at the same time.")
    ] = 16,
    queue: Annotated[
        int, typer.Option("--queue", metavar="N", help="Requests that may wait for a slot.")
    ] = 64,
    max_tokens: Annotated[
        int,
        typer.Option("--max-tokens", metavar="N", help="New tokens that a request may ask for."),
    ] = 2048,
    request_seconds: Annotated[
        float,
        typer.Option("--request-seconds", metavar="S", help="How long a request may take."),
    ] = 120.0,
    device: Device = None,
    dtype: Dtype = "float32",
) -> None:
    """Serve a trained model in the form of OpenAI's API, until Ctrl-C.

    The address goes to stdout. Without a key only programs on this machine can use it.
    """
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingExtraError(package, extra="serve", purpose="slm serve")
    key = api_key if api_key is not None else os.environ.get(KEY_VARIABLE) or None
    if key is not None and len(key) < SHORTEST_KEY:
        raise UsageError(
            f"the API key has {len(key)} characters, too few to keep anybody out",
            hint="python -c 'import secrets; print(secrets.token_urlsafe())' makes a good one",
        )
    from slm.server.limits import Limits
    from slm.server.serve import allow_open_files, build_server, listen, run

    limits = allow_open_files(
        Limits(slots=slots, queue=queue, max_tokens=max_tokens, request_seconds=request_seconds)
    )
    # Before the model is loaded, which takes a while.
    with listen(host, port, with_key=key is not None) as listener:
        loaded = load_model(checkpoint, device=device, dtype=dtype)
        service = _service(loaded, model_name or name_of(checkpoint), limits)
        from slm.server.app import create_app

        app = create_app(service, names=[host, *(allow_host or [])], api_key=key)
        logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
        say(f"serving {service.model.name} with {slots} slots; Ctrl-C ends it")
        server = build_server(app, limits, on_drain=service.scheduler.drain)
        run(server, listener, on_ready=lambda address: print(address, flush=True))
    say("all requests are answered")


def _service(loaded: LoadedModel, name: str, limits: Limits) -> Service:
    from slm.generate import PlainSlots
    from slm.server.asking import Model
    from slm.server.endpoints import Service
    from slm.server.metrics import Metrics
    from slm.server.scheduler import Scheduler

    slots = PlainSlots(loaded.model, limits.slots, dtype=loaded.dtype)
    scheduler = Scheduler(slots, limits)
    return Service(
        model=Model.of(name, loaded.tokenizer, slots.block_size),
        scheduler=scheduler,
        limits=limits,
        metrics=Metrics(scheduler, slots.n_slots),
        created=int(time.time()),
    )


def name_of(checkpoint: Path) -> str:
    """The name of the run that a path is in, of signs that every client can write."""
    parts = [part for part in checkpoint.resolve().parts if part not in ("best", "checkpoints")]
    names = [part for part in parts if not re.fullmatch(r"step-\d+", part)]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", names[-1]).strip("-.") or "slm"
