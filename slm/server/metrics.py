"""What a server has done, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from slm.server.scheduler import Scheduler

SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Upper bounds of the histograms' buckets."""


class Metrics:
    """Counts of requests, and of what the scheduler does.

    Args:
        scheduler: is asked for its counts when the metrics are read.
        n_slots: of the model.
    """

    MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, scheduler: Scheduler, n_slots: int) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_SchedulerCollector(scheduler, n_slots))
        self.requests = Counter(
            "slm_requests",
            "Requests by path and status of the answer.",
            ["path", "status"],
            registry=self._registry,
        )
        self.first_byte = Histogram(
            "slm_time_to_answer_seconds",
            "From a request's head to the head of its answer.",
            ["path"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self.whole = Histogram(
            "slm_request_seconds",
            "From a request's head to the end of its answer.",
            ["path"],
            buckets=SECONDS,
            registry=self._registry,
        )

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)


class _SchedulerCollector(Collector):
    def __init__(self, scheduler: Scheduler, n_slots: int) -> None:
        self._scheduler = scheduler
        self._n_slots = n_slots

    def collect(self) -> Iterator[Metric]:
        """What the scheduler has counted so far."""
        scheduler, counts = self._scheduler, self._scheduler.counts
        for name, meaning, number in (
            ("slm_slots", "Texts that can be written at once.", self._n_slots),
            ("slm_slots_busy", "Texts that are being written.", scheduler.busy_slots),
            ("slm_requests_waiting", "Requests without a slot.", scheduler.waiting_requests),
        ):
            yield GaugeMetricFamily(name, meaning, value=number)
        for name, meaning, number in (
            ("slm_steps", "Steps of the model.", counts.steps),
            ("slm_prompt_tokens", "Tokens of prompts, for each text.", counts.prompt_tokens),
            ("slm_new_tokens", "Tokens of texts that have ended.", counts.new_tokens),
            ("slm_requests_given_up", "Requests whose client went away.", counts.cancelled),
            ("slm_requests_failed", "Requests that the model failed.", counts.failed),
        ):
            yield CounterMetricFamily(name, meaning, value=number)


class CountRequests:
    """ASGI middleware: counts and times every request.

    Args:
        app: what answers.
        metrics: where it is counted.
        paths: those that are told apart; all others are `other`.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Iterable[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self._paths else "other"
        began_at = time.monotonic()
        status = "none"

        async def counting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
                self._metrics.first_byte.labels(path).observe(time.monotonic() - began_at)
            await send(message)

        try:
            await self._app(scope, receive, counting_send)
        finally:
            self._metrics.requests.labels(path, status).inc()
            self._metrics.whole.labels(path).observe(time.monotonic() - began_at)
