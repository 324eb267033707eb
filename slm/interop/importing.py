"""Models of other projects, from a file, a folder or the hub, as an ordinary checkpoint of ours."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from slm.checkpoint.builtin import BUILTIN
from slm.checkpoint.run import holds_checkpoint
from slm.config import DataConfig, GPTConfig, RunConfig, TrainingConfig
from slm.config.origins import Origin, OriginKind
from slm.errors import CheckpointError, TokenizerError, UsageError, shell_path
from slm.interop.hub import HUB_PREFIX, download_model
from slm.log import Log, silent
from slm.tokenizer.base import Tokenizer
from slm.tokenizer.saved import FILE_NAME, FORMAT, MAX_NAME_CHARS
from slm.tokenizer.spec import build_tokenizer, needs_corpus
from slm.train_state import TrainState

if TYPE_CHECKING:  # PyTorch is imported once there is something to read
    from slm.interop.imported import ImportedModel


def import_model(source: str, *, tokenizer: str | None = None, log: Log = silent) -> ImportedModel:
    """Read a model of another project.

    Args:
        source: `hf:owner/name` with `@revision` if need be; a folder of transformers; a `.gguf`
            file; llama2.c's `model.bin`; or nanoGPT's `ckpt.pt`.
        tokenizer: in place of the model's own: a path, or a name such as `gpt2`.
        log: called with notes.

    Raises:
        UsageError: nothing is there, or it is none of these.
        ConfigError: its architecture is not ours; the message says what is supported.
        CheckpointError: it is damaged.
        TokenizerError: its tokenizer is missing or cannot be used.
        HubError: the hub cannot be reached, or has no such model.
    """
    is_of_hub = source.startswith(HUB_PREFIX)
    path = download_model(source, log=log) if is_of_hub else Path(source)
    name = source if is_of_hub else path.resolve().name or source
    try:
        model = _read(path, _printable(name), tokenizer)
        n_ids, n_embedded = model.tokenizer.vocab_size, model.config.vocab_size
        if n_ids > n_embedded:
            raise TokenizerError(
                f"{source}: its tokenizer has {n_ids:,} ids, and the model only {n_embedded:,}"
            )
    except (CheckpointError, TokenizerError) as error:
        error.hint = error.hint or _HINTS[type(error)]
        raise
    return model


_ADDRESS = re.compile(r"(?:https?:/+)?(?:www\.)?(?:huggingface\.co|hf\.co)/([^/]+/[^/]+).*")
"""A model's page on the hub, as a path spells it."""
_HINTS: dict[type, str] = {
    CheckpointError: "the model may be damaged or incomplete: get it again",
    TokenizerError: "for a transformers folder, --tokenizer replaces its tokenizer: name "
    "gpt2, bytes or the path of a tokenizer.json",
}


def _read(path: Path, name: str, tokenizer: str | None) -> ImportedModel:
    """The model of a file or folder."""
    from slm.interop import gguf_file, gguf_import, hugging_face, llama2c, nanogpt

    if path == Path(BUILTIN) or holds_checkpoint(path):
        raise UsageError(
            f"{path} is a model of slm already",
            hint=f"every command takes it as it is: --checkpoint {shell_path(path)}",
        )
    if path.is_dir():
        if (path / "config.json").is_file():
            return hugging_face.read(path, name, tokenizer=_given(tokenizer, path))
        raise UsageError(
            f"{path} is not a transformers folder: it has no config.json of a model",
            hint="name a folder with config.json and model.safetensors, or a file of a model",
        )
    if not path.is_file():
        raise UsageError(
            f"there is no file or folder {path}",
            hint=f"a model of the hub is named {HUB_PREFIX}{_hub_name(path)}",
        )
    with path.open("rb") as stream:
        magic = stream.read(4)
    if magic == gguf_file.MAGIC:
        _refuse_tokenizer(tokenizer, "a GGUF file")
        return gguf_import.read(path, name)
    given = None if tokenizer is None else Path(tokenizer)
    is_zip = _is_zip(path)
    if path.suffix == ".safetensors" or (path.suffix == ".bin" and is_zip):
        raise UsageError(
            f"{path} holds only the weights of a transformers model",
            hint=f"name its folder, which has config.json and the tokenizer: "
            f"{shell_path(path.parent)}",
        )
    if is_zip:
        return nanogpt.read(path, name, tokenizer_path=given)
    if llama2c.is_model(path):
        return llama2c.read(path, name, tokenizer_path=given)
    raise UsageError(
        f"{path} is not a model that can be imported",
        hint="supported: transformers folders, .gguf files, llama2.c's model.bin and "
        "nanoGPT's ckpt.pt",
    )


def _is_zip(path: Path) -> bool:
    """Whether a file is a zip archive, such as those of PyTorch, damaged or not."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # of several disks
        return True


def _printable(name: str) -> str:
    """A name that a saved tokenizer may have."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in name)
    is_short = len(printable) <= MAX_NAME_CHARS
    return printable if is_short else f"{printable[: MAX_NAME_CHARS - 3]}..."


def _hub_name(path: Path) -> str:
    """The name on the hub that a path may have meant."""
    text = path.as_posix()
    if address := _ADDRESS.fullmatch(text):
        return address[1]
    return text if len(path.parts) == 2 and not path.is_absolute() else "owner/name"


def _given(tokenizer: str | None, model: Path) -> Tokenizer | None:
    """The tokenizer that a user names in place of the one in a model's folder.

    What ends a text is said by the `config.json` next to the tokenizer, or else by the model's.
    """
    if tokenizer is None:
        return None
    from slm.interop import hugging_face

    path = Path(tokenizer)
    if path.exists() and not _is_ours(path):
        folder = path if path.is_dir() else path.parent
        if path.is_file() and path.name != FILE_NAME:
            raise UsageError(
                f"{path} is of another program, and not named {FILE_NAME}",
                hint=f"name a file {FILE_NAME} or its folder",
            )
        config = next(p for p in (folder, model) if p == model or (p / "config.json").is_file())
        settings = hugging_face.json_object(config / "config.json")
        name = _printable(folder.resolve().name or tokenizer)
        return hugging_face.read_tokenizer(folder, name, settings)
    if needs_corpus(tokenizer):
        raise UsageError(
            f"the tokenizer {tokenizer!r} would have to be trained, and an imported model has one",
            hint="use gpt2, bytes or the path of a tokenizer.json",
        )
    return build_tokenizer(tokenizer, lambda: ())


def _is_ours(path: Path) -> bool:
    """Whether a tokenizer's file, or the one in a folder, is one of slm's."""
    from slm.interop import hugging_face

    file = path / FILE_NAME if path.is_dir() else path
    if not file.is_file():
        return False
    try:
        return hugging_face.json_object(file).get("format") == FORMAT
    except CheckpointError:
        return False  # whoever reads it next says what is wrong


def _refuse_tokenizer(tokenizer: str | None, what: str) -> None:
    if tokenizer is not None:
        raise UsageError(f"{what} brings its own tokenizer", hint="leave --tokenizer out")


def write_checkpoint(model: ImportedModel, out: Path) -> None:
    """Write an imported model as a checkpoint.

    Args:
        model: the model.
        out: the directory.

    Raises:
        CheckpointError: its weights are not finite.
        WriteError, NoSpaceError: nothing is left behind.
    """
    from slm.checkpoint import save_checkpoint

    origin = Origin(OriginKind.FILE, model.name)
    origins = {f"model.{name}": origin for name in GPTConfig.setting_names()}
    settings = RunConfig(model.config, TrainingConfig(), DataConfig(source=model.name), origins)
    save_checkpoint(
        out,
        model_state=model.weights,
        config=settings,
        tokenizer=model.tokenizer,
        state=TrainState(),
    )
