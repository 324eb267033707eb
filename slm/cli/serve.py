"""`slm serve`: a model over HTTP."""

from __future__ import annotations

import itertools
import logging
import os
import re
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slm.api.loading import load
from slm.checkpoint.builtin import BUILTIN
from slm.cli.options import CHECKPOINT_HELP, Device, WeightDtype
from slm.config.run_files import BEST, METRICS_FILE, STEP_FOLDERS
from slm.config.run_paths import run_of
from slm.errors import ConfigError, MissingExtraError, UsageError, shown
from slm.log import as_notes
from slm.quantities import counted
from slm.reporting.display import say
from slm.storage.safe_reading import status_of

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from slm.api.language_model import LanguageModel
    from slm.generation import Generator
    from slm.server.endpoints import Service
    from slm.server.insight_routes import InspectedModel
    from slm.server.limits import Limits

KEY_VARIABLE = "SLM_API_KEY"
PACKAGES = ("starlette", "uvicorn", "prometheus_client")
SHORTEST_KEY = 8


def serve(
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            metavar="PATH",
            help=f"{CHECKPOINT_HELP}  [that of --run, or builtin]",
        ),
    ] = None,
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
            help="API key required from clients. Prefer the variable SLM_API_KEY: command lines "
            "are visible in the process list.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="A host name under which clients reach this server; may be given several times.",
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-origin",
            metavar="ORIGIN",
            help="An origin whose web pages may use this server, such as https://example.com; may "
            "be given several times.  [the server's own]",
        ),
    ] = None,
    model_name: Annotated[
        str | None,
        typer.Option(
            "--model-name", metavar="NAME", help="The model's name for clients.  [the run's name]"
        ),
    ] = None,
    slots: Annotated[
        int, typer.Option("--slots", metavar="N", help="Sequences generated at the same time.")
    ] = 16,
    queue: Annotated[
        int, typer.Option("--queue", metavar="N", help="Requests that may wait for a slot.")
    ] = 64,
    max_tokens: Annotated[
        int,
        typer.Option(
            "--max-tokens", metavar="N", help="Maximum number of new tokens per sequence."
        ),
    ] = 2048,
    request_seconds: Annotated[
        float,
        typer.Option("--request-seconds", metavar="S", help="How long a request may take."),
    ] = 120.0,
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            "--beside",
            metavar="PATH",
            help="Another run or checkpoint to compare with; may be given several times.",
        ),
    ] = None,
    run_folder: Annotated[
        Path | None,
        typer.Option(
            "--run",
            metavar="RUN",
            help="The run whose progress the page shows.  [that of --checkpoint]",
        ),
    ] = None,
    device: Device = None,
    dtype: WeightDtype = "auto",
) -> None:
    """Serve a trained model until Ctrl-C: a web page, and OpenAI's API.

    The URL is printed to stdout. Without a key, only programs on this machine have access.
    """
    checkpoint = checkpoint or run_folder
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingExtraError(package, extra="serve", purpose="slm serve")
    key = checked_key(api_key if api_key is not None else os.environ.get(KEY_VARIABLE) or None)
    if model_name is not None and not (model_name.strip() and model_name.isprintable()):
        raise UsageError(
            f"the model name {shown(model_name)} is empty or has unprintable characters",
            hint="choose another --model-name",
        )
    from slm.server.limits import Limits
    from slm.server.security import checked_name, checked_origin
    from slm.server.serve import allow_open_files, build_server, listen, run

    hosts = [host, *map(checked_name, allow_host or [])]
    origins = [*map(checked_origin, allow_origin or [])]
    try:
        limits = Limits(
            slots=slots, queue=queue, max_tokens=max_tokens, request_seconds=request_seconds
        )
    except ConfigError as error:
        name, _, problem = error.message.partition(": ")
        flag = name.removeprefix("Limits.").replace("_", "-")
        raise UsageError(f"--{flag}: {problem}", hint="see: slm serve --help") from None
    limits = allow_open_files(limits)
    # Before the model is loaded, so that errors are reported at once.
    with listen(host, port, with_key=key is not None) as listener:
        first = checkpoint or Path(BUILTIN)
        names = distinct([model_name or name_of(first), *map(name_beside, beside or [])])
        paths = [checkpoint, *(beside or [])]
        loaded = [load(path, device=device or "auto", dtype=dtype) for path in paths]
        served = [
            _served(model, name, limits, dtype) for model, name in zip(loaded, names, strict=True)
        ]
        services = [service for service, _ in served]
        app = _app(
            services,
            {service.model.name: inspected for service, inspected in served},
            run_folder or (None if first == Path(BUILTIN) else run_with_metrics(first)),
            names=hosts,
            origins=origins,
            api_key=key,
            open_generator=lambda path: load(path, device=device or "auto", dtype=dtype).generator,
        )
        logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
        say(f"serving {' and '.join(names)} with {counted(slots, 'slot')}; Ctrl-C ends it")

        def drain() -> None:
            for service in services:
                service.scheduler.drain()

        server = build_server(app, limits, on_drain=drain)
        run(server, listener, on_ready=lambda address: print(address, flush=True))
    say("all requests are answered")


def _served(
    loaded: LanguageModel, name: str, limits: Limits, dtype: str
) -> tuple[Service, InspectedModel]:
    """A model for generation, and for inspection."""
    from slm.generation import build_engine
    from slm.server.endpoints import Service
    from slm.server.insight_routes import InspectedModel
    from slm.server.requests import ServedModel
    from slm.server.scheduler import Scheduler

    engine = build_engine(
        loaded.model,
        limits.slots,
        dtype=dtype,
        stored_dtype=loaded.weights_dtype,
        log=as_notes(say),
    )
    service = Service(
        model=ServedModel.of(name, loaded.tokenizer, engine.block_size),
        scheduler=Scheduler(engine, limits),
        limits=limits,
        created=int(time.time()),
    )
    return service, InspectedModel(loaded.model, loaded.tokenizer, engine.dtype)


def _app(
    services: list[Service],
    inspected: dict[str, InspectedModel],
    run: Path | None,
    *,
    names: list[str],
    origins: list[str],
    api_key: str | None,
    open_generator: Callable[[Path], Generator],
) -> Starlette:
    """The application: the API, the page, and the page's endpoints."""
    from slm.server.app import create_app
    from slm.server.insight_routes import insight_routes
    from slm.server.over_time_routes import over_time_routes
    from slm.server.page_routes import page_routes
    from slm.server.run_routes import run_routes
    from slm.server.tokenizer_routes import tokenizer_routes

    first, *others = services
    return create_app(
        first,
        beside=others,
        names=names,
        origins=origins,
        api_key=api_key,
        routes=[
            *insight_routes(inspected, first.limits),
            *tokenizer_routes([each.model for each in services], first.limits),
            *run_routes(run),
            *over_time_routes(run, open_generator, first.limits),
        ],
        open_routes=page_routes(),
    )


def checked_key(given: str | None) -> str | None:
    """The API key without space around it, such as the line break of a file; None: none is given.

    Raises:
        UsageError: it is too short.
    """
    if given is None:
        return None
    key = given.strip(" \t\r\n")
    if len(key) < SHORTEST_KEY:
        raise UsageError(
            f"the API key must have at least {SHORTEST_KEY} characters, found {len(key)}",
            hint="python -c 'import secrets; print(secrets.token_urlsafe())' makes a good one",
        )
    return key


def run_with_metrics(checkpoint: Path) -> Path | None:
    """The run of a checkpoint; None for a checkpoint outside a run."""
    folder = run_of(checkpoint)
    return folder if status_of(folder / METRICS_FILE) is not None else None


def name_beside(checkpoint: Path) -> str:
    """The name of a model to compare with; for a step's checkpoint, with the step."""
    step = re.fullmatch(r"step-(\d+)", checkpoint.name)
    return f"{name_of(checkpoint)}-step-{int(step[1])}" if step else name_of(checkpoint)


def distinct(names: list[str]) -> list[str]:
    """The names, with a number appended to each duplicate."""
    found: list[str] = []
    for name in names:
        candidates = itertools.chain([name], (f"{name}-{n}" for n in itertools.count(2)))
        found.append(next(each for each in candidates if each not in found))
    return found


def name_of(checkpoint: Path) -> str:
    """The name of a path's run, in characters that are safe in URLs and JSON."""
    folders = (BEST, *STEP_FOLDERS)
    parts = [part for part in checkpoint.resolve().parts if part not in folders]
    names = [part for part in parts if not re.fullmatch(r"step-\d+", part)]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", names[-1]).strip("-.") or "slm"
