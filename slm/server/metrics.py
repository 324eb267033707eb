"""Metrics of the server, in Prometheus's format."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from slm.server.scheduler import Counts, Scheduler

SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Upper bounds of the histograms' buckets."""


class Metrics:
    """Counts of requests and of each model's scheduler.

    Args:
        schedulers: the schedulers by model name. Their counts are read when the metrics are.
    """

    MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, schedulers: Mapping[str, Scheduler]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_SchedulerCollector(schedulers))
        self.requests = Counter(
            "slm_requests",
            "Requests by model (empty if they name none), path and status of the response.",
            ["model", "path", "status"],
            registry=self._registry,
        )
        self.first_byte = Histogram(
            "slm_time_to_answer_seconds",
            "Seconds from a request's head to the head of its response.",
            ["model", "path"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self.whole = Histogram(
            "slm_request_seconds",
            "Seconds from a request's head to the end of its response.",
            ["model", "path"],
            buckets=SECONDS,
            registry=self._registry,
        )

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)


class _SchedulerCollector(Collector):
    def __init__(self, schedulers: Mapping[str, Scheduler]) -> None:
        self._schedulers = schedulers

    def collect(self) -> Iterator[Metric]:
        """The current counts of the schedulers."""
        gauges: dict[str, tuple[str, Callable[[Scheduler], int]]] = {
            "slm_slots": ("Sequences that can be generated at once.", lambda s: s.n_slots),
            "slm_slots_busy": ("Sequences that are being generated.", lambda s: s.busy_slots),
            "slm_requests_waiting": ("Requests without a slot.", lambda s: s.waiting_requests),
        }
        counters: dict[str, tuple[str, Callable[[Counts], int]]] = {
            "slm_steps": ("Steps of the model.", lambda c: c.steps),
            "slm_prompt_tokens": ("Prompt tokens of all sequences.", lambda c: c.prompt_tokens),
            "slm_new_tokens": ("Generated tokens of finished sequences.", lambda c: c.new_tokens),
            "slm_requests_given_up": ("Requests whose client left.", lambda c: c.cancelled),
            "slm_requests_failed": ("Requests that failed in the model.", lambda c: c.failed),
        }
        for name, (meaning, number) in gauges.items():
            gauge = GaugeMetricFamily(name, meaning, labels=["model"])
            for model, scheduler in self._schedulers.items():
                gauge.add_metric([model], number(scheduler))
            yield gauge
        for name, (meaning, count) in counters.items():
            counter = CounterMetricFamily(name, meaning, labels=["model"])
            for model, scheduler in self._schedulers.items():
                counter.add_metric([model], count(scheduler.counts))
            yield counter


def is_about(request: Request, model: str) -> None:
    """Set the model that a request is counted for; it must be one that is served."""
    request.state.model = model


class CountRequests:
    """ASGI middleware: counts and times every request.

    Args:
        app: the wrapped application.
        metrics: where requests are counted.
        routes: the routes that are counted separately; all other paths count as `other`.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Sequence[Route]) -> None:
        self._app = app
        self._metrics = metrics
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = self._path(scope)
        state = scope.setdefault("state", {})
        began_at = time.monotonic()
        status = "none"

        async def counting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
                model = state.get("model", "")
                self._metrics.first_byte.labels(model, path).observe(time.monotonic() - began_at)
            await send(message)

        try:
            await self._app(scope, receive, counting_send)
        finally:
            model = state.get("model", "")
            self._metrics.requests.labels(model, path, status).inc()
            self._metrics.whole.labels(model, path).observe(time.monotonic() - began_at)

    def _path(self, scope: Scope) -> str:
        """The path of a request's route, such as `/v1/models/{model}`."""
        for route in self._routes:
            if route.matches(scope)[0] is not Match.NONE:
                return route.path_format
        return "other"
