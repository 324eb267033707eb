"""The model of a run as it is now: evaluated, and used to continue prompts, while it is trained.

All processes of a run make the same calls, and their results are the same.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch
from torch import Tensor

from slm.checkpoint import open_checkpoint
from slm.config import TrainingConfig
from slm.data.loader import DataLoader
from slm.generation import GenerationOptions, Generator
from slm.generation.torch_engine import TorchEngine
from slm.hardware.devices import autocast
from slm.interop.model_file import load_model_file, load_weights
from slm.log import Log
from slm.model import GPT, KVCache
from slm.model.dropout import evaluating
from slm.parallel.collectives import in_step, is_sharded, sum_over_processes
from slm.parallel.processes import Process
from slm.tokenizer.base import Tokenizer
from slm.training.compiling import eagerly
from slm.training.evaluate import validation_loss
from slm.training.trainer import NeverStop, Stop


class CurrentModel:
    """Evaluates the model of a run and continues prompts with it.

    Args:
        model: on its device.
        data_loader: provides the text to score, and the tokenizer.
        config: the training settings.
        device: of the model.
        dtype: of matrix multiplications.
        process: this process.

    Attributes:
        is_sharded: whether each process has only a share of the weights.
        stop: ends the work between two batches or tokens; set by a run.
        loaded_tokenizer: of loaded weights; None: that of the data.
    """

    def __init__(
        self,
        model: GPT,
        data_loader: DataLoader,
        config: TrainingConfig,
        *,
        device: str,
        dtype: str,
        process: Process,
    ) -> None:
        self.is_sharded = is_sharded(model.head_weight)
        self.stop: Stop = NeverStop()
        self.loaded_tokenizer: Tokenizer | None = None
        self._model = model
        self._data_loader = data_loader
        self._config = config
        self._device = device
        self._dtype = dtype
        self._process = process

    def evaluate(self, split: str = "validation") -> tuple[float, int]:
        """Mean loss in nats per token over the fixed windows of a split, and the scored tokens."""
        batches = self._data_loader.validation_batches(self._config.eval_tokens, split)
        if self.is_sharded:
            batches = in_step(batches, self._process, self._device)
        with eagerly():
            loss, tokens = validation_loss(
                self._model,
                self.stop.watch(batches),
                autocast(self._device, self._dtype),
                eot_id=self.eot_id,
            )
        nats = loss * tokens if tokens else 0.0
        nats, n_scored = sum_over_processes([nats, float(tokens)], self._process, self._device)
        return nats / n_scored, int(n_scored)

    @property
    def eot_id(self) -> int | None:
        """The end-of-text token for document masking; None: no masking."""
        if not self._config.document_masking:
            return None
        return self._data_loader.meta.tokenizer.eot_id

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the loaded weights, otherwise of the data."""
        loaded = self.loaded_tokenizer
        return self._data_loader.tokenizer if loaded is None else loaded

    @property
    def generator(self) -> Generator:
        """Continues prompts.

        With a sharded model all processes must generate the same texts, with the same seed.
        """
        engine = ShardedEngine if self.is_sharded else TorchEngine
        return Generator(engine(self._model, dtype=self._dtype), self.tokenizer)

    def continuation(self, prompt: str, options: GenerationOptions) -> str:
        """What follows a prompt, up to the end of the story."""
        with eagerly(), contextlib.closing(self.generator.stream(prompt, options)) as stream:
            return "".join(event.text for event in self.stop.watch(stream))

    def sample(self, prompt: str) -> str:
        """A continuation with the sampling settings of the run."""
        config = self._config
        options = GenerationOptions(max_new_tokens=config.sample_tokens, seed=config.seed)
        return self.continuation(prompt, options)

    def load(self, path: Path, *, log: Log) -> None:
        """Load the weights and the tokenizer of a model file or a checkpoint directory.

        Args:
            path: `best_model.pt`, or a directory.
            log: called with a sentence about damaged checkpoints that are passed over.

        Raises:
            UsageError: the path does not exist.
            CheckpointError: it is damaged, or has another model shape.
        """
        if path.is_dir():
            checkpoint = open_checkpoint(path, log=log)
            weights, config = dict(checkpoint.model_state), checkpoint.config.model
            load_weights(self._model, weights, where=path, config=config)
            self.loaded_tokenizer = checkpoint.tokenizer
        else:
            loaded = load_model_file(path)
            load_weights(self._model, loaded.weights, where=path, config=loaded.config)
            self.loaded_tokenizer = loaded.tokenizer


class ShardedEngine(TorchEngine):
    """Runs a sharded model: all processes make the same calls and get the same logits."""

    def _forward(self, idx: Tensor, cache: KVCache) -> Tensor:
        # Not inference_mode: the gathered weights could no longer be used for training.
        with evaluating(self.model), torch.no_grad(), autocast(idx.device.type, self.dtype):
            logits, _ = self.model(idx, cache=cache, last_only=True)
        assert isinstance(logits, Tensor)
        last = logits[:, -1].float().contiguous()
        torch.distributed.broadcast(last, src=0)
        return last
