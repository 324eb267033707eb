"""The tokenizer over HTTP, as evaluation programs with a remote tokenizer expect it.

`GET /tokenizer_info`, `POST /tokenize` and `POST /detokenize` have those fields of vLLM's endpoints
that lm-evaluation-harness uses. A prompt that is exactly the text of a special token gives its id:
that is how such programs ask for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from slm.errors import SlmError, TokenizerError
from slm.interop.tokenizer_json import token_text
from slm.server.http_errors import HttpError, no_such_model
from slm.server.limits import Limits
from slm.server.metrics import is_about
from slm.server.request_bodies import BodyReader
from slm.server.requests import ServedModel
from slm.server.schemas import valid_unicode

MAX_CHARACTERS = 1 << 20
MAX_IDS = 1 << 18


class TokenizeRequest(BaseModel):
    """`POST /tokenize`."""

    model_config = ConfigDict(strict=True, extra="ignore", protected_namespaces=())

    prompt: Annotated[str, Field(max_length=MAX_CHARACTERS), AfterValidator(valid_unicode)]
    add_special_tokens: bool = False
    """Whether the token that begins a text is put in front."""
    model: str | None = None


class DetokenizeRequest(BaseModel):
    """`POST /detokenize`."""

    model_config = ConfigDict(strict=True, extra="ignore", protected_namespaces=())

    tokens: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=MAX_IDS)]
    model: str | None = None


def tokenizer_routes(models: Sequence[ServedModel], limits: Limits) -> list[Route]:
    """The endpoints for the tokenizers of models.

    Args:
        models: the served ones; the first is the default of a request.
        limits: of a request's body.
    """
    bodies = BodyReader(limits)
    by_name = {model.name: model for model in models}
    special_ids = {
        model.name: {
            token_text(model.tokenizer, token_id): token_id
            for token_id in (model.tokenizer.bos_id, model.tokenizer.eot_id)
        }
        for model in models
    }

    def meant(request: Request, name: str | None) -> ServedModel:
        if name is None:
            return models[0]
        if name not in by_name:
            raise no_such_model(name, by_name)
        is_about(request, name)
        return by_name[name]

    async def info(request: Request) -> Response:
        model = meant(request, request.query_params.get("model"))
        tokenizer = model.tokenizer
        ends = token_text(tokenizer, tokenizer.eot_id)
        described: dict[str, Any] = {
            "tokenizer_class": "slm",
            "bos_token": token_text(tokenizer, tokenizer.bos_id),
            "eos_token": ends,
            "pad_token": ends,
            "chat_template": None,
            "vocab_size": tokenizer.vocab_size,
            "model_max_length": model.block_size,
        }
        return JSONResponse(described)

    async def tokenize(request: Request) -> Response:
        body = await bodies.read(request, TokenizeRequest)
        model = meant(request, body.model)
        tokenizer = model.tokenizer
        special = special_ids[model.name]
        if body.prompt in special:
            ids = [special[body.prompt]]
        else:
            try:
                ids = await run_in_threadpool(tokenizer.encode, body.prompt)
            except TokenizerError as error:  # of the library of an imported tokenizer
                raise HttpError(400, error.message, param="prompt") from None
        if body.add_special_tokens:
            ids = [tokenizer.bos_id, *ids]
        return JSONResponse({"tokens": ids, "count": len(ids), "max_model_len": model.block_size})

    async def detokenize(request: Request) -> Response:
        body = await bodies.read(request, DetokenizeRequest)
        model = meant(request, body.model)
        try:
            return JSONResponse({"prompt": model.tokenizer.decode(body.tokens)})
        except SlmError as error:
            raise HttpError(400, error.message, param="tokens") from None

    return [
        Route("/tokenizer_info", info, methods=["GET"]),
        Route("/tokenize", tokenize, methods=["POST"]),
        Route("/detokenize", detokenize, methods=["POST"]),
    ]
