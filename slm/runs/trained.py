"""What is done with a model besides training it: evaluate it, load weights, tell stories."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from slm.checkpoint import open_checkpoint
from slm.config import TrainingConfig
from slm.data.loader import DataLoader
from slm.evals.windows import validation_loss
from slm.generation import GenerationOptions, Generator
from slm.model import GPT
from slm.parallel.collectives import in_step, is_sharded, sum_over_processes
from slm.parallel.fsdp import CollectiveDecoder, place_model
from slm.reporting.model_file import load_model_file, load_weights
from slm.runs.stop import Item
from slm.runtime import (
    Process,
    autocast,
    device_of_process,
    keep_freed_memory,
    resolve_device,
    resolve_dtype,
    set_threads,
)
from slm.tokenizer.base import Tokenizer
from slm.training.compiling import eagerly


class TrainedModel:
    """A model with the data, and so the tokenizer, that it is trained on.

    Args:
        model: the model; it is moved to the device that the settings name, or this process's share
            of it.
        data_loader: gives the batches, from now on to that device.
        config: device, number format, threads, and what an evaluation looks at.
        process: this process among those that train together.
    """

    def __init__(
        self, model: GPT, data_loader: DataLoader, config: TrainingConfig, process: Process
    ) -> None:
        self.config = config
        self.process = process
        self.threads = set_threads(config.threads)
        self.device = device_of_process(resolve_device(config.device), process)
        self.dtype = resolve_dtype(config.dtype, self.device)
        if self.device == "cpu":
            keep_freed_memory()
        self.model = place_model(
            model, self.device, sharding=config.sharding, dtype=self.dtype, process=process
        )
        self.is_sharded = is_sharded(self.model.head_weight)
        self.data_loader = data_loader
        data_loader.device = self.device
        self._tokenizer: Tokenizer | None = None

    def note(self, text: str) -> None:
        """Say what a user should know."""

    def until_stopped(self, items: Iterable[Item]) -> Iterable[Item]:
        """Pass items of long work on; a trainer looks for signals between them."""
        return items

    def evaluate(self, split: str = "validation") -> tuple[float, int]:
        """Mean loss in nats a token over the fixed windows of a split, and how many tokens."""
        batches = self.data_loader.validation_batches(self.config.eval_tokens, split)
        if self.is_sharded:
            batches = in_step(batches, self.process, self.device)
        with eagerly():
            loss, tokens = validation_loss(
                self.model,
                self.until_stopped(batches),
                autocast(self.device, self.dtype),
                eot_id=self.eot_id,
            )
        nats = loss * tokens if tokens else 0.0
        nats, n_scored = sum_over_processes([nats, float(tokens)], self.process, self.device)
        return nats / n_scored, int(n_scored)

    @property
    def eot_id(self) -> int | None:
        """The end-of-text token, where a token sees its own story only; None: its whole window."""
        if self.config.attend_within == "window":
            return None
        return self.data_loader.meta.tokenizer.eot_id

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the loaded model file, or else of the data."""
        return self.data_loader.tokenizer if self._tokenizer is None else self._tokenizer

    @property
    def generator(self) -> Generator:
        """Continues texts with the model as it is now.

        With a sharded model all processes must write the same texts, with the same seed.
        """
        decoder = CollectiveDecoder(self.model, self.dtype) if self.is_sharded else None
        return Generator(self.model, self.tokenizer, dtype=self.dtype, decoder=decoder)

    def load_best_model(self, path: str | Path) -> None:
        """Take the weights from a model file (`best_model.pt`) or a checkpoint directory.

        Raises:
            UsageError: nothing is there.
            CheckpointError: it is damaged, or its shape is not this model's.
        """
        path = Path(path)
        if path.is_dir():
            checkpoint = open_checkpoint(path, warn=self.note)
            weights, config = dict(checkpoint.model_state), checkpoint.config.model
            load_weights(self.model, weights, where=path, config=config)
            self._tokenizer = checkpoint.tokenizer
        else:
            loaded = load_model_file(path)
            load_weights(self.model, loaded.weights, where=path, config=loaded.config)
            self._tokenizer = loaded.tokenizer

    def generate_text(
        self,
        prompt: str,
        max_new_tokens: int = 100,
        temperature: float = 0.7,
        top_k: int | None = 50,
        *,
        seed: int | None = None,
    ) -> str:
        """The prompt and its continuation, up to `max_new_tokens` tokens or the story's end.

        Raises:
            ConfigError: a sampling setting is out of its range.
        """
        options = GenerationOptions(
            max_new_tokens=max_new_tokens, temperature=temperature, top_k=top_k, seed=seed
        )
        return prompt + self.continue_text(prompt, options)

    def continue_text(self, prompt: str, options: GenerationOptions) -> str:
        """The continuation alone."""
        with eagerly(), contextlib.closing(self.generator.stream(prompt, options)) as stream:
            return "".join(event.text for event in self.until_stopped(stream))
