"""The model card of an exported model, and the README.md of a Hugging Face folder."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from slm.checkpoint.builtin import BUILTIN
from slm.config import GPTConfig
from slm.config.run_paths import without_folders
from slm.data.hub import HUB_NAME
from slm.data.readers.kinds import is_readable
from slm.errors import ConfigError
from slm.generation.options import GenerationOptions
from slm.interop.gpt_neo import is_gpt_neo
from slm.interop.hub import is_hub_name
from slm.interop.source import ExportSource
from slm.model.costs import model_costs
from slm.model_card import UNKNOWN, ModelCard
from slm.tokenizer.imported import ImportedTokenizer
from slm.version import __version__

if TYPE_CHECKING:
    from slm.generation import Generator

SAMPLE_OPTIONS = GenerationOptions(max_new_tokens=120, temperature=0.7, seed=0)
"""Of the text in a card."""
_CARD = """\
---
library_name: transformers
pipeline_tag: text-generation
license: {license}
tags:
- slm
- small-language-model
{datasets}---

# {name}

A language model with {parameters} parameters, {origin} with slm {version}.

| | |
|---|---|
{rows}

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{place}")
model = AutoModelForCausalLM.from_pretrained("{place}")
ids = tokenizer("Once upon a time", return_tensors="pt")
print(tokenizer.decode(model.generate(**ids, max_new_tokens=100)[0], skip_special_tokens=True))
```
{sample}
{card}{beginning}
"""
_LIMITATIONS = (
    "The model writes text that resembles its training text. It knows nothing else, and it may "
    "repeat passages of that text."
)


def filled_card(source: ExportSource, entries: Mapping[str, str], license: str) -> ModelCard:
    """The card of a model: the given entries, and else those of its source.

    Args:
        source: the model.
        entries: by the names of `ModelCard`.
        license: of the weights; "unknown": that of the entries or the source.

    Raises:
        ConfigError: an entry is unknown or not a line of text.
    """
    card = source.card or ModelCard(name=source.name, limitations=_LIMITATIONS)
    given = dict(entries) if license == UNKNOWN else {**entries, "license": license}
    try:
        return ModelCard.of({**asdict(card), **given})
    except ValueError as error:
        raise ConfigError(f"the model card: {error}") from None


def readme(source: ExportSource, card: ModelCard, *, name: str, place: str, sample: str) -> str:
    """The text of a README.md with the card.

    Args:
        source: the model.
        card: see `filled_card`.
        name: of the model, for the title.
        place: what transformers is given: the folder, or `owner/name` on the hub.
        sample: a text that the model wrote; empty: none is shown.
    """
    config, state = source.config, source.state
    data_set, text = _training_text(source)
    rows = [
        ("architecture", _architecture(config)),
        ("layers, heads, width", f"{config.n_layer}, {config.n_head}, {config.n_embd}"),
        ("context length", f"{config.block_size} tokens"),
        ("vocabulary", f"{source.tokenizer.vocab_size:,} tokens ({source.tokenizer.name})"),
    ]
    if state.step:
        rows += [
            ("training text", card.data or text),
            ("training tokens", f"{state.tokens_seen:,} in {state.step:,} steps"),
        ]
    if state.time.elapsed_seconds:
        rows.append(("training time", f"{state.time.elapsed_seconds / 60:,.1f} minutes"))
    loss = state.best_validation_loss
    if loss is not None and math.isfinite(loss):
        rows.append(("validation loss", f"{loss:.4f} nats per token"))
    sentences = (card.summary, card.training, card.evaluation, card.limitations)
    return _CARD.format(
        license=card.license.lower(),
        datasets=f"datasets:\n- {data_set}\n" if data_set and state.step else "",
        name=name,
        place=place,
        parameters=f"{model_costs(config).parameters:,}",
        version=__version__,
        origin=_origin(source),
        beginning=""
        if isinstance(source.tokenizer, ImportedTokenizer)
        else " Texts begin with the end-of-text token, which the tokenizer adds.",
        card="\n\n".join(textwrap.fill(text, 100) for text in sentences if text),
        rows="\n".join(f"| {name} | {value} |" for name, value in rows),
        sample=f"\n## A sample\n\n{_quoted(sample)}\n" if sample else "",
    )


def _architecture(config: GPTConfig) -> str:
    if config.norm == "layernorm":
        return "GPT-Neo" if is_gpt_neo(config) else "GPT-2"
    return "Qwen3" if config.qk_norm else "Llama"


def _training_text(source: ExportSource) -> tuple[str | None, str]:
    """The data set on the hub, if it is one, and what to call the text; without folders."""
    name = without_folders(source.settings).data.source
    if HUB_NAME.fullmatch(name) and not is_readable(name.split("/")[1]):
        return name, name
    return None, name.rpartition("/")[2] or name


def _origin(source: ExportSource) -> str:
    """How the model came to be, in words."""
    if not source.state.step:
        return f"converted from {source.settings.data.source}"
    parent, teachers = source.settings.train.init_from, source.settings.train.teachers
    start = "trained from scratch" if parent is None else f"trained further from {_named(parent)}"
    if not teachers:
        return start
    return f"{start}, learning from the predictions of {' and '.join(map(_named, teachers))}"


def _named(model: str) -> str:
    """A model's public name; a folder is not shared."""
    return model if model == BUILTIN or is_hub_name(model) else "another model"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.strip().splitlines())


def sample_text(generator: Generator) -> str:
    """A text for a card, which the model begins by itself."""
    return generator.complete([""], SAMPLE_OPTIONS)[0].text
