"""`slm export`: a model for another program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slm.cli.no_effect import note, note_idle
from slm.cli.options import CHECKPOINT_HELP, Json
from slm.cli.output import print_json
from slm.errors import UsageError
from slm.interop.named_model import local_checkpoint
from slm.model_card import UNKNOWN
from slm.quantities import megabytes
from slm.reporting.display import writing_progress
from slm.storage.files import partial_bytes
from slm.storage.safe_reading import read_bounded, strict_toml

if TYPE_CHECKING:
    from slm.interop.source import ExportSource

TARGET_HELP = "slm, hf, gguf, ollama, onnx, llama2c or nanogpt."
CARD_TARGETS = ("slm", "hf")
MAX_CARD_BYTES = 1 << 16
BYTES_PER_WEIGHT = {"float16": 2.0, "bfloat16": 2.0, "q8_0": 1.0625, "int8": 1.0}
"""Of the dtypes that are not float32."""


def export(
    context: typer.Context,
    checkpoint: Annotated[
        Path,
        typer.Argument(metavar="CHECKPOINT", help=CHECKPOINT_HELP),
    ],
    target: Annotated[str, typer.Argument(metavar="TARGET", help=TARGET_HELP)],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The folder to write; for gguf, the file.")
    ],
    dtype: Annotated[
        str | None,
        typer.Option(
            "--dtype",
            metavar="DTYPE",
            help="Dtype of the weights: float32, float16, bfloat16, int8 for slm, and q8_0 for "
            "gguf and ollama.  [float16 for gguf and ollama, float32 for the others]",
        ),
    ] = None,
    version: Annotated[
        int | None,
        typer.Option("--version", metavar="N", help="Version of llama2c's format: 0 or 1.  [0]"),
    ] = None,
    license: Annotated[
        str,
        typer.Option(
            "--license", metavar="NAME", help="License of the weights, for the model card."
        ),
    ] = UNKNOWN,
    card: Annotated[
        Path | None,
        typer.Option(
            "--card",
            metavar="FILE",
            help="A TOML file with entries of the model card that slm and hf have: name, summary, "
            "license, data, training, evaluation, limitations.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an earlier export in OUT.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a trained model for another program, or as a checkpoint to share.

    The exported tokenizer gives the same ids. A model that the target does not support is
    rejected before anything is written.
    """
    from slm.interop.export import export as export_model
    from slm.interop.export import target_named
    from slm.model.costs import model_costs

    target_named(target)
    if target not in CARD_TARGETS:
        note_idle(context, ["license", "card"], f"{target} has no model card")
    source, sample = read_source(checkpoint, sample=target == "hf")
    width = BYTES_PER_WEIGHT.get(dtype or target_named(target).dtypes[0], 4.0)
    n_bytes = int(model_costs(source.config).parameters * width)
    with writing_progress(lambda: partial_bytes(out), n_bytes):
        written = export_model(
            source,
            target,
            out,
            dtype=dtype,
            version=version,
            license=license,
            card=None if card is None or target not in CARD_TARGETS else read_card_file(card),
            sample=sample,
            force=force,
            log=note,
        )
    if as_json:
        print_json(
            {
                "out": str(written.path),
                "target": target,
                "dtype": written.dtype,
                "bytes": written.bytes,
            }
        )
        return
    size = megabytes(written.bytes)
    print(f"{written.path}  ({written.target.description}, {written.dtype}, {size})")


def read_card_file(path: Path) -> dict[str, str]:
    """The entries of a model card in a TOML file.

    Raises:
        UsageError: the file cannot be read, or is not TOML.
    """
    try:
        return strict_toml(read_bounded(path, MAX_CARD_BYTES).decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"cannot read the model card {path}: {reason}",
            hint="it has lines such as: license = 'MIT'",
        ) from None


def read_source(path: Path, *, sample: bool) -> tuple[ExportSource, str]:
    """The model of a checkpoint, and a sample for its card; empty without `sample`."""
    from slm.checkpoint import open_checkpoint
    from slm.interop.source import ExportSource

    checkpoint = open_checkpoint(local_checkpoint(path, log=note), log=note)
    source = ExportSource.of(checkpoint)
    if not sample:
        return source, ""
    from slm.generation import load_generator
    from slm.interop.card import sample_text

    return source, sample_text(load_generator(checkpoint, device="cpu", log=note))
