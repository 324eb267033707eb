"""The model card of an exported model: the README.md of a Hugging Face folder."""

from __future__ import annotations

import math

from slm.interop.source import ExportSource
from slm.model.costs import model_costs
from slm.tokenizer.imported import ImportedTokenizer
from slm.version import __version__

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

tokenizer = AutoTokenizer.from_pretrained("{name}")
model = AutoModelForCausalLM.from_pretrained("{name}")
ids = tokenizer("Once upon a time", return_tensors="pt")
print(tokenizer.decode(model.generate(**ids, max_new_tokens=100)[0], skip_special_tokens=True))
```
{sample}
The model writes text that resembles its training text. It knows nothing else, and it may repeat
passages of that text.{beginning}
"""


def model_card(source: ExportSource, *, name: str, license: str, sample: str) -> str:
    """The text of the card.

    Args:
        source: the model.
        name: the folder, or `owner/name` on the hub.
        license: of the weights, as an identifier of the hub such as `mit`.
        sample: a text that the model wrote; empty: none is shown.
    """
    config, state, data = source.config, source.state, source.settings.data
    family = "GPT-2" if config.norm == "layernorm" else "Qwen3" if config.qk_norm else "Llama"
    rows = [
        ("architecture", family),
        ("layers, heads, width", f"{config.n_layer}, {config.n_head}, {config.n_embd}"),
        ("context length", f"{config.block_size} tokens"),
        ("vocabulary", f"{source.tokenizer.vocab_size:,} tokens ({source.tokenizer.name})"),
    ]
    if state.step:
        rows += [
            ("training text", data.source),
            ("training tokens", f"{state.tokens_seen:,} in {state.step:,} steps"),
        ]
    if state.time.elapsed_seconds:
        rows.append(("training time", f"{state.time.elapsed_seconds / 60:,.1f} minutes"))
    loss = state.best_validation_loss
    if loss is not None and math.isfinite(loss):
        rows.append(("validation loss", f"{loss:.4f} nats per token"))
    is_hub_name = (
        state.step > 0
        and data.source.count("/") == 1
        and not data.source.startswith((".", "/", "~"))
    )
    return _CARD.format(
        license=license,
        datasets=f"datasets:\n- {data.source}\n" if is_hub_name else "",
        name=name,
        parameters=f"{model_costs(config).parameters:,}",
        version=__version__,
        origin="trained from scratch" if state.step else f"converted from {data.source}",
        beginning=""
        if isinstance(source.tokenizer, ImportedTokenizer)
        else " Texts begin with the end-of-text token, which the tokenizer adds.",
        rows="\n".join(f"| {name} | {value} |" for name, value in rows),
        sample=f"\n## A sample\n\n{_quoted(sample)}\n" if sample else "",
    )


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.strip().splitlines())
