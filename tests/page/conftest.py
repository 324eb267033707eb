"""A Chromium, small models that write words, and pages that must not log errors."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.model import GPT
from slm.tokenizer.byte_level import ALL_BYTES
from slm.tokenizer.table import TokenTable

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WORDS = (
    *("One", "day", "a", "fox", "the", "dog", "bird", "tree", "house", "red", "old", "was"),
    *("saw", "went", "and", "then", "came", "home", "slept", "happy", "small", "big", "sat"),
    *("by", "in", "under", "hill", "river", "song", "moon", ".", ",", "!"),
)
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}


class Words(TokenTable):
    """A tokenizer of all bytes and a few words, which matches greedily."""

    def __init__(self) -> None:
        words = [word.encode() if word in ".,!" else f" {word}".encode() for word in WORDS]
        super().__init__("test-words", [*ALL_BYTES, *words, b""], len(ALL_BYTES) + len(words))
        self._ids = {word: number for number, word in enumerate(self._bytes_of[:-1])}

    def encode(self, text: str) -> list[int]:
        content, ids = text.encode("utf-8"), []
        while content:
            size = next(n for n in range(min(8, len(content)), 0, -1) if content[:n] in self._ids)
            ids.append(self._ids[content[:size]])
            content = content[size:]
        return ids

    def encode_batch(self, texts: Any) -> Any:
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        return {"kind": "test"}


def writer(tiny_model: Callable[..., GPT], seed: int) -> GPT:
    """A random model that writes words and never generates the end-of-text token."""
    tokenizer = Words()
    model = tiny_model(
        "modern",
        seed=seed,
        spread=6.0,
        vocab_size=tokenizer.vocab_size,
        block_size=128,
        tie_embeddings=False,
    ).eval()
    with torch.no_grad():
        model.lm_head.weight *= 4.0
        model.lm_head.weight[:256] = 0.0
        model.lm_head.weight[tokenizer.eot_id] = 0.0
    return model


@pytest.fixture(scope="session")
def models(tiny_model: Callable[..., GPT]) -> dict[str, Any]:
    from slm.server.insight_routes import InspectedModel

    tokenizer = Words()
    return {
        name: InspectedModel(writer(tiny_model, seed), tokenizer)
        for seed, name in enumerate(("first", "second"))
    }


# The browser and the servers are not session-scoped: event loops run while they exist, and other
# tests have their own, or move the clock.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = os.environ.get("SLM_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with playwright.sync_playwright() as driver:
        if path is None and not Path(driver.chromium.executable_path).exists():
            pytest.skip(f"no browser: neither Playwright's own nor {', '.join(BROWSERS)}")
        browser = driver.chromium.launch(
            executable_path=path, args=[*QUIET, *(["--no-sandbox"] if is_root else [])]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "a-run"


@pytest.fixture(scope="module")
def address(models: dict[str, Any], run_folder: Path) -> Iterator[str]:
    from tests.page.serving import serving

    with serving(models, run_folder) as url:
        yield url


@pytest.fixture(scope="module")
def slow_address(models: dict[str, Any]) -> Iterator[str]:
    """A server that is slow to generate each token."""
    from tests.page.serving import serving

    with serving(models, pause=0.03) as url:
        yield url


@pytest.fixture(scope="module")
def locked_address(models: dict[str, Any]) -> Iterator[str]:
    """A server that requires an API key."""
    from tests.page.serving import serving

    with serving(models, api_key="ouvre-toi, sésame") as url:
        yield url


@pytest.fixture
def open_page(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """`open_page(at="#inside", url=..., expect=..., **context)`.

    A page may not log errors, fail requests, or contact any host but its server; `expect` lists
    parts of messages that a test causes on purpose.
    """
    contexts, problems, expected = [], [], []

    def make(
        at: str = "",
        *,
        url: str = address,
        expect: tuple[str, ...] = (),
        before: Callable[[Any], None] | None = None,
        **context: Any,
    ) -> Any:
        expected.extend(expect)
        opened = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce", **context})
        opened.set_default_timeout(60_000)
        contexts.append(opened)
        page = opened.new_page()
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("console", lambda line: note(line.type, line.text))
        page.on("requestfailed", lambda request: failed(request.url, request.failure))
        page.on("request", lambda request: check_host(request.url, url))
        if before is not None:
            before(page)
        page.goto(f"{url}/{at}")
        page.wait_for_selector("body[data-ready]")
        return page

    def note(kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            problems.append(f"{kind}: {text}")

    def failed(url: str, reason: str) -> None:
        # Chromium sometimes reports a stream as aborted although it was read to the end.
        if not (url.endswith("/v1/completions") and "ERR_ABORTED" in reason):
            problems.append(f"{url}: {reason}")

    def check_host(requested: str, url: str) -> None:
        if not requested.startswith((f"{url}/", "blob:")):
            problems.append(f"requested {requested}")

    yield make
    for context in contexts:
        context.close()
    assert [text for text in problems if not any(part in text for part in expected)] == []
