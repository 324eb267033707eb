"""The API's endpoints."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from slm.server.http_errors import HttpError, no_such_model
from slm.server.limits import Limits
from slm.server.metrics import Metrics, is_about
from slm.server.request_bodies import BodyReader
from slm.server.request_queue import BusyError, ClosedError, Event, ModelError
from slm.server.requests import GenerationJob, ServedModel, chat_job, completion_job
from slm.server.responses import (
    ChatWriter,
    CompletionWriter,
    Health,
    ModelCard,
    ModelList,
    ResponseBody,
    ResponseWriter,
    Usage,
)
from slm.server.scheduler import Scheduler
from slm.server.schemas import ChatRequest, CompletionRequest, GenerationRequest
from slm.server.served_sequence import ServedSequence, TextDelta

Result = TypeVar("Result")


@dataclass(frozen=True)
class Service:
    """A model, its scheduler and its limits."""

    model: ServedModel
    scheduler: Scheduler
    limits: Limits
    created: int
    """When the model became available: Unix time in seconds."""


class Endpoints:
    """One coroutine per path.

    Args:
        services: the models, under distinct names; the first is the default of a request.
        metrics: the counters of `GET /metrics`.
    """

    def __init__(self, services: Sequence[Service], metrics: Metrics) -> None:
        self._service = services[0]
        self._services = {each.model.name: each for each in services}
        assert len(self._services) == len(services), "two models of one name"
        self._metrics = metrics
        self._bodies = BodyReader(self._service.limits)

    async def completions(self, request: Request) -> Response:
        """`POST /v1/completions`."""
        self._check_room()
        body = await self._bodies.read(request, CompletionRequest)
        service = self._named_in_body(request, body)
        job = await asyncio.to_thread(completion_job, body, service.model, service.limits)
        writer = CompletionWriter(job, service.model)
        return await self._answer(request, body, job, writer, service.scheduler)

    async def chat_completions(self, request: Request) -> Response:
        """`POST /v1/chat/completions`."""
        self._check_room()
        body = await self._bodies.read(request, ChatRequest)
        service = self._named_in_body(request, body)
        job = await asyncio.to_thread(chat_job, body, service.model, service.limits)
        writer = ChatWriter(job, service.model)
        return await self._answer(request, body, job, writer, service.scheduler)

    async def models(self, request: Request) -> Response:
        """`GET /v1/models`."""
        return as_json(ModelList(data=[_card(each) for each in self._services.values()]))

    async def model(self, request: Request) -> Response:
        """`GET /v1/models/{model}`."""
        return as_json(_card(self._named(request, str(request.path_params["model"]))))

    async def health(self, request: Request) -> Response:
        """`GET /healthz`."""
        for service in self._services.values():
            if not service.scheduler.is_healthy:
                raise as_http_error(ClosedError(after_failure=True))
        return as_json(Health(model=self._service.model.name))

    async def metrics(self, request: Request) -> Response:
        """`GET /metrics`, in Prometheus's text format."""
        return Response(self._metrics.text(), media_type=self._metrics.MEDIA_TYPE)

    def _check_room(self) -> None:
        """Refuse a request before its body is read if no model has room."""
        refusals = []
        for service in self._services.values():
            try:
                service.scheduler.check_room()
            except (BusyError, ClosedError) as error:
                refusals.append(error)
        if len(refusals) == len(self._services):
            raise as_http_error(refusals[0])

    def _named_in_body(self, request: Request, body: GenerationRequest) -> Service:
        """The model that a generation request names; default: the first."""
        return self._named(request, self._service.model.name if body.model is None else body.model)

    def _named(self, request: Request, name: str) -> Service:
        """The model with this name.

        Raises:
            HttpError: there is none.
        """
        if name not in self._services:
            raise no_such_model(name, self._services)
        is_about(request, name)
        return self._services[name]

    async def _answer(
        self,
        request: Request,
        body: GenerationRequest,
        job: GenerationJob,
        writer: ResponseWriter,
        scheduler: Scheduler,
    ) -> Response:
        pace = STREAM_PACE if body.stream else math.inf
        events = deltas_of(scheduler, job.sequences, pace=pace)
        if not body.stream:
            async with aclosing(events):
                deltas = await unless_gone(request, _collected(events, len(job.sequences)))
            return as_json(writer.whole(deltas, _usage(job, [each[-1] for each in deltas])))
        # The response's head is sent with the first deltas: until then it can be an error.
        first = await unless_gone(request, _first(events))
        return EventStream(_sent(first, events, job, writer, usage=body.includes_usage))


def _card(service: Service) -> ModelCard:
    return ModelCard(id=service.model.name, created=service.created)


TextDeltas = Sequence[tuple[int, TextDelta]]
"""Text added to a request's sequences: the index of a sequence, and its next delta."""

STREAM_PACE = 1 / 60
"""Minimum seconds between two writes to a client: a screen shows no more, and a write takes about
as long as computing a token."""


async def deltas_of(
    scheduler: Scheduler, sequences: Sequence[ServedSequence], *, pace: float
) -> AsyncGenerator[TextDeltas]:
    """All deltas of a request's sequences; closing the generator frees the slots.

    Yields:
        The deltas since the last time, at the `pace` of a `QueuedRequest`.

    Raises:
        HttpError: the request was refused or failed.
    """
    queue: asyncio.Queue[Sequence[Event]] = asyncio.Queue()
    try:
        queued = scheduler.submit(sequences, queue.put_nowait, pace=pace)
    except (BusyError, ClosedError) as error:
        raise as_http_error(error) from None
    unfinished = len(sequences)
    try:
        while unfinished:
            events = [*await queue.get()]
            while not queue.empty():  # if the client is slow
                events += queue.get_nowait()
            deltas = [event for event in events if not isinstance(event, Exception)]
            unfinished -= sum(delta.finish is not None for _, delta in deltas)
            if deltas:
                yield deltas
            if isinstance(events[-1], Exception):  # always the last event
                raise as_http_error(events[-1])
    finally:
        scheduler.cancel(queued)


def as_http_error(error: BusyError | ClosedError | ModelError) -> HttpError:
    """The scheduler's error as a response for the client."""
    if isinstance(error, BusyError):
        status = 429 if error.refused_at_once else 503
        return HttpError(status, error.message, code="busy", retry_after=error.retry_after)
    if isinstance(error, ClosedError) and error.after_failure:
        return HttpError(503, "the model failed; restart the server", code="model_failed")
    if isinstance(error, ClosedError):
        return HttpError(503, "the server is shutting down", code="ending", retry_after=5)
    return HttpError(500, str(error), code="model_failed")


async def _first(events: AsyncGenerator[TextDeltas]) -> TextDeltas:
    return await anext(events)


async def _collected(events: AsyncGenerator[TextDeltas], choices: int) -> list[list[TextDelta]]:
    collected: list[list[TextDelta]] = [[] for _ in range(choices)]
    async for deltas in events:
        for index, delta in deltas:
            collected[index].append(delta)
    return collected


async def _sent(
    first: TextDeltas,
    events: AsyncGenerator[TextDeltas],
    job: GenerationJob,
    writer: ResponseWriter,
    *,
    usage: bool,
) -> AsyncGenerator[bytes]:
    """The server-sent events of a stream; events of one delivery are sent together."""
    last: list[TextDelta] = []

    def written(deltas: TextDeltas) -> bytes:
        last.extend(delta for _, delta in deltas if delta.finish is not None)
        answers = [writer.event(index, delta) for index, delta in deltas]
        return b"".join(as_event(answer) for answer in answers if answer is not None)

    async with aclosing(events):
        if content := b"".join(map(as_event, writer.opening())) + written(first):
            yield content
        try:
            async for deltas in events:
                if content := written(deltas):
                    yield content
        except HttpError as error:
            yield b"data: " + error.response().body + b"\n\n"
            return
        end = as_event(writer.usage_event(_usage(job, last))) if usage else b""
        yield end + b"data: [DONE]\n\n"


class EventStream(StreamingResponse):
    """A stream of server-sent events whose source is always closed, even if the client is gone."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes]) -> None:
        super().__init__(events)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which is cancelled if the client disconnects.

    Raises:
        ClientDisconnect: the client disconnected.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnection(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnection(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _usage(job: GenerationJob, last_deltas: Sequence[TextDelta]) -> Usage:
    new_tokens = sum(delta.new_tokens for delta in last_deltas)
    return Usage(
        prompt_tokens=job.prompt_tokens,
        completion_tokens=new_tokens,
        total_tokens=job.prompt_tokens + new_tokens,
    )


def as_json(answer: ResponseBody) -> Response:
    """A response with this body as JSON."""
    return Response(answer.model_dump_json(), media_type="application/json")


def as_event(answer: ResponseBody) -> bytes:
    """A server-sent event with this body as one line of JSON."""
    return b"data: " + answer.model_dump_json().encode("utf-8") + b"\n\n"


def error_response(request: Request, error: Exception) -> JSONResponse:
    """For Starlette: the response for an `HttpError`."""
    assert isinstance(error, HttpError)
    return error.response()


def gone_response(request: Request, error: Exception) -> Response:
    """For Starlette: the response for a client that has disconnected; nginx's status code."""
    return Response(status_code=499)
