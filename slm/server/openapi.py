"""The OpenAPI document at `/openapi.json`, made from the pydantic models of the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from slm.server.limits import Limits
from slm.server.requests import ServedModel
from slm.server.responses import (
    ChatChunk,
    ChatCompletion,
    Completion,
    ErrorResponse,
    Health,
    ModelCard,
    ModelList,
)
from slm.server.schemas import ChatRequest, CompletionRequest
from slm.version import __version__

ERRORS = {
    400: "The request is not HTTP or not JSON, or a field is invalid; `param` names it.",
    401: "The API key is missing or wrong.",
    403: "The request comes from a page of another origin.",
    404: "Unknown model or path.",
    405: "Method not allowed.",
    408: "The body took too long.",
    413: "The body is too large.",
    415: "The body is not sent as JSON.",
    421: "The Host header names another server.",
    429: "All slots are in use and the queue is full.",
    500: "The model failed.",
    503: "No slot became free in time, the server is shutting down, or the model failed for good.",
}

READING = (401, 403, 404, 405, 421, 503)
"""Error codes of requests without a body."""

RETRIED = (429, 503)


def description(
    model: ServedModel, limits: Limits, *, with_key: bool, others: Sequence[str] = ()
) -> dict[str, Any]:
    """The whole document (OpenAPI 3.1), with the bounds of this model and these limits.

    `others`: the names of the other served models.
    """
    written = (Completion, ChatCompletion, ChatChunk, Health, ModelList, ModelCard, ErrorResponse)
    _, schemas = models_json_schema(
        [
            *[(asked, "validation") for asked in (CompletionRequest, ChatRequest)],
            *[(answer, "serialization") for answer in written],
        ],
        ref_template="#/components/schemas/{model}",
    )
    components = schemas["$defs"]
    _set_bounds(components, model, limits, others)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "slm",
            "version": __version__,
            "description": "A small language model behind OpenAI's API.",
        },
        "paths": {
            "/v1/models": {"get": _get("The served model", ModelList)},
            "/v1/models/{model}": {
                "get": _get("The served model", ModelCard, named=[model.name, *others])
            },
            "/v1/completions": {"post": _post("Continue texts", CompletionRequest, Completion)},
            "/v1/chat/completions": {
                "post": _post("Continue a conversation", ChatRequest, ChatCompletion, ChatChunk)
            },
            "/healthz": {"get": {**_get("The server's health", Health), "security": []}},
            "/metrics": {"get": _get_text("Metrics for Prometheus", "text/plain")},
            "/openapi.json": {"get": _get_text("This document", "application/json")},
        },
        "components": {"schemas": components},
    }
    if with_key:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}]
    return document


def _set_bounds(
    components: dict[str, Any], model: ServedModel, limits: Limits, others: Sequence[str]
) -> None:
    for name in ("CompletionRequest", "ChatRequest"):
        fields = components[name]["properties"]
        fields["model"]["anyOf"][0]["enum"] = [model.name, *others]
        fields["n"]["anyOf"][0]["maximum"] = limits.choices
        for tokens in fields.keys() & {"max_tokens", "max_completion_tokens"}:
            fields[tokens]["anyOf"][0]["maximum"] = limits.max_tokens
    forms = components["CompletionRequest"]["properties"]["prompt"]["anyOf"]
    text, texts, ids, several, nothing = ({**form} for form in forms)
    ids["items"] = {**ids["items"], "maximum": model.tokenizer.vocab_size - 1}
    several["items"] = ids
    texts["maxItems"] = several["maxItems"] = limits.prompts
    bounded = [text, texts, ids, several, nothing]
    components["CompletionRequest"]["properties"]["prompt"]["anyOf"] = bounded


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": _reference(model)}}


def _problems(*statuses: int) -> dict[str, Any]:
    retry = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}}
    return {
        str(status): {
            "description": ERRORS[status],
            "content": _json(ErrorResponse),
            **({"headers": retry} if status in RETRIED else {}),
        }
        for status in statuses
    }


def _get(
    summary: str, answer: type[BaseModel], named: Sequence[str] | None = None
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {
            "200": {"description": "Done.", "content": _json(answer)},
            **_problems(*READING),
        },
    }
    if named is not None:
        operation["parameters"] = [
            {
                "name": "model",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "enum": [*named]},
            }
        ]
    return operation


def _get_text(summary: str, media_type: str) -> dict[str, Any]:
    schema = {"type": "object" if media_type == "application/json" else "string"}
    return {
        "summary": summary,
        "responses": {
            "200": {"description": "Done.", "content": {media_type: {"schema": schema}}},
            **_problems(*READING),
        },
    }


def _post(
    summary: str,
    asked: type[BaseModel],
    answer: type[BaseModel],
    event: type[BaseModel] | None = None,
) -> dict[str, Any]:
    written = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": _reference(event or answer),
    }
    data = {"anyOf": [{"const": "[DONE]"}, written]}
    events = {"type": "object", "required": ["data"], "properties": {"data": data}}
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": _json(asked)},
        "responses": {
            "200": {
                "description": "Done. With `stream`: server-sent events.",
                "content": {**_json(answer), "text/event-stream": {"schema": events}},
            },
            **_problems(*ERRORS),
        },
    }
