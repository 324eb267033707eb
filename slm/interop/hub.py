"""Models on the Hugging Face Hub: downloaded and uploaded."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slm.data.hub import hub_problem
from slm.errors import HubError, SlmError, UsageError, causes
from slm.interop.hugging_face_config import read_config
from slm.log import Log

if TYPE_CHECKING:
    from slm.interop.source import ExportSource

HUB_PREFIX = "hf:"
_NAME = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([\w./-]+))?")
_TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "generation_config.json"),
    *("vocab.json", "merges.txt"),
)
_WEIGHTS = re.compile(r"(model(-\d+-of-\d+)?\.safetensors|pytorch_model(-\d+-of-\d+)?\.bin)")
_LOGIN = "log in with: hf auth login"
_INDEX = ("model.safetensors.index.json", "pytorch_model.bin.index.json")


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
    with _hub_errors(repository, revision):
        problem = hub_problem()
        if problem is not None:
            return _cached(repository, revision, problem, log)
        from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache

        from slm.interop.hugging_face import json_object

        found = HfApi().model_info(repository, revision=revision, timeout=10, files_metadata=True)
        sizes = {file.rfilename: file.size or 0 for file in found.siblings or []}
        if "config.json" not in sizes:
            raise HubError(
                f"{repository} has no config.json, so it is not a supported model",
                hint="download one of its .gguf files, and import that file"
                if any(name.endswith(".gguf") for name in sizes)
                else "name a model in the form of transformers",
            )

        # By the name of the revision, so that the cache keeps which commit it means.
        config_path = Path(hf_hub_download(repository, "config.json", revision=revision))
        read_config(json_object(config_path), f"the config.json of {repository}")
        weights = _weight_files(sizes)
        if not weights:
            raise HubError(
                f"{repository} has no weights that can be read",
                hint="it needs model.safetensors or pytorch_model.bin",
            )
        for file in (*(name for name in _TOKENIZER_FILES if name in sizes), *weights):
            there = try_to_load_from_cache(repository, file, revision=config_path.parent.name)
            if sizes[file] > 1 << 20 and not isinstance(there, str):
                log(f"downloading {file} of {repository} ({sizes[file] / 1e6:,.1f} MB)")
            hf_hub_download(repository, file, revision=config_path.parent.name)
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
            f"cannot download the model {repository}: {problem}",
            hint="use a model on this machine, or try again with a network",
        )
    log(f"{problem}: using the cached copy of {repository}")
    return Path(cached).parent


def require_hub(repository: str) -> None:
    """Refuse a push that cannot succeed, before anything is written.

    Args:
        repository: `owner/name`.

    Raises:
        UsageError: it is not a name.
        HubError: the hub cannot be reached, or you are not logged in.
    """
    _target(repository)
    problem = hub_problem()
    if problem is not None:
        raise HubError(f"cannot push to {repository}: {problem}", hint="try again with a network")
    from huggingface_hub import get_token

    if get_token() is None:
        raise HubError(f"cannot push to {repository}: you are not logged in", hint=_LOGIN)


def _target(repository: str) -> tuple[str, str | None]:
    try:
        return parsed(repository)
    except UsageError as error:
        raise UsageError(error.message, hint="it is owner/name, such as mia/stories") from None


def push(
    source: ExportSource,
    repository: str,
    *,
    sample: str,
    private: bool,
    license: str = "unknown",
    log: Log,
) -> str:
    """Upload a model to the hub in the form of transformers.

    Args:
        source: the model.
        repository: `owner/name`; it is made where it does not exist.
        sample: a text that the model wrote, for the model card.
        private: whether a new repository is private.
        license: of the weights, for the model card.
        log: called with notes.

    Returns:
        The address of the model.

    Raises:
        UsageError, HubError: see `push_model`.
        ConfigError: transformers has no such architecture.
        WriteError, NoSpaceError: there is no room for a temporary copy.
    """
    from slm.interop.export import export

    name, _ = _target(repository)
    with tempfile.TemporaryDirectory(prefix="slm-push-") as directory:
        folder = Path(directory, "model")
        export(source, "hf", folder, name=name, license=license, sample=sample, log=log)
        return push_model(folder, repository, private=private, log=log)


def push_model(folder: Path, repository: str, *, private: bool, log: Log) -> str:
    """Upload a folder of transformers as a model of the hub, in one commit.

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
    require_hub(repository)
    repository, revision = _target(repository)
    with _hub_errors(repository, revision):
        from huggingface_hub import CommitOperationAdd, HfApi, constants

        api = HfApi()
        api.create_repo(repository, private=private, exist_ok=True, repo_type="model")
        log(f"uploading to {repository}")
        # upload_folder may make several commits, between which the model would be incomplete.
        api.create_commit(
            repo_id=repository,
            operations=[
                CommitOperationAdd(path.name, str(path)) for path in sorted(folder.iterdir())
            ],
            revision=revision,
            commit_message="Upload a model trained with slm",
        )
        return f"{constants.ENDPOINT}/{repository}"


@contextlib.contextmanager
def _hub_errors(repository: str, revision: str | None) -> Iterator[None]:
    """Turn whatever the hub library raises into one error in our words."""
    is_ours = "huggingface_hub" not in sys.modules
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    if is_ours:  # otherwise the program that has imported it chooses what it prints
        disable_progress_bars()
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        yield
    except SlmError:
        raise
    except Exception as error:
        raise _as_hub_error(repository, revision, error) from None


def _as_hub_error(repository: str, revision: str | None, error: Exception) -> HubError:
    kinds = {type(cause).__name__ for cause in causes(error)}
    status: Any = getattr(getattr(error, "response", None), "status_code", None)
    if "GatedRepoError" in kinds:
        return HubError(
            f"the model {repository} is gated: its owner has to grant you access", hint=_LOGIN
        )
    if "RevisionNotFoundError" in kinds:
        return HubError(
            f"the model {repository} has no revision {revision}",
            hint=f"leave it out: {HUB_PREFIX}{repository}",
        )
    if "RepositoryNotFoundError" in kinds:
        return HubError(
            f"the hub has no model {repository} that you can access",
            hint=f"check the name (owner/name); for a private one {_LOGIN}",
        )
    if status in (401, 403) or "LocalTokenNotFoundError" in kinds:
        return HubError(f"the hub refuses you access to {repository}", hint=_LOGIN)
    reason = str(error).strip().split("\n")[0][:300]
    return HubError(f"the hub failed for {repository}: {reason or type(error).__name__}")
