"""Schemathesis makes thousands of requests from the description, good ones and bad ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence

import pytest

from slm.generation import TorchEngine
from tests.servers import PATIENCE_SECONDS, running

SOAK = bool(os.environ.get("SLM_SOAK"))
EXAMPLES = 500 if SOAK else 12


def fuzz(address: str, *options: str, key: str | None = None) -> None:
    """Run all of schemathesis's checks, none left out."""
    headers: Sequence[str] = () if key is None else ("--header", f"Authorization: Bearer {key}")
    outcome = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json"),
            *("--checks", "all", "--mode", "all", "--phases", "examples,coverage,fuzzing"),
            *("--max-examples", str(EXAMPLES), "--seed", "1", "--no-color", *headers, *options),
            *("--request-timeout", str(PATIENCE_SECONDS)),
        ],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONWARNINGS": "default"},
    )
    assert outcome.returncode == 0, outcome.stdout[-8000:] + outcome.stderr[-2000:]
    if SOAK:
        print(outcome.stdout)
    found = re.search(r"(\d[\d,]*) generated", outcome.stdout)
    assert found, outcome.stdout[-3000:]


@pytest.mark.parametrize("key", [None, "a-long-key"] if SOAK else ["a-long-key"])
def test_the_server_does_what_its_description_says(tiny_model, tmp_path, monkeypatch, key):
    monkeypatch.chdir(tmp_path)
    model = tiny_model("modern", vocab_size=257, block_size=4096, n_layer=1)
    settings = {"max_tokens": 4, "choices": 2, "prompts": 2, "queue": 64}
    with running(TorchEngine(model, 4), api_key=key, **settings) as server:
        fuzz(server.address, key=key)
        assert server.scheduler.counts.new_tokens > 0
        assert server.scheduler.busy_slots == 0
