"""Notebooks: the tour runs, progress is live, and interrupts leave the kernel alive."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

from tests.conftest import tell_stories

TOUR = Path(__file__).parents[2] / "examples" / "notebooks" / "first_steps.ipynb"
SECONDS = 300
TRAIN = """
import slm
quick = dict(preset="tiny", eval_tokens=64, sample_prompts=[], device="cpu", threads=1)
quick["checkpoint_interval"] = 1_000_000  # only an interrupt saves
run = slm.train("stories.txt", tokenizer="bytes", out="runs/a", steps={steps}, **quick)
"""
SLOW_SAVE = """
import time
from slm.runs.checkpointer import Checkpointer
save = Checkpointer.save
Checkpointer.save = lambda self, state: (print("saving", flush=True), time.sleep(600))
"""


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def kinds(found: list[Any]) -> set[str]:
    return {kind for output in found for kind in output.get("data", {})}


@pytest.mark.slow
def test_the_tour_runs(tmp_path: Path) -> None:
    """With fewer steps than in the stored output."""
    notebook = nbformat.read(TOUR, as_version=4)
    nbformat.validate(notebook)
    stored = outputs(notebook)
    for cell in notebook.cells:
        for many, few in (
            ("steps=150", "steps=20"),
            ("limit=2000", "limit=300"),
            ("eval_interval=50", "eval_interval=10, eval_tokens=512, threads=1"),
            ("n_layer=3", "n_layer=3, n_head=2, n_embd=32, block_size=64"),
        ):
            cell.source = cell.source.replace(many, few)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=SECONDS, resources=resources).execute()
    assert (tmp_path / "runs" / "first" / "best").is_dir()
    assert {"image/png", "text/html"} <= kinds(outputs(notebook))
    # What is stored is what such a run gives.
    assert kinds(stored) == kinds(outputs(notebook))
    assert not [output for output in stored if output.output_type == "error"]


class Kernel:
    """A kernel that runs code and can be interrupted."""

    def __init__(self, folder: Path) -> None:
        self.manager: Any = KernelManager()
        self.manager.start_kernel(cwd=str(folder))
        self.client: Any = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=SECONDS)

    def run(
        self, code: str, on_message: Callable[[str, str], None] = lambda kind, text: None
    ) -> Any:
        """Run code and return the reply; `on_message` is called with each output meanwhile."""
        sent = self.client.execute(code)
        while True:
            message = self.client.get_iopub_msg(timeout=SECONDS)
            if message["parent_header"].get("msg_id") != sent:
                continue
            content, kind = message["content"], message["msg_type"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            text = content.get("text") or str(content.get("data", ""))
            on_message(kind, text)
        while True:
            reply = self.client.get_shell_msg(timeout=SECONDS)
            if reply["parent_header"].get("msg_id") == sent:
                return reply["content"]

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    (tmp_path / "stories.txt").write_text(tell_stories(300, seed=0), encoding="utf-8")
    kernel = Kernel(tmp_path)
    yield kernel
    kernel.close()


class Interrupting:
    """Interrupts a kernel at the n-th output of a kind that holds a word."""

    def __init__(self, kernel: Kernel, kind: str, word: str, n: int = 1) -> None:
        self.kernel, self.kind, self.word, self.n = kernel, kind, word, n

    def __call__(self, kind: str, text: str) -> None:
        if kind == self.kind and self.word in text:
            self.n -= 1
            if self.n == 0:
                self.kernel.manager.interrupt_kernel()


needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for kernels")


@needs_signals
@pytest.mark.slow
def test_an_interrupt_saves_and_the_kernel_stays(kernel: Kernel) -> None:
    stop = Interrupting(kernel, "update_display_data", "step", n=3)  # the live bar
    reply = kernel.run(TRAIN.format(steps=1_000_000), stop)
    assert (reply["status"], reply["ename"]) == ("error", "KeyboardInterrupt")
    assert reply["evalue"].startswith("stopped at step ")
    assert reply["evalue"].endswith("slm.train(out='runs/a', resume=True) continues")
    resumed = "slm.train(out='runs/a', resume=True, steps=1).result.first_step"
    step = int(reply["evalue"].split()[3].rstrip(","))
    assert step >= 1
    found: list[str] = []
    reply = kernel.run(resumed, lambda kind, text: found.append(text))
    assert reply["status"] == "ok", reply
    assert f"{{'text/plain': '{step}'}}" in found


@needs_signals
@pytest.mark.slow
def test_a_second_interrupt_ends_at_once_and_the_kernel_stays(kernel: Kernel) -> None:
    first = Interrupting(kernel, "update_display_data", "step")
    second = Interrupting(kernel, "stream", "saving")

    def stop(kind: str, text: str) -> None:
        first(kind, text)
        second(kind, text)

    reply = kernel.run(SLOW_SAVE + TRAIN.format(steps=1_000_000), stop)
    assert second.n == 0
    assert (reply["status"], reply["ename"], reply["evalue"]) == ("error", "KeyboardInterrupt", "")
    found: list[str] = []
    again = "Checkpointer.save = save\n" + TRAIN.format(steps=3).replace("runs/a", "runs/b") + "run"
    reply = kernel.run(again, lambda kind, text: found.append(text))
    assert reply["status"] == "ok", reply
    assert any("<Run runs/b: step 3" in text for text in found)
