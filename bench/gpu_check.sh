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
import re
import tomllib
from importlib import metadata

for name in tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]:
    try:
        metadata.version(re.split(r"[\[<>=~!;]", name)[0].strip())
    except metadata.PackageNotFoundError:
        if not name.startswith("torch"):
            print(repr(name))
NAMES
PYTHONPATH=. exec "$PYTHON" bench/gpu_check.py "$@"
