"""Who generates: our own formats, llama.cpp, transformers; each is measured in its own process."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, cast

from slm.config import GPTConfig
from slm.errors import install_command
from slm.interop.gguf import has_gguf_form

Figures = dict[str, float]
"""`one` and `together`: tokens a second of one text and of `Task.streams`; others besides."""


@dataclass(frozen=True)
class Task:
    """What is measured: texts of random weights of a shape, up to the context's end."""

    model: GPTConfig
    streams: int = 64
    """Texts that run together."""
    prompt_tokens: int = 8
    temperature: float = 0.8
    top_k: int = 50

    @property
    def new_tokens(self) -> int:
        """Length of each text after its prompt."""
        return max(1, self.model.block_size - self.prompt_tokens)

    def to_json(self) -> dict[str, Any]:
        """See `from_json`."""
        return {**asdict(self), "model": self.model.model_dump()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Task:
        """What `to_json` made."""
        return cls(**{**data, "model": GPTConfig(**data["model"])})


@dataclass(frozen=True)
class Contender:
    """A program in one number format."""

    program: str
    format: str
    """The program's own word for how it stores weights."""
    bits: int
    """Of a weight: only those of equal size are compared."""
    module: str
    """Of this package, with a function `measure(task, format) -> Figures`."""
    packages: tuple[str, ...] = ()
    """What has to be installed."""

    @property
    def name(self) -> str:
        """As it stands in tables."""
        return f"{self.program} {self.format}"

    def obstacle(self, config: GPTConfig) -> str | None:
        """Why it cannot be measured here, or None."""
        if any(importlib.util.find_spec(name) is None for name in self.packages):
            return f"not installed; install it with: {install_command('peers', *self.packages)}"
        if self.packages and not has_gguf_form(config):
            return "is measured on models of the modern family only"
        return None

    def measure(self, task: Task) -> Figures:
        """Its figures, in this process."""
        measure = cast(
            Callable[[Task, str], Figures],
            importlib.import_module(f"slm.peers.{self.module}").measure,
        )
        return measure(task, self.format)


OURS = "slm"

CONTENDERS = (
    Contender(OURS, "float32", 32, "ours"),
    Contender(OURS, "bfloat16", 16, "ours"),
    Contender(OURS, "int8", 8, "ours"),
    Contender("llama.cpp", "f32", 32, "llama_cpp", ("xllamacpp", "gguf")),
    Contender("llama.cpp", "f16", 16, "llama_cpp", ("xllamacpp", "gguf")),
    Contender("llama.cpp", "q8_0", 8, "llama_cpp", ("xllamacpp", "gguf")),
    Contender("transformers", "float32", 32, "hugging_face", ("transformers",)),
)
