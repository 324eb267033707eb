"""`/insight/...`: a model's predictions and attention, for the web page.

Each endpoint takes a JSON object with a `text` or its `ids`, and returns the result of a function
of `slm.insight`. The work is done in a thread, one request at a time; `Limits.queue` others may
wait.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from slm.generation import GenerationOptions
from slm.insight import (
    Text,
    as_json,
    attention_patterns,
    logit_lens,
    next_logits,
    ranked_logprobs,
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
from slm.server.turns import Turns
from slm.tokenizer.base import Tokenizer

MAX_CHARACTERS = 20_000
MAX_IDS = 8_192
MAX_INSPECTED_TOKENS = 1_024
"""Tokens that attention and the lens are computed for; their cost grows with the square."""
DIGITS = 5
"""Decimals of every number in a response."""


@dataclass(frozen=True)
class InspectedModel:
    """A model to inspect, and its tokenizer."""

    model: GPT
    tokenizer: Tokenizer
    text_dtype: str = "float32"
    """The dtype in which the server generates text with this model."""

    @property
    def dtype(self) -> str:
        """The dtype of the inspected model."""
        return str(next(self.model.parameters()).dtype).removeprefix("torch.")

    @property
    def dtypes(self) -> dict[str, str]:
        """Both dtypes, for every response: if they differ, so do the probabilities."""
        return {"dtype": self.dtype, "text_dtype": self.text_dtype}


class InspectionRequest(BaseModel):
    """The fields of every request: a model and a text."""

    model_config = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )

    model: str | None = None
    """A name of `/insight/models`; default: the first."""
    text: Annotated[str, Field(max_length=MAX_CHARACTERS), AfterValidator(valid_unicode)] | None = (
        None
    )
    ids: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=MAX_IDS)] | None = None
    """The text as token ids."""

    @property
    def content(self) -> Text:
        """The text, or its ids.

        Raises:
            HttpError: both are given, or neither is.
        """
        if self.text is not None and self.ids is None:
            return self.text
        if self.ids is not None and self.text is None:
            return self.ids
        raise HttpError(400, "give either text or ids", param="text")


class TokensRequest(InspectionRequest):
    """`/insight/tokens`: the surprisal at each token."""

    top: Annotated[int, Field(ge=0, le=50)] = 10
    """The number of alternatives at each position."""


class NextTokenRequest(InspectionRequest):
    """`/insight/next`: the next token, before and after the filters; see `GenerationOptions`."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    top: Annotated[int, Field(ge=1, le=200)] = 20
    """The number of candidates."""
    logprobs: bool = False
    """Also the log-probabilities of all tokens, the most likely first: all that the filters of a
    client need."""

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


class AttentionRequest(InspectionRequest):
    """`/insight/attention`: the attention weights of every head."""

    layers: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=1024)] | None = None
    """The layers, from 0; default: all."""


class LensRequest(InspectionRequest):
    """`/insight/lens`: the prediction after each layer."""

    top: Annotated[int, Field(ge=1, le=20)] = 5
    """The number of candidates of each prediction."""


RequestModel = TypeVar("RequestModel", bound=InspectionRequest)


class Insight:
    """The endpoints; requests are handled one at a time.

    Args:
        models: by the names of `/v1/models`; the first is the default of a request.
        limits: of a request's body, and of how many requests may wait.
    """

    def __init__(self, models: Mapping[str, InspectedModel], limits: Limits) -> None:
        self.models = models
        self._max_tokens = limits.max_tokens
        self._bodies = BodyReader(limits)
        self._turns = Turns(limits.queue)

    def routes(self) -> list[Route]:
        """The endpoints."""
        return [
            Route("/insight/models", self._models, methods=["GET"]),
            self._route("/insight/tokens", TokensRequest, self._tokens),
            self._route("/insight/next", NextTokenRequest, self._next),
            self._route("/insight/attention", AttentionRequest, self._attention),
            self._route("/insight/lens", LensRequest, self._lens),
        ]

    def _route(
        self,
        path: str,
        query_type: type[RequestModel],
        answer: Callable[[str, InspectedModel, RequestModel], Any],
    ) -> Route:
        async def endpoint(request: Request) -> Response:
            query = await self._bodies.read(request, query_type)
            name = self._name(query)
            is_about(request, name)
            work = partial(answer, name, self.models[name], query)
            content = await self._turns.run(lambda: _encoded(work()))
            return Response(content, media_type="application/json")

        return Route(path, endpoint, methods=["POST"], name=path)

    def _name(self, query: InspectionRequest) -> str:
        name = next(iter(self.models), "") if query.model is None else query.model
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
                    "max_new_tokens": self._max_tokens,
                    "max_inspected_tokens": min(config.block_size - 1, MAX_INSPECTED_TOKENS),
                    "n_layer": config.n_layer,
                    "n_head": config.n_head,
                    "n_embd": config.n_embd,
                }
            )
        return JSONResponse({"models": listed})

    def _tokens(self, name: str, of: InspectedModel, query: TokensRequest) -> Any:
        ids = token_ids(of.tokenizer, query.content)
        if len(ids) > MAX_IDS:
            raise HttpError(400, f"the text has more than {MAX_IDS:,} tokens", param="text")
        scored = score_text(of.model, of.tokenizer, ids, top=query.top)
        return {"model": name, **of.dtypes, **as_json(scored, digits=DIGITS)}

    def _next(self, name: str, of: InspectedModel, query: NextTokenRequest) -> Any:
        options = query.options
        ids = token_ids(of.tokenizer, query.content)
        logits = next_logits(of.model, of.tokenizer, query.content)
        weighed = weigh_options(logits, of.tokenizer, options, seen=ids, top=query.top)
        answer = {"model": name, **of.dtypes, **as_json(weighed, digits=DIGITS)}
        if query.logprobs:
            answer["logprobs"] = as_json(ranked_logprobs(logits).tolist(), digits=DIGITS - 1)
        return answer

    def _attention(self, name: str, of: InspectedModel, query: AttentionRequest) -> Any:
        ids = _few_ids(of, query)
        patterns = attention_patterns(of.model, of.tokenizer, ids, layers=query.layers)
        return {"model": name, **of.dtypes, **as_json(patterns, digits=DIGITS - 1)}

    def _lens(self, name: str, of: InspectedModel, query: LensRequest) -> Any:
        lens = logit_lens(of.model, of.tokenizer, _few_ids(of, query), top=query.top)
        return {"model": name, **of.dtypes, **as_json(lens, digits=DIGITS)}


def _encoded(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _few_ids(of: InspectedModel, query: InspectionRequest) -> list[int]:
    """The ids of a text.

    Raises:
        HttpError: the text is too long to be inspected.
    """
    ids = token_ids(of.tokenizer, query.content)
    if len(ids) > MAX_INSPECTED_TOKENS:
        raise HttpError(
            400,
            f"the text has {len(ids):,} tokens, more than {MAX_INSPECTED_TOKENS:,}",
            param="text",
        )
    return ids


def insight_routes(models: Mapping[str, InspectedModel], limits: Limits) -> list[Route]:
    """The endpoints for these models; see `Insight`."""
    return Insight(models, limits).routes()
