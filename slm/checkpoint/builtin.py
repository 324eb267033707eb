"""The model that comes with the package, an ordinary checkpoint with int8 weights."""

from __future__ import annotations

from pathlib import Path

from slm.config.run_files import MANIFEST_NAME
from slm.errors import UsageError

BUILTIN = "builtin"
"""Its name wherever a checkpoint is asked for."""
_DIRECTORY = Path(__file__).parents[1] / BUILTIN


def has_builtin() -> bool:
    """Whether this installation has the model."""
    return (_DIRECTORY / MANIFEST_NAME).is_file()


def builtin_checkpoint() -> Path:
    """The model's checkpoint directory.

    Raises:
        UsageError: this installation does not have it.
    """
    if not has_builtin():
        raise UsageError(
            "this installation has no built-in model",
            hint="give a run directory: the --out of a training",
        )
    return _DIRECTORY


def is_builtin(path: Path) -> bool:
    """Whether a checkpoint is the one of this installation, whose folder takes no other files."""
    return path.resolve() == _DIRECTORY.resolve()
