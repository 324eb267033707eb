"""A program elsewhere that answers OpenAI's API over HTTP, and what can go wrong with it.

Requests that the server refuses because it is busy are repeated after the time that it asks for.
Everything else that is not an answer becomes an `EndpointError` that names the address.
"""

from __future__ import annotations

import ipaddress
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2

from slm.errors import EndpointError, UsageError, shown
from slm.tokenizer.table import invalid_unicode

AT_ONCE = 8
"""Requests that are under way together."""
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 300.0
RETRIES = 5
"""Repetitions of a request to a busy server."""
LONGEST_WAIT = 30.0
"""Seconds between two of them at most."""
BUSY = (429, 502, 503, 504)
LARGEST_ANSWER = 64 << 20
"""Bytes."""
KEY_VARIABLE = "SLM_ENDPOINT_KEY"

Item = TypeVar("Item")
Result = TypeVar("Result")


class Endpoint:
    """A server of OpenAI's API. A context manager: it keeps connections open.

    Leaving the block does not wait for answers: they may be minutes away.

    Args:
        address: where it is, such as `http://127.0.0.1:8000` or `https://host/v1`.
        model: the name of the model that is meant; None: the only one that the server lists.
        key: sent as `Authorization: Bearer KEY`; None: none is sent.
        seconds: how long a whole answer may take.
        sleep: waits so many seconds for a busy server; None: at most until the block is left.

    Raises:
        UsageError: it is not an address, or HTTP cannot send the key.
    """

    def __init__(
        self,
        address: str,
        *,
        model: str | None = None,
        key: str | None = None,
        seconds: float = ANSWER_SECONDS,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.address = address.rstrip("/")
        self.root = self.address.removesuffix("/v1")
        host = _host_of(address)
        if key is not None and not (key.isascii() and key.isprintable()):
            raise UsageError(
                "the key of the server has characters that HTTP cannot send",
                hint=f"set {KEY_VARIABLE} to the key alone, without line breaks",
            )
        self._model = model
        self._is_closed = threading.Event()
        self._sleep = sleep or self._is_closed.wait
        self._seconds = seconds
        self._client = httpx2.Client(
            headers={} if key is None else {"Authorization": f"Bearer {key}"},
            timeout=httpx2.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds)),
            limits=httpx2.Limits(max_connections=AT_ONCE),
            trust_env=not _is_this_machine(host),  # a proxy does not know this machine's servers
        )
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="endpoint")
        # One more, for the thread that uses the endpoint.
        self._connections = ThreadPoolExecutor(AT_ONCE + 1, thread_name_prefix="connection")

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self._is_closed.set()
        for pool in (self._pool, self._connections):
            pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    @property
    def model(self) -> str:
        """The name of the model that requests are for.

        Raises:
            EndpointError: the server lists no model, or several.
        """
        if self._model is None:
            self._model = self._only_model()
        return self._model

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The function's results in order, with `AT_ONCE` of them under way together."""
        waiting = iter(items)
        while group := list(itertools.islice(waiting, 4 * AT_ONCE)):
            yield from self._pool.map(function, group)

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to `POST /v1/completions`; see `post`."""
        return self.post("/v1/completions", {"model": self.model, **body})

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to `POST /v1/chat/completions`; see `post`."""
        return self.post("/v1/chat/completions", {"model": self.model, **body})

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The JSON object that answers a request.

        Args:
            path: from the server's root.
            body: JSON data.

        Raises:
            EndpointError: there is no answer, or it is not one.
            TokenizerError: a text in the body is not valid Unicode.
        """
        return self._answer("POST", path, _encoded(body))

    def get(self, path: str) -> dict[str, Any]:
        """The JSON object at a path; see `post`."""
        return self._answer("GET", path, None)

    def _answer(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        address = self.root + path
        for attempt in itertools.count():
            status, headers, content = self._send(method, address, body)
            if status not in BUSY or attempt == RETRIES or self._is_closed.is_set():
                break
            self._sleep(_wait(headers.get("retry-after"), attempt))
        if status != 200:
            raise _refusal(address, status, headers, content)
        try:
            answer = _json_in(content)
        except ValueError as error:
            raise EndpointError(
                f"{address} answers with something other than JSON: {error}", hint=NOT_THE_API
            ) from None
        if not isinstance(answer, dict):
            raise EndpointError(
                f"{address} answers with {shown(answer)}, expected a JSON object", hint=NOT_THE_API
            )
        return answer

    def _send(self, method: str, address: str, body: bytes | None) -> tuple[int, Any, bytes]:
        """Status, headers and content of the answer to one request.

        The client's own limits are for each read: a server that sends a byte now and then would
        never exceed them.
        """
        ends_at = time.monotonic() + self._seconds
        answer = self._connections.submit(self._receive, method, address, body, ends_at)
        try:
            return answer.result(self._seconds)
        except TimeoutError:
            raise self._too_slow(address) from None

    def _receive(
        self, method: str, address: str, body: bytes | None, ends_at: float
    ) -> tuple[int, Any, bytes]:
        kind = {} if body is None else {"Content-Type": "application/json"}
        content = bytearray()
        try:
            with self._client.stream(method, address, content=body, headers=kind) as response:
                for chunk in response.iter_bytes():
                    if time.monotonic() > ends_at or self._is_closed.is_set():
                        raise self._too_slow(address)  # nobody waits for the rest
                    content += chunk
                    if len(content) > LARGEST_ANSWER:
                        raise EndpointError(
                            f"{address} answers with more than {LARGEST_ANSWER >> 20} MiB",
                            hint=NOT_THE_API,
                        )
                return response.status_code, response.headers, bytes(content)
        except httpx2.ConnectTimeout:
            problem = f"cannot reach {address} within {CONNECT_SECONDS:g} s"
            raise EndpointError(problem, hint=START_IT) from None
        except httpx2.TimeoutException:
            raise self._too_slow(address) from None
        except httpx2.ConnectError as error:
            raise EndpointError(f"cannot reach {address}: {error}", hint=START_IT) from None
        except httpx2.HTTPError as error:
            raise EndpointError(
                f"the connection to {address} broke: {error or type(error).__name__}",
                hint="check the server's output, and try again",
            ) from None

    def _too_slow(self, address: str) -> EndpointError:
        return EndpointError(
            f"{address} does not answer within {self._seconds:g} s",
            hint="the server may be overloaded; try again when it has less to do",
        )

    def _only_model(self) -> str:
        listed = self.get("/v1/models").get("data")
        found = [each.get("id") for each in _dicts(listed)]
        names = [name for name in found if isinstance(name, str)]
        if len(names) != 1:
            some = ", ".join(map(shown, names[:5])) if names else "none"
            raise EndpointError(
                f"{self.address} lists {len(names)} models ({some}), expected one",
                hint="name the one that you mean with --model",
            )
        return names[0]


START_IT = "start the server, and check the address"
NOT_THE_API = "give the address of a server of OpenAI's API, such as http://127.0.0.1:8000"


def _host_of(address: str) -> str:
    try:
        parts = urlsplit(address)
        port, host = parts.port, parts.hostname
        # Each of them refuses other names.
        httpx2.URL(address).raw_host.decode("ascii").encode("idna")
    except (ValueError, httpx2.InvalidURL):
        port, host = None, None
        parts = urlsplit("")
    unclear = parts.query or parts.fragment or parts.username or not address.isprintable()
    if parts.scheme not in ("http", "https") or not host or port == 0 or unclear:
        raise UsageError(f"{shown(address)} is not the address of a server", hint=NOT_THE_API)
    return host


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _wait(asked: str | None, attempt: int) -> float:
    """Seconds to wait for a busy server: what it asks for, or else longer each time."""
    seconds = float(asked) if asked is not None and asked.isdecimal() else 0.5 * 2.0**attempt
    return min(seconds, LONGEST_WAIT)


def _refusal(address: str, status: int, headers: Any, content: bytes) -> EndpointError:
    target = headers.get("location")
    if 300 <= status < 400 and target:
        return EndpointError(
            f"{address} answers with status {status}: it has moved to {shown(target, 300)}",
            hint="give the address of the server that you mean, for example with https",
            status=status,
        )
    said = _message_in(content)
    problem = f"{address} answers with status {status}" + (f": {said}" if said else "")
    hint = {
        401: f"set {KEY_VARIABLE} to the key of this server",
        403: f"set {KEY_VARIABLE} to the key of this server",
        404: NOT_THE_API,
    }.get(status)
    if status == 404 and "model" in said.lower():
        hint = "name a model that the server has with --model"
    if hint is None and status in BUSY:
        hint = "try again when the server has less to do"
    if hint is None:
        hint = "check the server's output"
    return EndpointError(problem, hint=hint, status=status)


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise invalid_unicode(error) from None


def _json_in(content: bytes) -> Any:
    """JSON data. Keys may come twice: two likely tokens may have one text.

    Raises:
        ValueError: it is not valid.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _message_in(content: bytes) -> str:
    """What the server says about a refusal, in the forms that are in use."""
    text = content[:2000].decode("utf-8", "replace").strip()
    try:
        found = _json_in(content)
    except ValueError:
        return shown(text) if text else ""
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and name in found:
            found = found[name]
    return shown(found, 300) if found else ""


def _dicts(values: Any) -> list[dict[str, Any]]:
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []
