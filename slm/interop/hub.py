"""Models on the Hugging Face hub: downloaded, kept as checkpoints in the cache, and uploaded."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from slm.data.hub import quiet_datasets, unreachable
from slm.errors import HubError, SlmError, UsageError
from slm.interop.hugging_face_config import read_config

HUB_PREFIX = "hf:"
_NAME = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([\w./-]+))?")
_TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "generation_config.json"),
    *("vocab.json", "merges.txt"),
)
_WEIGHTS = re.compile(r"(model(-\d+-of-\d+)?\.safetensors|pytorch_model(-\d+-of-\d+)?\.bin)")
_INDEX = ("model.safetensors.index.json", "pytorch_model.bin.index.json")

Log = Callable[[str], None]


def is_hub_name(source: str) -> bool:
    """Whether a name such as `hf:owner/name` means a model of the hub."""
    return source.startswith(HUB_PREFIX)


def parsed(source: str) -> tuple[str, str | None]:
    """The repository and the revision of `hf:owner/name@revision`.

    Raises:
        UsageError: it is not of that form.
    """
    match = _NAME.fullmatch(source.removeprefix(HUB_PREFIX))
    if match is None:
        raise UsageError(
            f"{source!r} is not the name of a model on the hub",
            hint="it is hf:owner/name, or hf:owner/name@revision",
        )
    return match[1], match[2]


def download_model(source: str, *, log: Log) -> Path:
    """Fetch what an import needs of a model, unless the hub's own cache has it.

    The configuration comes first: a model of another architecture is refused before its weights
    are downloaded.

    Args:
        source: `hf:owner/name`, with `@revision` if need be.
        log: called before each download.

    Returns:
        The folder in the cache.

    Raises:
        UsageError: it is not a name.
        ConfigError: the architecture is not ours.
        HubError: the hub cannot be reached, or has no such model.
    """
    repository, revision = parsed(source)
    with _hub_errors(repository):
        from huggingface_hub import HfApi, constants, hf_hub_download

        from slm.interop.hugging_face import json_object

        offline = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else None
        problem = offline or unreachable(constants.ENDPOINT)
        if problem is not None:
            return _cached(repository, revision, problem, log)
        found = HfApi().model_info(repository, revision=revision, timeout=10, files_metadata=True)
        sizes = {file.rfilename: file.size or 0 for file in found.siblings or []}
        if "config.json" not in sizes:
            raise HubError(f"{repository} has no config.json, so it is not a model that we know")

        def fetch(file: str) -> Path:
            return Path(hf_hub_download(repository, file, revision=found.sha))

        config_path = fetch("config.json")
        read_config(json_object(config_path), f"the config.json of {repository}")
        weights = _weight_files(sizes)
        if not weights:
            raise HubError(
                f"{repository} has no weights that can be read",
                hint="it needs model.safetensors or pytorch_model.bin",
            )
        for file in (*(name for name in _TOKENIZER_FILES if name in sizes), *weights):
            if sizes[file] > 1 << 20:
                log(f"downloading {file} of {repository} ({sizes[file] / 1e6:,.1f} MB)")
            fetch(file)
    return config_path.parent


def _weight_files(sizes: dict[str, int]) -> list[str]:
    """The files with the weights: safetensors where there are any, and their index."""
    for suffix in (".safetensors", ".bin"):
        files = sorted(name for name in sizes if _WEIGHTS.fullmatch(name) and suffix in name)
        if files:
            return [*(name for name in _INDEX if name in sizes and suffix in name), *files]
    return []


def _cached(repository: str, revision: str | None, problem: str, log: Log) -> Path:
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(repository, "config.json", revision=revision)
    if not isinstance(cached, str):
        raise HubError(
            f"cannot fetch the model {repository}: {problem}",
            hint="use a model on this machine, or try again with a network",
        )
    log(f"{problem}: using the cached copy of {repository}")
    return Path(cached).parent


def local_checkpoint(source: Path | str, *, log: Log) -> Path:
    """The checkpoint that a path or `hf:owner/name` means; a model of the hub is imported once.

    Args:
        source: a path, which is returned as it is, or the name of a model on the hub.
        log: called with what takes long.

    Raises:
        HubError, ConfigError, CheckpointError, TokenizerError: see `slm.interop.importing`.
    """
    text = Path(source).as_posix()
    if not is_hub_name(text):
        return Path(source)
    from slm.interop.importing import import_model, write_checkpoint
    from slm.native.build import users_cache

    folder = download_model(text, log=log)
    key = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    repository, _ = parsed(text)
    place = users_cache() / "models" / f"{repository.replace('/', '--')}-{key}"
    if not (place / "MANIFEST.json").is_file():
        write_checkpoint(import_model(text, log=log), place)
    return place


def push_model(folder: Path, repository: str, *, private: bool, log: Log) -> str:
    """Upload a folder of transformers as a model of the hub.

    Args:
        folder: as `slm export ... hf` writes it.
        repository: `owner/name`; it is made where it does not exist.
        private: whether a new repository is private.
        log: called before the upload.

    Returns:
        The address of the model.

    Raises:
        UsageError: it is not a name.
        HubError: the hub cannot be reached, or does not let this user write there.
    """
    repository, revision = parsed(repository)
    with _hub_errors(repository):
        from huggingface_hub import HfApi, constants

        offline = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else None
        problem = offline or unreachable(constants.ENDPOINT)
        if problem is not None:
            raise HubError(f"cannot push to {repository}: {problem}", hint="try again online")
        api = HfApi()
        api.create_repo(repository, private=private, exist_ok=True, repo_type="model")
        log(f"uploading to {repository}")
        api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            revision=revision,
            commit_message="Upload a model trained with slm",
        )
        return f"{constants.ENDPOINT}/{repository}"


@contextlib.contextmanager
def _hub_errors(repository: str) -> Iterator[None]:
    """Turn whatever the hub library raises into one error in our words."""
    quiet_datasets()
    try:
        yield
    except SlmError:
        raise
    except Exception as error:
        raise _in_our_words(repository, error) from None


def _in_our_words(repository: str, error: Exception) -> HubError:
    kinds: set[str] = set()
    link: BaseException | None = error
    while link is not None:
        kinds.add(type(link).__name__)
        link = link.__cause__ or link.__context__
    status: Any = getattr(getattr(error, "response", None), "status_code", None)
    login = "log in with: hf auth login"
    if "GatedRepoError" in kinds:
        return HubError(f"the model {repository} is gated: its owner must admit you", hint=login)
    if kinds & {"RepositoryNotFoundError", "RevisionNotFoundError"}:
        return HubError(
            f"the hub has no model {repository} that you may read",
            hint=f"check the name (owner/name); for a private one {login}",
        )
    if status in (401, 403) or "LocalTokenNotFoundError" in kinds:
        return HubError(f"the hub does not let you write to {repository}", hint=login)
    reason = str(error).strip().split("\n")[0][:300]
    return HubError(f"the hub failed for {repository}: {reason or type(error).__name__}")
