"""`slm import`: a model of another project as a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slm.cli.no_effect import note
from slm.cli.options import Json
from slm.cli.output import print_json
from slm.errors import UsageError, command_line
from slm.reporting.display import say


def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="hf:owner/name, a transformers folder, a .gguf file, llama2.c's model.bin, or "
            "nanoGPT's ckpt.pt.",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The checkpoint to write.")],
    tokenizer: Annotated[
        str | None,
        typer.Option(
            "--tokenizer",
            metavar="TOK",
            help="Use this instead of the model's tokenizer: a tokenizer.json, tokenizer.bin or "
            "meta.pkl, or gpt2.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Convert a model of another program to a checkpoint.

    Every command accepts it: generate, eval, inspect, serve, export, info. Architectures: GPT-2,
    GPT-Neo, Llama and Qwen3.
    """
    from slm.interop.importing import import_model, write_checkpoint
    from slm.model.costs import model_costs
    from slm.quantities import parameters

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists already", hint="name a folder that does not exist")
    model = import_model(source, tokenizer=tokenizer, log=note)
    write_checkpoint(model, out)
    for text in model.notes:
        note(text)
    n_parameters = model_costs(model.config).parameters
    if as_json:
        print_json(
            {
                "out": str(out),
                "source": model.name,
                "parameters": n_parameters,
                "vocabulary": model.tokenizer.vocab_size,
                "block_size": model.config.block_size,
            }
        )
        return
    print(f"{out}  ({model.name}, {parameters(n_parameters)})")
    command = command_line("slm", "generate", "--checkpoint", out, "Once upon a time")
    say(f"try it with: {command}")
