#!/bin/sh
# Checks training and generation on a GPU in less than 8 minutes, and writes gpu_check.json and
# gpu_check.md. For a machine with PyTorch for its GPU; other libraries that are missing are
# installed without touching PyTorch. Arguments are those of gpu_check.py.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
"$PYTHON" -c 'import torch' || { echo "error: $PYTHON has no torch; set PYTHON" >&2; exit 1; }
# Everything but PyTorch itself, which the machine has in the build that its GPU needs.
"$PYTHON" - <<'NAMES' | xargs -r "$PYTHON" -m pip install --quiet
import tomllib
from importlib import metadata

from pip._vendor.packaging.requirements import Requirement

for line in tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]:
    needed = Requirement(line)
    try:
        fits = needed.specifier.contains(metadata.version(needed.name), prereleases=True)
    except metadata.PackageNotFoundError:
        fits = False
    if not fits and needed.name != "torch":
        print(repr(line))
NAMES
PYTHONPATH=. exec "$PYTHON" bench/gpu_check.py "$@"
