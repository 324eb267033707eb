"""llama.cpp through the wheel `xllamacpp`: its server, called in this process without HTTP.

The wheel is built for any processor with AVX2; a llama.cpp compiled on this machine may be faster.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import xllamacpp

from slm.bench.baselines.registry import Figures, GenerationTask
from slm.interop.gguf import GGUF_STORAGES, write_gguf
from slm.model import GPT


def measure(task: GenerationTask, kind: str) -> Figures:
    """See `Baseline.measure`; the time of a single sequence is the one that llama.cpp reports."""
    storage = next(name for name in GGUF_STORAGES if name == kind)
    torch.manual_seed(0)
    tokens = [f"w{number}" for number in range(task.model.vocab_size)]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "model.gguf")
        write_gguf(path, task.model, GPT(task.model).state_dict(), tokens, storage=storage)
        return {
            "one": _speed(task, path, 1),
            "together": _speed(task, path, task.streams),
        }


def open_server(path: Path, *, streams: int, positions: int) -> Any:
    """llama.cpp's server for `streams` sequences at once, of `positions` positions each."""
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel = streams
    params.n_ctx = streams * positions
    params.cpuparams.n_threads = torch.get_num_threads()
    params.cpuparams_batch.n_threads = torch.get_num_threads()
    params.verbosity = -1
    return xllamacpp.Server(params)


def _speed(task: GenerationTask, path: Path, streams: int) -> float:
    """Tokens per second of `streams` sequences together."""
    server = open_server(path, streams=streams, positions=task.model.block_size)
    body = {
        "prompt": list(range(1, task.prompt_tokens + 1)),
        "max_tokens": task.new_tokens - 1,  # it stops where the context is full
        "ignore_eos": True,
        "temperature": task.temperature,
        "top_k": task.top_k,
        "cache_prompt": False,
    }
    server.handle_completions(body)  # touches its memory once
    answers: list[Mapping[str, Any]] = []
    askers = [
        threading.Thread(target=lambda: answers.append(server.handle_completions(body)))
        for _ in range(streams)
    ]
    started_at = time.perf_counter()
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    seconds = time.perf_counter() - started_at
    if streams == 1 and "timings" in answers[0]:
        return float(answers[0]["timings"]["predicted_per_second"])
    tokens: int = sum(answer["usage"]["completion_tokens"] for answer in answers)
    return tokens / seconds
