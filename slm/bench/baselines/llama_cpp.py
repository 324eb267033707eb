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
from slm.config import DataConfig, RunConfig, TrainingConfig
from slm.interop.gguf import GGUFDtype, write
from slm.interop.source import ExportSource
from slm.log import silent
from slm.model import GPT
from slm.native.engine import arrays_of
from slm.tokenizer.byte_level import BytesTokenizer
from slm.train_state import TrainState

DTYPES: dict[str, GGUFDtype] = {"f32": "float32", "f16": "float16", "q8_0": "q8_0"}
"""llama.cpp's names of the formats to ours."""


def measure(task: GenerationTask, kind: str) -> Figures:
    """See `Baseline.measure`; the time of a single sequence is the one that llama.cpp reports."""
    dtype: GGUFDtype = DTYPES[kind]
    torch.manual_seed(0)
    model = GPT(task.model)
    source = ExportSource(
        path=Path("bench"),
        settings=RunConfig(task.model, TrainingConfig(), DataConfig(), {}),
        tokenizer=BytesTokenizer(),
        state=TrainState(),
        weights=lambda: arrays_of(model),
    )
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "model.gguf")
        write(source, path, dtype=dtype, log=silent)
        return {
            "one": _speed(task, path, 1),
            "together": _speed(task, path, task.streams),
        }


def open_server(path: Path, *, streams: int, positions: int, **settings: Any) -> Any:
    """llama.cpp's server for `streams` sequences at once, of `positions` positions each.

    Other settings are those of its `CommonParams`.
    """
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel = streams
    params.n_ctx = streams * positions
    params.cpuparams.n_threads = torch.get_num_threads()
    params.cpuparams_batch.n_threads = torch.get_num_threads()
    params.verbosity = -1
    for name, value in settings.items():
        setattr(params, name, value)
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
