"""Prepare the data, train a small GPT, and write stories: `python train.py --help`."""

import sys

from slm.terminal.signals import ExitOnSignal

if __name__ == "__main__":
    with ExitOnSignal():  # until the program itself listens
        from slm.cli.original import main
    sys.exit(main())
