"""What a client is told: always valid UTF-8, never long, with what its library looks for."""

from __future__ import annotations

import json

import pytest

from slm.server.http_errors import HttpError, printable


def test_a_message_is_utf8_whatever_it_repeats():
    response = HttpError(400, "found \ud800", param="\udfff" * 500).response()
    error = json.loads(response.body.decode("utf-8"))["error"]
    assert error["message"] == "found \\ud800"
    assert len(error["param"]) < 1000
    assert printable("ö€😀") == "ö€😀"
    assert len(printable("x" * 10_000)) == 1000


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request_error"), (401, "authentication_error"), (503, "server_error")],
)
def test_kinds_are_openais(status, kind):
    assert HttpError(status, "x").to_json()["error"]["type"] == kind


@pytest.mark.parametrize(("seconds", "header"), [(0.1, "1"), (1.0, "1"), (2.2, "3")])
def test_waiting_is_told_in_whole_seconds(seconds, header):
    problem = HttpError(429, "x", retry_after=seconds, headers={"Connection": "close"})
    assert problem.response().headers["retry-after"] == header
    assert problem.response().headers["connection"] == "close"
    assert "retry-after" not in HttpError(429, "x").response().headers
