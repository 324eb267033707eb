"""The checkpoint of a model that is given by name: the built-in one, or one on the hub."""

from __future__ import annotations

import hashlib
from pathlib import Path

from slm.checkpoint.builtin import BUILTIN, builtin_checkpoint
from slm.checkpoint.manifest import Manifest
from slm.errors import CheckpointError
from slm.interop import hub
from slm.interop.importing import import_model, write_checkpoint
from slm.log import Log
from slm.native.build import users_cache
from slm.storage.locks import waiting_lock


def local_checkpoint(source: Path | str, *, log: Log) -> Path:
    """The checkpoint that a path or a name means; a model of the hub is imported once.

    Args:
        source: a path, which is returned as it is; `builtin`, the model that comes with the
            package; or the name of a model on the hub, `hf:owner/name`.
        log: called with what takes long.

    Raises:
        UsageError: this installation has no built-in model, or this user no folder for caches.
        HubError, ConfigError, CheckpointError, TokenizerError: see `slm.interop.importing`.
        WriteError: the folder for caches cannot be written.
    """
    text = Path(source).as_posix()
    if text == BUILTIN:
        if Path(BUILTIN).exists():
            folder = Path(BUILTIN).absolute()
            log(
                f"{BUILTIN} means the built-in model; to use the folder of that name, give {folder}"
            )
        return builtin_checkpoint()
    if not hub.is_hub_name(text):
        return Path(source)
    folder = hub.download_model(text, log=log)
    key = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    repository, _ = hub.parsed(text)
    checkpoint = users_cache() / "models" / f"{repository.replace('/', '--')}-{key}"
    if not _is_whole(checkpoint):  # without the lock, because another user may own the cache
        with waiting_lock(checkpoint):
            if not _is_whole(checkpoint):
                write_checkpoint(import_model(text, log=log), checkpoint)
    return checkpoint


def _is_whole(checkpoint: Path) -> bool:
    try:
        Manifest.read(checkpoint)
    except CheckpointError:
        return False
    return True
