"""The programs that `slm bench generate` measures: ours, llama.cpp and transformers."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, cast

from slm.config import GPTConfig
from slm.errors import ConfigError, install_command
from slm.interop.architectures import architecture_of

Figures = dict[str, float]
"""`one` and `together`: tokens per second of one sequence and of `GenerationTask.streams`
sequences; more keys where a program has them."""


@dataclass(frozen=True)
class GenerationTask:
    """What each program does: generate from random weights up to the end of the context."""

    model: GPTConfig
    streams: int = 64
    """Sequences that run together."""
    prompt_tokens: int = 8
    temperature: float = 0.8
    top_k: int = 50

    @property
    def new_tokens(self) -> int:
        """Length of each sequence after its prompt."""
        return max(1, self.model.block_size - self.prompt_tokens)

    def to_json(self) -> dict[str, Any]:
        """The task as JSON data; see `from_json`."""
        return {**asdict(self), "model": self.model.model_dump()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> GenerationTask:
        """The task from the data that `to_json` returned."""
        return cls(**{**data, "model": GPTConfig(**data["model"])})


@dataclass(frozen=True)
class Baseline:
    """A program that generates, with one storage format of its weights."""

    program: str
    format: str
    """The program's own name for the format."""
    bits: int
    """Per weight: only formats of equal size are compared."""
    module: str
    """In this package, with a function `measure(task, format) -> Figures`."""
    packages: tuple[str, ...] = ()
    """What must be installed."""

    @property
    def name(self) -> str:
        """The name in tables."""
        return f"{self.program} {self.format}"

    def obstacle(self, config: GPTConfig) -> str | None:
        """Why it cannot be measured here, or None."""
        if any(importlib.util.find_spec(name) is None for name in self.packages):
            return f"not installed; install it with: {install_command('peers', *self.packages)}"
        try:
            architecture_of(config, self.program)
        except ConfigError:
            return "is measured with models of its architectures only" if self.packages else None
        if self.program == "transformers" and config.norm != "rmsnorm":
            return "is measured with models of the modern family only"
        return None

    def measure(self, task: GenerationTask) -> Figures:
        """Run the task in this process and return its figures."""
        measure = cast(
            Callable[[GenerationTask, str], Figures],
            importlib.import_module(f"slm.bench.baselines.{self.module}").measure,
        )
        return measure(task, self.format)


OURS = "slm"

BASELINES = (
    Baseline(OURS, "float32", 32, "ours"),
    Baseline(OURS, "bfloat16", 16, "ours"),
    Baseline(OURS, "int8", 8, "ours"),
    Baseline("llama.cpp", "f32", 32, "llama_cpp", ("xllamacpp", "gguf")),
    Baseline("llama.cpp", "f16", 16, "llama_cpp", ("xllamacpp", "gguf")),
    Baseline("llama.cpp", "q8_0", 8, "llama_cpp", ("xllamacpp", "gguf")),
    Baseline("transformers", "float32", 32, "hugging_face", ("transformers",)),
)
