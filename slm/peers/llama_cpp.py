"""llama.cpp by the wheel `xllamacpp`: its server, called in this process, without HTTP.

The wheel is built for any processor with AVX2; a llama.cpp built at home may be faster.
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

from slm.interop.gguf import GGUF_STORAGES, write_gguf
from slm.model import GPT
from slm.peers.contenders import Figures, Task


def measure(task: Task, kind: str) -> Figures:
    """See `Contender.measure`; the time of one text is llama.cpp's own count."""
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
    """llama.cpp's server for so many texts at once, of so many positions each."""
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel = streams
    params.n_ctx = streams * positions
    params.cpuparams.n_threads = torch.get_num_threads()
    params.cpuparams_batch.n_threads = torch.get_num_threads()
    params.verbosity = -1
    return xllamacpp.Server(params)


def _speed(task: Task, path: Path, streams: int) -> float:
    """Tokens a second of so many texts together."""
    server = open_server(path, streams=streams, positions=task.model.block_size)
    body = {
        "prompt": list(range(1, task.prompt_tokens + 1)),
        "max_tokens": task.new_tokens - 1,  # it stops where the context is full
        "ignore_eos": True,
        "temperature": task.temperature,
        "top_k": task.top_k,
        "cache_prompt": False,
    }
    server.handle_completions(body)  # so that its memory has been used once
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
