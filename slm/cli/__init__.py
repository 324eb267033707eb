"""The command line: `slm`, also `python -m slm`. One short file a command."""

from __future__ import annotations

from collections.abc import Sequence

from slm.terminal.signals import ExitOnSignal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `slm` with arguments (None: those of the process) and return its exit code."""
    with ExitOnSignal():  # until the program itself listens
        from slm.cli.app import main as run
    return run(arguments)


__all__ = ["main"]
