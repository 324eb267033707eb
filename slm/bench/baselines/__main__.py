"""Measures one baseline in its own process: JSON task on stdin, JSON figures on stdout.

python -m slm.bench.baselines NAME < task.json
"""

from __future__ import annotations

import json
import sys

from slm.bench.baselines.registry import BASELINES, GenerationTask
from slm.hardware.devices import peak_memory_bytes


def main() -> None:
    """Measure the baseline whose name is given."""
    baseline = next(one for one in BASELINES if one.name == sys.argv[1])
    figures = baseline.measure(GenerationTask.from_json(json.load(sys.stdin)))
    print(json.dumps({**figures, "memory_mb": peak_memory_bytes("cpu") / 1e6}))


if __name__ == "__main__":
    main()
