"""Error responses in OpenAI's format.

{"error": {"message": "...", "type": "invalid_request_error", "param": "top_p", "code": null}}
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from starlette.responses import JSONResponse

from slm.errors import shown

MAX_PARAM_CHARACTERS = 100
"""How many characters of a client's text an error repeats."""

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}


class HttpError(Exception):
    """A request is refused.

    Args:
        status: the HTTP status code.
        message: what was found and what was expected.
        param: the field of the request that is wrong.
        code: an identifier for programs.
        retry_after: seconds after which a retry may succeed.
        headers: additional headers of the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, math.ceil(retry_after)))

    def to_json(self) -> dict[str, dict[str, str | None]]:
        """The body of the response."""
        return {
            "error": {
                "message": printable(self.message),
                "type": TYPES.get(self.status, "invalid_request_error"),
                "param": None
                if self.param is None
                else printable(self.param, MAX_PARAM_CHARACTERS),
                "code": self.code,
            }
        }

    def response(self) -> JSONResponse:
        """The response."""
        return JSONResponse(self.to_json(), self.status, self.headers)


def internal_error() -> JSONResponse:
    """The response after an unexpected exception, whose traceback uvicorn writes to the log."""
    return HttpError(500, "internal server error").response()


def no_such_model(name: str, served: Iterable[str]) -> HttpError:
    """The error for a request that names an unknown model."""
    names = " and ".join(map(shown, served))
    return HttpError(
        404,
        f"unknown model {shown(name)}; " + (f"served: {names}" if names else "no model is served"),
        param="model",
        code="model_not_found",
    )


def printable(text: str, longest: int = 1000) -> str:
    """A text that UTF-8 can represent: lone surrogates are escaped, and long texts are cut."""
    text = text if len(text) <= longest else text[: longest - 3] + "..."
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
