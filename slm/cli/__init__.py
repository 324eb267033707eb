"""The command line: `slm`, also `python -m slm`. One short file a command."""

from slm.cli.app import main

__all__ = ["main"]
