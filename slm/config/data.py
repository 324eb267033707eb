"""The source of the text, and its conversion to token ids."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from slm.config.group import PathText, Positive, SettingsGroup

DEFAULT_SOURCE = "roneneldan/TinyStories"


class DataConfig(SettingsGroup):
    """The source of the text, and its conversion to token ids."""

    source: PathText = DEFAULT_SOURCE
    """`builtin`, `builtin:easy`, a Hugging Face dataset, a file, or a folder of files."""
    tokenizer: PathText = "gpt2-8k"
    """gpt2-8k, gpt2, bpe:SIZE, bytes, chars, or a saved tokenizer's path."""
    data_dir: PathText = "data"
    """The prepared data directory."""
    limit: Positive | None = None
    """Maximum number of training stories; none: all (builtin: 20,000)."""
    validation_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05
    """Fraction of the stories held out if the source has no validation split."""
    corpus_seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    """Determines the stories that are held out, and the text of the built-in corpus."""
