"""`python -m slm`."""

import sys

from slm.cli import main

if __name__ == "__main__":
    sys.exit(main())
