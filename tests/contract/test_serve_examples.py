"""The server and the clients of docs/how-to/serve.md run as they are, except for the port."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "serve.md").read_text("utf-8")
ADDRESS = "http://127.0.0.1:8000"


def block(language: str, word: str) -> str:
    """The only block of the page in this language that holds a word."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (found,) = [each for each in blocks if word in each]
    return found


@pytest.fixture(scope="module")
def address(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """That of a server which the page's first command has started."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(run_dir, folder / "runs" / "demo")
    (line,) = [x for x in block("sh", "pip install").splitlines() if x.startswith("slm ")]
    with subprocess.Popen(
        [sys.executable, "-m", *shlex.split(line), "--port", "0"],
        stdout=subprocess.PIPE,
        cwd=folder,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            assert process.wait(300) == 0


def test_the_example_with_openais_client(
    address: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    example = block("python", "openai")
    assert ADDRESS in example
    texts = []
    for _ in range(2):
        exec(compile(example.replace(ADDRESS, address), "serve.md", "exec"), {})
        texts.append(capsys.readouterr().out)
    assert texts[0]
    assert texts[0] == texts[1]  # it has a seed


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_example_with_curl(address: str) -> None:
    example = block("sh", "curl ")
    assert ADDRESS in example
    words = shlex.split(example.replace(ADDRESS, address).replace("\\\n", " "))
    answer = subprocess.run([*words, "--no-progress-meter"], capture_output=True, check=True)
    events = answer.stdout.decode("utf-8").split("\n\n")
    assert events[0].startswith('data: {"id":"cmpl-')
    assert events[-2:] == ["data: [DONE]", ""]
