#!/bin/sh
# Checks training and generation on a GPU in less than 8 minutes, and writes gpu_check.json and
# gpu_check.md. For a machine with PyTorch for its GPU; other libraries that are missing are
# installed without touching PyTorch. Arguments are those of gpu_check.py.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
"$PYTHON" -c 'import torch' || { echo "error: $PYTHON has no torch; set PYTHON" >&2; exit 1; }
if ! PYTHONPATH=. "$PYTHON" -m slm --version >/dev/null 2>&1; then
    # Everything but PyTorch itself, which the machine has in the build that its GPU needs.
    "$PYTHON" - <<'NAMES' | xargs "$PYTHON" -m pip install --quiet
import tomllib
for name in tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]:
    if not name.startswith("torch"):
        print(repr(name))
NAMES
fi
PYTHONPATH=. exec "$PYTHON" bench/gpu_check.py "$@"
