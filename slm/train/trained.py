"""What can be done with the model of a trainer: load weights into it, and let it tell stories."""

from __future__ import annotations

from pathlib import Path

from slm.checkpoint import open_checkpoint
from slm.data.loader import DataLoader
from slm.generate import GenerationOptions, Generator
from slm.model import GPT
from slm.tokenizer.base import Tokenizer
from slm.train.best_model_file import load_model_file, load_weights
from slm.train.compiling import eagerly


class TrainedModel:
    """A model with the data, and so the tokenizer, that it is trained on.

    Args:
        model: on its device.
        data_loader: of its data.
        dtype: number format of the products.
    """

    def __init__(self, model: GPT, data_loader: DataLoader, dtype: str) -> None:
        self.model = model
        self.data_loader = data_loader
        self.dtype = dtype
        self._tokenizer: Tokenizer | None = None

    def note(self, text: str) -> None:
        """Say what a user should know."""

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the loaded model file, or else of the data."""
        return self.data_loader.tokenizer if self._tokenizer is None else self._tokenizer

    @property
    def generator(self) -> Generator:
        """Continues texts with the model as it is now."""
        return Generator(self.model, self.tokenizer, dtype=self.dtype)

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
        with eagerly():
            return prompt + self.generator.complete([prompt], options)[0].text
