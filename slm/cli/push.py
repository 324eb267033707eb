"""`slm push`: a model to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slm.cli.export import read_source
from slm.cli.no_effect import note
from slm.cli.options import CHECKPOINT_HELP, Json
from slm.cli.output import print_json


def push(
    checkpoint: Annotated[
        Path,
        typer.Argument(metavar="CHECKPOINT", help=CHECKPOINT_HELP),
    ],
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="The model's name on the hub.")
    ],
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.")
    ] = False,
    license: Annotated[
        str, typer.Option("--license", metavar="NAME", help="License of the weights.")
    ] = "unknown",
    as_json: Json = False,
) -> None:
    """Upload a trained model to the Hugging Face Hub, in the form of transformers.

    Log in before with `hf auth login`, or set HF_TOKEN.
    """
    from slm.interop import hub

    hub.require_hub(repository)
    source, sample = read_source(checkpoint, sample=True)
    address = hub.push(
        source, repository, sample=sample, private=private, license=license, log=note
    )
    if as_json:
        print_json({"repository": repository, "url": address})
    else:
        print(address)
