"""Prepare the data, train a small GPT, and tell stories: `python train.py --help`."""

import sys

from slm.cli.original import main

if __name__ == "__main__":
    sys.exit(main())
