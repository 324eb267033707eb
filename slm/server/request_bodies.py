"""From the bytes of a request's body to a validated request, or an error that names the field."""

from __future__ import annotations

import asyncio
import email.message
import json
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.datastructures import Headers
from starlette.requests import Request

from slm.errors import did_you_mean, shown
from slm.server.http_errors import HttpError
from slm.server.limits import Limits
from slm.server.neutral import FOREIGN_FIELDS, UNSUPPORTED

RequestModel = TypeVar("RequestModel", bound=BaseModel)

CHARSETS = ("utf-8", "utf8", "us-ascii")
"""Names of UTF-8, and of a part of it."""


@dataclass
class _HeldBodies:
    """The bodies that an application is reading."""

    n_bytes: int = 0

    @classmethod
    def of(cls, request: Request) -> _HeldBodies:
        """Those of a request's application, which all its readers share."""
        state = request.app.state
        if not hasattr(state, "held_bodies"):
            state.held_bodies = cls()
        found: _HeldBodies = state.held_bodies
        return found


class BodyReader:
    """Reads the bodies of requests, in bounded memory and time.

    Args:
        limits: the size of one body, and of all bodies of an application together.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def read(self, request: Request, model: type[RequestModel]) -> RequestModel:
        """Read, parse and validate the body of a request.

        Raises:
            HttpError: it is not JSON, is too large or too slow, or has an invalid field.
            ClientDisconnect: the client disconnected.
        """
        _check_headers(request.headers)
        declared = request.headers.get("content-length", "0")
        if declared.isdecimal() and int(declared[:20]) > self._limits.body_bytes:
            raise _too_large(self._limits)
        body, held = bytearray(), _HeldBodies.of(request)
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for chunk in request.stream():
                    held.n_bytes += len(chunk)
                    body += chunk
                    self._check_size(len(body), held)
        except TimeoutError:
            raise HttpError(
                408,
                f"the body did not arrive within {self._limits.body_seconds:g} s",
                headers={"Connection": "close"},
            ) from None
        finally:
            held.n_bytes -= len(body)
        return checked(model, parsed(bytes(body)))

    def _check_size(self, body_bytes: int, held: _HeldBodies) -> None:
        if body_bytes > self._limits.body_bytes:
            raise _too_large(self._limits)
        if held.n_bytes > self._limits.all_bodies_bytes:
            raise HttpError(503, "too many large requests at once", code="busy", retry_after=1)


def _check_headers(headers: Headers) -> None:
    """Accept JSON only: browsers let pages of other sites send other types without a preflight."""
    given = email.message.Message()  # has the same quoting rules as HTTP
    given["Content-Type"] = headers.get("content-type", "")
    if given.get_content_type() != "application/json":
        raise HttpError(
            415, "the body must be JSON, with the header Content-Type: application/json"
        )
    charset = given.get_content_charset("utf-8")
    if charset not in CHARSETS:
        raise HttpError(415, f"the body must be in UTF-8, found the charset {shown(charset)}")
    encoding = headers.get("content-encoding", "identity")
    if encoding.strip().lower() not in ("", "identity"):
        raise HttpError(
            415, f"the body must not be encoded, found the Content-Encoding {shown(encoding)}"
        )


def _too_large(limits: Limits) -> HttpError:
    return HttpError(413, f"the body is larger than {limits.body_bytes:,} bytes")


def parsed(body: bytes) -> dict[str, Any]:
    """Parse the JSON object in a body.

    Raises:
        HttpError: it is not a JSON object.
    """
    try:
        # Some editors and shells write a byte order mark.
        text = body.decode("utf-8-sig")
        data = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise HttpError(400, f"the body is not UTF-8: {error.reason}") from None
    except json.JSONDecodeError as error:
        raise HttpError(400, f"the body is not JSON: {error}") from None
    except ValueError:
        raise HttpError(400, "the body contains a number with too many digits") from None
    except RecursionError:
        raise HttpError(400, "the body is nested too deeply") from None
    if not isinstance(data, dict):
        raise HttpError(400, f"the body must be a JSON object, found {shown(data)}")
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object with these names and values.

    Raises:
        HttpError: a name occurs twice, so that the intended value is unknown.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise HttpError(
                400, f"the field {shown(name)} occurs twice", param=name, code="duplicate_field"
            )
        found[name] = value
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise HttpError(400, f"the body is not JSON: {name} is not a valid number")


def checked(model: type[RequestModel], data: dict[str, Any]) -> RequestModel:
    """Validate a request.

    Raises:
        HttpError: a field is unknown, missing or invalid.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _explained(model, data, error) from None
    except RecursionError:
        raise HttpError(400, "the body is nested too deeply") from None


def _explained(model: type[BaseModel], data: dict[str, Any], error: ValidationError) -> HttpError:
    """An error with its field's name; among several, the one deepest in the data."""
    found = error.errors(include_url=False)
    # An unknown field comes before a missing one: it may be the missing one's name, misspelled.
    first = max(found, key=lambda item: (len(_place(item, data)), item["type"] != "missing"))
    param = _written(_place(first, data)) or None
    if first["type"] in ("extra_forbidden", "string_unicode"):
        name = str(first["loc"][-1]) if first["loc"] else next(map(shown, data))
        return _unknown(name, param or name, model if len(first["loc"]) == 1 else None)
    if first["type"] == "missing":
        return HttpError(400, f"{param} is missing", param=param, code="missing_parameter")
    # A value of a union type has an error for each member.
    same = [item["msg"] for item in found if _place(item, data) == _place(first, data)]
    problem = " or ".join(dict.fromkeys(message[0].lower() + message[1:] for message in same))
    return HttpError(
        400,
        f"{param}: {problem}, found {shown(first['input'])}",
        param=param,
        code="unsupported_value" if first["type"] == UNSUPPORTED else "invalid_value",
    )


def _unknown(name: str, param: str, model: type[BaseModel] | None) -> HttpError:
    """The error for an unknown field; `model`: whose fields are suggested."""
    if name in FOREIGN_FIELDS:
        message = f"{name} is not a field here: {FOREIGN_FIELDS[name].advice}"
    else:
        known = did_you_mean(name, model.model_fields) if model is not None else None
        message = f"{shown(name)} is not a known field" + (f": {known}" if known else "")
    return HttpError(400, message, param=param, code="unknown_parameter")


def _place(item: ErrorDetails, data: Any) -> tuple[int | str, ...]:
    """The keys and indices that lead to an error, a missing field included."""
    location = item["loc"]
    place = place_in(location, data)
    if item["type"] == "missing" and place_in(location[:-1], data) == place:
        return (*place, location[-1])
    return place


def place_in(location: tuple[int | str, ...], data: Any) -> tuple[int | str, ...]:
    """The keys and indices of a location that exist in the data.

    pydantic's locations also contain the union members that it tried, and missing fields.
    """
    place: list[int | str] = []
    for part in location:
        is_key = isinstance(data, dict) and isinstance(part, str) and part in data
        is_index = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if is_key or is_index:
            place.append(part)
            data = data[part]
    return tuple(place)


def _written(place: tuple[int | str, ...]) -> str:
    """A location in JSON data, such as `messages[0].content`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "".join(parts).removeprefix(".")
