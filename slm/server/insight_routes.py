"""`/insight/...`: what a model does inside, for the web page and for notebooks.

Each takes a JSON object with a `text` or its `ids`, and answers with what a function of
`slm.insight` gives. The work is done in a thread, one request at a time; a few may wait.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeVar

import anyio
import anyio.to_thread
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from torch import Tensor

from slm.errors import SlmError
from slm.generation import GenerationOptions
from slm.insight import (
    Text,
    as_json,
    attention_patterns,
    logit_lens,
    next_logits,
    score_text,
    token_ids,
    weigh_options,
)
from slm.model import GPT
from slm.server.http_errors import HttpError, no_such_model
from slm.server.limits import Limits
from slm.server.metrics import is_about
from slm.server.request_bodies import BodyReader
from slm.server.schemas import valid_unicode
from slm.tokenizer.base import Tokenizer

MOST_WAITING = 16
"""Requests that may wait for their turn; more are refused at once."""
MOST_CHARACTERS = 20_000
MOST_IDS = 8_192
MOST_LOOKED_INTO = 1_024
"""Tokens over which attention and the lens are shown, as what they need grows with the square."""
LOGITS_KEPT = 64
"""Distributions that are remembered, so that a moved slider costs no pass through the model."""
DIGITS = 5
"""Decimals of every figure in an answer."""


@dataclass(frozen=True)
class InspectedModel:
    """A model that can be looked into, and its tokenizer."""

    model: GPT
    tokenizer: Tokenizer
    text_dtype: str = "float32"
    """The dtype in which the server generates texts with it, perhaps by other code."""

    @property
    def dtype(self) -> str:
        """The dtype of what is answered about it."""
        return str(next(self.model.parameters()).dtype).removeprefix("torch.")

    @property
    def dtypes(self) -> dict[str, str]:
        """Both, as every answer has them: a text's own probabilities differ where they do."""
        return {"dtype": self.dtype, "text_dtype": self.text_dtype}


class TextQuestion(BaseModel):
    """What every question has: a model and a text."""

    model_config = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )

    model: str | None = None
    """A name of `/insight/models`; none: the first."""
    text: (
        Annotated[str, Field(max_length=MOST_CHARACTERS), AfterValidator(valid_unicode)] | None
    ) = None
    ids: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=MOST_IDS)] | None = None
    """The text as token ids."""

    @property
    def content(self) -> Text:
        """The text, or its ids.

        Raises:
            HttpError: both are there, or neither is.
        """
        if self.text is not None and self.ids is None:
            return self.text
        if self.ids is not None and self.text is None:
            return self.ids
        raise HttpError(400, "give a text or its ids, and not both", param="text")


class TokensQuestion(TextQuestion):
    """`/insight/tokens`: the surprise at each token."""

    top: Annotated[int, Field(ge=0, le=50)] = 10
    """How many alternatives each place lists."""


class NextQuestion(TextQuestion):
    """`/insight/next`: what may come, before and after the filters; see `GenerationOptions`."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    top: Annotated[int, Field(ge=1, le=200)] = 20
    """How many candidates are listed."""

    @property
    def options(self) -> GenerationOptions:
        """The filters.

        Raises:
            ConfigError: a value is out of its range.
        """
        return GenerationOptions(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            repetition_penalty=self.repetition_penalty,
        )


class AttentionQuestion(TextQuestion):
    """`/insight/attention`: what every head looks at."""

    layers: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=1024)] | None = None
    """The layers that are wanted, from 0; none: all."""


class LensQuestion(TextQuestion):
    """`/insight/lens`: the guess after each layer."""

    top: Annotated[int, Field(ge=1, le=20)] = 5
    """How many candidates each guess lists."""


Asked = TypeVar("Asked", bound=TextQuestion)


class Insight:
    """Answers questions about models, one at a time.

    Args:
        models: by the names that `/v1/models` gives; the first is the one that is meant when a
            question names none.
        limits: of the body of a request.
    """

    def __init__(self, models: Mapping[str, InspectedModel], limits: Limits) -> None:
        self.models = models
        self._bodies = BodyReader(limits)
        self._turn = anyio.CapacityLimiter(1)
        self._logits: OrderedDict[tuple[str, str | tuple[int, ...]], Tensor] = OrderedDict()

    def routes(self) -> list[Route]:
        """The endpoints."""
        return [
            Route("/insight/models", self._models, methods=["GET"]),
            self._route("/insight/tokens", TokensQuestion, self._tokens),
            self._route("/insight/next", NextQuestion, self._next),
            self._route("/insight/attention", AttentionQuestion, self._attention),
            self._route("/insight/lens", LensQuestion, self._lens),
        ]

    def _route(
        self, path: str, question: type[Asked], answer: Callable[[str, InspectedModel, Asked], Any]
    ) -> Route:
        async def endpoint(request: Request) -> Response:
            asked = await self._bodies.read(request, question)
            name = self._name(asked)
            is_about(request, name)
            work = partial(answer, name, self.models[name], asked)
            return Response(await self._in_turn(work), media_type="application/json")

        return Route(path, endpoint, methods=["POST"], name=path)

    async def _in_turn(self, work: Callable[[], Any]) -> bytes:
        """The JSON of what `work` gives, made in a thread when it is this request's turn.

        Raises:
            HttpError: too many wait, or the question cannot be answered.
        """
        if self._turn.statistics().tasks_waiting >= MOST_WAITING:
            raise HttpError(429, "too many questions wait for their turn", retry_after=1)
        try:
            return await anyio.to_thread.run_sync(lambda: _encoded(work()), limiter=self._turn)
        except SlmError as error:
            raise HttpError(400, str(error)) from None

    def _name(self, asked: TextQuestion) -> str:
        name = next(iter(self.models), "") if asked.model is None else asked.model
        if name not in self.models:
            raise no_such_model(name, self.models)
        return name

    async def _models(self, request: Request) -> Response:
        """The shapes of the models."""
        listed = []
        for name, inspected in self.models.items():
            config = inspected.model.config
            listed.append(
                {
                    "name": name,
                    **inspected.dtypes,
                    "parameters": sum(p.numel() for p in inspected.model.parameters()),
                    "vocab_size": inspected.tokenizer.vocab_size,
                    "end_id": inspected.tokenizer.eot_id,
                    "block_size": config.block_size,
                    "most_looked_into": min(config.block_size - 1, MOST_LOOKED_INTO),
                    "n_layer": config.n_layer,
                    "n_head": config.n_head,
                    "n_embd": config.n_embd,
                }
            )
        return JSONResponse({"models": listed})

    def _tokens(self, name: str, of: InspectedModel, asked: TokensQuestion) -> Any:
        ids = token_ids(of.tokenizer, asked.content)
        if len(ids) > MOST_IDS:
            raise HttpError(400, f"the text has more than {MOST_IDS:,} tokens", param="text")
        scored = score_text(of.model, of.tokenizer, ids, top=asked.top)
        return {"model": name, **of.dtypes, **as_json(scored, digits=DIGITS)}

    def _next(self, name: str, of: InspectedModel, asked: NextQuestion) -> Any:
        options = asked.options
        ids = token_ids(of.tokenizer, asked.content)
        content = asked.content if isinstance(asked.content, str) else ids
        key = (name, content if isinstance(content, str) else tuple(content))
        logits = self._logits.pop(key, None)
        if logits is None:
            logits = next_logits(of.model, of.tokenizer, content)
        self._logits[key] = logits  # the newest last
        while len(self._logits) > LOGITS_KEPT:
            self._logits.popitem(last=False)
        weighed = weigh_options(logits, of.tokenizer, options, seen=ids, top=asked.top)
        return {"model": name, **of.dtypes, **as_json(weighed, digits=DIGITS)}

    def _attention(self, name: str, of: InspectedModel, asked: AttentionQuestion) -> Any:
        ids = _few_ids(of, asked)
        patterns = attention_patterns(of.model, of.tokenizer, ids, layers=asked.layers)
        return {"model": name, **of.dtypes, **as_json(patterns, digits=DIGITS - 1)}

    def _lens(self, name: str, of: InspectedModel, asked: LensQuestion) -> Any:
        lens = logit_lens(of.model, of.tokenizer, _few_ids(of, asked), top=asked.top)
        return {"model": name, **of.dtypes, **as_json(lens, digits=DIGITS)}


def _encoded(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _few_ids(of: InspectedModel, asked: TextQuestion) -> list[int]:
    """The ids of a text that is not too long to be looked into.

    Raises:
        HttpError: it is.
    """
    ids = token_ids(of.tokenizer, asked.content)
    if len(ids) > MOST_LOOKED_INTO:
        raise HttpError(
            400, f"the text has {len(ids):,} tokens, more than {MOST_LOOKED_INTO:,}", param="text"
        )
    return ids


def insight_routes(models: Mapping[str, InspectedModel], limits: Limits) -> list[Route]:
    """The endpoints for these models; see `Insight`."""
    return Insight(models, limits).routes()
