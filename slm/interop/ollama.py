"""A model as a folder for Ollama: a GGUF file and a Modelfile."""

from __future__ import annotations

import re
from pathlib import Path

from slm.interop import gguf
from slm.interop.source import ExportSource
from slm.interop.tokenizer_json import token_text
from slm.log import Log
from slm.storage.files import atomic_directory

TARGET = "ollama"
MODEL = "model.gguf"

MODELFILE = """\
# ollama create {name} -f Modelfile
# ollama run {name} "Once upon a time"
FROM ./{model}
TEMPLATE {{{{ .Prompt }}}}
PARAMETER num_ctx {block_size}
PARAMETER temperature 0.8
PARAMETER top_k 50
PARAMETER top_p 1.0
PARAMETER min_p 0.0
PARAMETER repeat_penalty 1.0
"""


check = gguf.check


def write(source: ExportSource, out: Path, *, dtype: gguf.GGUFDtype, log: Log) -> None:
    """Write the folder; it is complete or absent.

    Args:
        source: the model.
        out: the folder; one that exists is replaced.
        dtype: of the matrices.
        log: called with notes.

    Raises:
        ConfigError, MissingExtraError, WriteError, NoSpaceError: see `slm.interop.gguf.write`.
    """
    gguf.check(source, dtype)
    with atomic_directory(out) as folder:
        gguf.write(source, folder / MODEL, dtype=dtype, log=log)
        text = MODELFILE.format(
            name=re.sub(r"[^A-Za-z0-9._-]+", "-", source.name).strip("-") or "model",
            model=MODEL,
            block_size=source.config.block_size,
        )
        eot = token_text(source.tokenizer, source.tokenizer.eot_id)
        if eot.isprintable():  # llama.cpp ends a text at the token itself anyway
            text += f"PARAMETER stop {eot}\n"
        (folder / "Modelfile").write_text(text, "utf-8")
