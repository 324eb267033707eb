"""`/run/over-time` and `/run/continue`: how a run learned, by the checkpoints that it has kept.

The page shows the saved results of `slm eval --over-time`, and lets every kept checkpoint continue
the same prompt with the same seed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import anyio.to_thread
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from slm.checkpoint.ladder import kept_checkpoints
from slm.checkpoint.run import step_of
from slm.config.run_files import MANIFEST_NAME
from slm.errors import CheckpointError
from slm.generation import GenerationOptions, Generator
from slm.reporting.over_time import Panel, ScoreCurve, read_over_time
from slm.server.http_errors import HttpError
from slm.server.limits import Limits
from slm.server.request_bodies import BodyReader
from slm.server.schemas import valid_unicode
from slm.server.turns import Turns
from slm.storage.safe_reading import status_of

MAX_CHARACTERS = 5_000
MAX_NEW_TOKENS = 500
MODELS_KEPT = 3
"""Checkpoints in memory: going back to one needs no reading."""
DIGITS = 4

OpenGenerator = Callable[[Path], Generator]
"""Loads a checkpoint for generation."""


class ContinueRequest(BaseModel):
    """`/run/continue`: a prompt for the checkpoint of a step."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    step: Annotated[int, Field(ge=0)]
    prompt: Annotated[str, Field(max_length=MAX_CHARACTERS), AfterValidator(valid_unicode)]
    max_tokens: Annotated[int, Field(ge=1, le=MAX_NEW_TOKENS)] = 120
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] = 0.7
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class OverTimeRoutes:
    """The endpoints; one checkpoint generates at a time.

    Args:
        run: a run directory, which may not exist yet.
        open_generator: loads a checkpoint.
        limits: of a request's body.
    """

    def __init__(self, run: Path, open_generator: OpenGenerator, limits: Limits) -> None:
        self._run = run
        self._open = open_generator
        self._bodies = BodyReader(limits)
        self._turns = Turns(limits.queue)
        self._generators: OrderedDict[tuple[Path, int], Generator] = OrderedDict()

    def routes(self) -> list[Route]:
        """The endpoints."""
        return [
            Route("/run/over-time", self._over_time, methods=["GET"]),
            Route("/run/continue", self._continue, methods=["POST"]),
        ]

    async def _over_time(self, request: Request) -> Response:
        return JSONResponse(await anyio.to_thread.run_sync(over_time_json, self._run))

    async def _continue(self, request: Request) -> Response:
        query = await self._bodies.read(request, ContinueRequest)
        return JSONResponse(await self._turns.run(partial(self._continued, query)))

    def _continued(self, query: ContinueRequest) -> dict[str, Any]:
        path = kept_checkpoints(self._run).get(query.step)
        if path is None:
            raise HttpError(404, f"the run has no checkpoint of step {query.step}", param="step")
        options = GenerationOptions(
            max_new_tokens=query.max_tokens, temperature=query.temperature, seed=query.seed
        )
        completion = self._generator(path).complete([query.prompt], options)[0]
        is_whole = completion.finish_reason != "length"
        return {"step": query.step, "text": completion.text, "is_whole": is_whole}

    def _generator(self, path: Path) -> Generator:
        status = status_of(path / MANIFEST_NAME)
        key = path, 0 if status is None else status.st_mtime_ns  # a resumed run writes it again
        generator = self._generators.pop(key, None)
        if generator is None:
            while len(self._generators) >= MODELS_KEPT:
                self._generators.popitem(last=False)
            try:
                generator = self._open(path)
            except CheckpointError as error:  # its message has paths of this machine
                raise HttpError(
                    500, f"the checkpoint of step {step_of(path)} cannot be read"
                ) from error
        self._generators[key] = generator  # the newest last
        return generator


def over_time_json(run: Path) -> dict[str, Any]:
    """The steps of a run's kept checkpoints, and the saved scores over the steps."""
    return {
        "steps": list(kept_checkpoints(run)),
        "panels": [_panel_json(panel) for panel in read_over_time(run).panels],
    }


def _panel_json(panel: Panel) -> dict[str, Any]:
    low, high = panel.limits
    return {
        "title": panel.title,
        "low": round(low, DIGITS),
        "high": round(high, DIGITS),
        "chance": panel.chance,
        "lines": [_line_json(curve) for curve in panel.curves],
    }


def _line_json(curve: ScoreCurve) -> dict[str, Any]:
    points = [
        [step, *(round(figure, DIGITS) for figure in (score.value, score.low, score.high))]
        for step, score in zip(curve.steps, curve.scores, strict=True)
    ]
    return {"name": curve.name, "half_at_step": curve.arrives_at, "points": points}


def over_time_routes(
    run: Path | None, open_generator: OpenGenerator, limits: Limits
) -> list[Route]:
    """The endpoints for a run; none if no run is shown. See `OverTimeRoutes`."""
    return [] if run is None else OverTimeRoutes(run, open_generator, limits).routes()
