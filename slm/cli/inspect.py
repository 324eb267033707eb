"""`slm inspect`: surprisal, attention, layer predictions and next tokens of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from slm.api.language_model import LanguageModel
from slm.api.loading import load
from slm.cli.no_effect import note_idle, refuse_idle
from slm.cli.options import Checkpoint, Device, Json, generation_options, typed_text
from slm.cli.output import print_json
from slm.errors import DataError, UsageError, did_you_mean

if TYPE_CHECKING:
    from rich.console import RenderableType

SAMPLING = ("temperature", "top_k", "top_p", "min_p")
VIEWS = ("tokens", "lens", "attention", "next")
LIKE_GENERATE = "For --what next: same as in `slm generate`."


def inspect(
    context: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text to inspect.")],
    checkpoint: Checkpoint = None,
    what: Annotated[
        str,
        typer.Option(
            "--what",
            metavar="VIEW",
            help="tokens: the surprisal of each token; lens: the prediction after each layer; "
            "attention: the weights of each head; next: the next token.",
        ),
    ] = "tokens",
    top: Annotated[
        int, typer.Option("--top", metavar="N", help="Candidates shown at each position.")
    ] = 5,
    layer: Annotated[
        int | None,
        typer.Option(
            "--layer", metavar="L", help="Show attention of this layer only, counted from 1.  [all]"
        ),
    ] = None,
    temperature: Annotated[
        float, typer.Option("--temperature", metavar="T", help=LIKE_GENERATE)
    ] = 0.8,
    top_k: Annotated[int, typer.Option("--top-k", metavar="K", help=LIKE_GENERATE)] = 50,
    top_p: Annotated[float, typer.Option("--top-p", metavar="P", help=LIKE_GENERATE)] = 1.0,
    min_p: Annotated[float, typer.Option("--min-p", metavar="P", help=LIKE_GENERATE)] = 0.0,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Show what a model computes for a text.

    With `--json`, print all numbers: the result of the functions of `slm.insight`.
    """
    if what not in VIEWS:
        raise UsageError(
            f"unknown --what {what!r}",
            hint=did_you_mean(what, VIEWS) or f"use {', '.join(VIEWS)}",
        )
    if what != "attention":
        refuse_idle(context, ["layer"], "it is for --what attention")
    else:
        refuse_idle(context, ["top"], "--what attention shows no candidates")
    if what != "next":
        refuse_idle(context, SAMPLING, "it is for --what next")
    if temperature == 0:
        note_idle(context, SAMPLING[1:], "temperature 0 is greedy decoding")
    if not 1 <= top <= 1000:
        raise UsageError(f"--top must be between 1 and 1,000, found {top}")
    options = generation_options(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    text = typed_text(text)
    # Before PyTorch is imported, so that a model that is not there is reported at once.
    lm = load(checkpoint, device=device or "auto")
    from slm import insight
    from slm.cli import inspect_tables

    model, tokenizer = lm.model, lm.tokenizer
    if what == "tokens":
        scored = insight.score_text(model, tokenizer, text, top=top)
        _show(lm, as_json, scored, lambda: inspect_tables.tokens(scored))
    elif what == "lens":
        lens = insight.logit_lens(model, tokenizer, text, top=top)
        _show(lm, as_json, lens, lambda: inspect_tables.lens(lens))
    elif what == "attention":
        n_layer = model.config.n_layer
        if layer is not None and not 1 <= layer <= n_layer:
            raise DataError(f"there is no layer {layer}", hint=f"layers are 1 to {n_layer}")
        layers = None if layer is None else [layer - 1]
        patterns = insight.attention_patterns(model, tokenizer, text, layers=layers)
        _show(lm, as_json, patterns, lambda: inspect_tables.attention(patterns))
    else:
        found = insight.next_token(model, tokenizer, text, options, top=top)
        _show(lm, as_json, found, lambda: inspect_tables.next_token(found))


def _show(lm: LanguageModel, as_json: bool, result: Any, table: Any) -> None:
    """Print a result as JSON or, the table that `table()` makes of it."""
    if as_json:
        from slm.insight import as_json as plain

        print_json({"checkpoint": str(lm.path), **plain(result)})
        return
    from rich.console import Console

    rendered: RenderableType = table()
    Console(highlight=False).print(rendered)
