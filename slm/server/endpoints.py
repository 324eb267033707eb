"""The API's paths: what each one does with a request."""

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
    """A model and all that it is served with."""

    model: ServedModel
    scheduler: Scheduler
    limits: Limits
    created: int
    """When the model became available, in seconds since 1970."""


class Endpoints:
    """One coroutine a path.

    Args:
        services: the models, each of another name; the first is meant where a request names none.
        metrics: what has been counted of them.
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
        asked = await self._bodies.read(request, CompletionRequest)
        meant = self._meant(request, asked)
        job = await asyncio.to_thread(completion_job, asked, meant.model, meant.limits)
        writer = CompletionWriter(job, meant.model)
        return await self._answer(request, asked, job, writer, meant.scheduler)

    async def chat_completions(self, request: Request) -> Response:
        """`POST /v1/chat/completions`."""
        self._check_room()
        asked = await self._bodies.read(request, ChatRequest)
        meant = self._meant(request, asked)
        job = await asyncio.to_thread(chat_job, asked, meant.model, meant.limits)
        writer = ChatWriter(job, meant.model)
        return await self._answer(request, asked, job, writer, meant.scheduler)

    async def models(self, request: Request) -> Response:
        """`GET /v1/models`."""
        return as_json(ModelList(data=[_card(each) for each in self._services.values()]))

    async def model(self, request: Request) -> Response:
        """`GET /v1/models/{model}`."""
        return as_json(_card(self._named(request, str(request.path_params["model"]))))

    async def health(self, request: Request) -> Response:
        """`GET /healthz`."""
        for service in self._services.values():
            if not service.scheduler.is_well:
                raise as_http_error(ClosedError(after_failure=True))
        return as_json(Health(model=self._service.model.name))

    async def metrics(self, request: Request) -> Response:
        """`GET /metrics`, in Prometheus's text format."""
        return Response(self._metrics.text(), media_type=self._metrics.MEDIA_TYPE)

    def _check_room(self) -> None:
        """Refuse before anything is read, where no model has room."""
        refusals = []
        for service in self._services.values():
            try:
                service.scheduler.check_room()
            except (BusyError, ClosedError) as error:
                refusals.append(error)
        if len(refusals) == len(self._services):
            raise as_http_error(refusals[0])

    def _meant(self, request: Request, asked: GenerationRequest) -> Service:
        """The model that a request for texts is about: the first where it names none."""
        return self._named(
            request, self._service.model.name if asked.model is None else asked.model
        )

    def _named(self, request: Request, name: str) -> Service:
        """The model of a name.

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
        asked: GenerationRequest,
        job: GenerationJob,
        writer: ResponseWriter,
        scheduler: Scheduler,
    ) -> Response:
        pace = STREAM_PACE if asked.stream else math.inf
        events = deltas_of(scheduler, job.sequences, pace=pace)
        if not asked.stream:
            async with aclosing(events):
                deltas = await unless_gone(request, _collected(events, len(job.sequences)))
            return as_json(writer.whole(deltas, _usage(job, [each[-1] for each in deltas])))
        # The head of the answer waits for the first deltas: until then it can be a refusal.
        first = await unless_gone(request, _first(events))
        return EventStream(_sent(first, events, job, writer, usage=asked.includes_usage))


def _card(service: Service) -> ModelCard:
    return ModelCard(id=service.model.name, created=service.created)


TextDeltas = Sequence[tuple[int, TextDelta]]
"""What has been added to a request's texts: the number of a text, and its next delta."""

STREAM_PACE = 1 / 60
"""Seconds between two writes to a client at least: a screen shows no more, and each takes about
as long as the arithmetic of a token."""


async def deltas_of(
    scheduler: Scheduler, sequences: Sequence[ServedSequence], *, pace: float
) -> AsyncGenerator[TextDeltas]:
    """All deltas of a request's texts; whoever stops listening gives the slots back.

    Yields:
        What has come since the last time, at the `pace` of a `QueuedRequest`.

    Raises:
        HttpError: it was refused, or has failed.
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
            while not queue.empty():  # where the listener is slow
                events += queue.get_nowait()
            deltas = [event for event in events if not isinstance(event, Exception)]
            unfinished -= sum(delta.finish is not None for _, delta in deltas)
            if deltas:
                yield deltas
            if isinstance(events[-1], Exception):  # after which none comes
                raise as_http_error(events[-1])
    finally:
        scheduler.cancel(queued)


def as_http_error(error: BusyError | ClosedError | ModelError) -> HttpError:
    """What a client is told of it."""
    if isinstance(error, BusyError):
        status = 429 if error.refused_at_once else 503
        return HttpError(status, error.message, code="busy", retry_after=error.retry_after)
    if isinstance(error, ClosedError) and error.after_failure:
        return HttpError(
            503, "the model stopped working; the server must be restarted", code="model_failed"
        )
    if isinstance(error, ClosedError):
        return HttpError(503, "the server is about to end", code="ending", retry_after=5)
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
    """The server-sent events of a stream, those of the same moment together."""
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
        except HttpError as problem:
            yield b"data: " + problem.response().body + b"\n\n"
            return
        end = as_event(writer.usage_event(_usage(job, last))) if usage else b""
        yield end + b"data: [DONE]\n\n"


class EventStream(StreamingResponse):
    """A stream of server-sent events, whose source is closed whatever becomes of the client."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes]) -> None:
        super().__init__(events)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which is given up when the client goes away.

    Raises:
        ClientDisconnect: the client went away.
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
    """A response that holds the answer."""
    return Response(answer.model_dump_json(), media_type="application/json")


def as_event(answer: ResponseBody) -> bytes:
    """A server-sent event that holds the answer, whose JSON is on one line."""
    return b"data: " + answer.model_dump_json().encode("utf-8") + b"\n\n"


def error_response(request: Request, error: Exception) -> JSONResponse:
    """For Starlette: the response to a `HttpError`."""
    assert isinstance(error, HttpError)
    return error.response()


def gone_response(request: Request, error: Exception) -> Response:
    """For Starlette: what is answered to nobody. The status is nginx's word for it."""
    return Response(status_code=499)
