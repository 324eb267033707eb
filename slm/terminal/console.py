"""The console of progress bars on stderr, which disables itself when stderr is closed."""

from __future__ import annotations

from rich.console import Console


class StderrConsole(Console):
    """Writes to stderr until that fails, which must not end the program.

    Ctrl-C ends `tee` in `slm train 2>&1 | tee log`, and the run still has to be saved. By itself,
    `rich` ends the program and closes its stdout.
    """

    def __init__(self) -> None:
        super().__init__(stderr=True)

    def on_broken_pipe(self) -> None:
        self.quiet = True

    def _check_buffer(self) -> None:  # where all writing goes through, also a bar's own thread's
        try:
            super()._check_buffer()
        except (OSError, ValueError):  # ValueError: the stream is closed
            self.quiet = True
            del self._buffer[:]
