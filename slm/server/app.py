"""The web application: routes and middleware."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from slm.server.endpoints import Endpoints, Service, error_response, gone_response
from slm.server.http_errors import HttpError, internal_error
from slm.server.metrics import CountRequests, Metrics
from slm.server.openapi import description
from slm.server.security import Guard


def create_app(
    service: Service,
    *,
    beside: Sequence[Service] = (),
    names: Iterable[str] = (),
    origins: Iterable[str] = (),
    api_key: str | None = None,
    routes: Sequence[Route] = (),
    open_routes: Sequence[Route] = (),
) -> Starlette:
    """The application that serves a model.

    Args:
        service: the model; its scheduler runs as long as the application does.
        beside: more models to serve, under other names.
        names, origins: see `Guard`.
        api_key: see `Guard`.
        routes: additional routes that need the key, like those of the API.
        open_routes: additional routes that need no key, with fixed paths: the web page.
    """
    services = (service, *beside)
    metrics = Metrics({each.model.name: each.scheduler for each in services})
    endpoints = Endpoints(services, metrics)
    document = description(
        service.model,
        service.limits,
        with_key=api_key is not None,
        others=[each.model.name for each in beside],
    )
    needs_key = [*api_routes(endpoints, document), *routes]
    needs_none = [Route("/healthz", endpoints.health), *open_routes]
    open_paths = {route.path for route in needs_none}
    assert not any("{" in path for path in open_paths), "an open path must be a fixed one"

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        for each in services:
            each.scheduler.start(asyncio.get_running_loop().call_soon_threadsafe)
        try:
            yield
        finally:
            for each in services:
                await asyncio.to_thread(each.scheduler.close)

    app = Starlette(
        routes=[*needs_none, *needs_key],
        lifespan=lifespan,
        middleware=[
            Middleware(CountRequests, metrics=metrics, routes=[*needs_none, *needs_key]),
            Middleware(Guard, names=names, origins=origins, api_key=api_key, open_paths=open_paths),
        ],
        exception_handlers={
            HttpError: error_response,
            HTTPException: _http_problem,
            ClientDisconnect: gone_response,
            Exception: _internal_error,
        },
    )
    app.router.redirect_slashes = False
    return app


def api_routes(endpoints: Endpoints, document: dict[str, Any]) -> list[Route]:
    """The routes of the API, and its OpenAPI document."""

    async def openapi(request: Request) -> Response:
        return JSONResponse(document)

    return [
        Route("/v1/completions", endpoints.completions, methods=["POST"]),
        Route("/v1/chat/completions", endpoints.chat_completions, methods=["POST"]),
        Route("/v1/models", endpoints.models),
        Route("/v1/models/{model:path}", endpoints.model),
        Route("/metrics", endpoints.metrics),
        Route("/openapi.json", openapi),
    ]


def _http_problem(request: Request, error: Exception) -> Response:
    """The response for errors of Starlette: unknown paths and methods."""
    assert isinstance(error, HTTPException)
    messages = {404: "path not found", 405: "method not allowed"}
    response = HttpError(
        error.status_code,
        messages.get(error.status_code, error.detail),
        headers=dict(error.headers or {}),
    )
    return response.response()


def _internal_error(request: Request, error: Exception) -> Response:
    """For Starlette: see `internal_error`."""
    return internal_error()
