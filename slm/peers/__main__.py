"""One contender in a process of its own: a task on stdin, its figures on stdout, both in JSON.

python -m slm.peers NAME < task.json
"""

from __future__ import annotations

import json
import sys

from slm.peers.contenders import CONTENDERS, Task
from slm.runtime import peak_memory_bytes


def main() -> None:
    """Measure the contender whose name is given."""
    contender = next(one for one in CONTENDERS if one.name == sys.argv[1])
    figures = contender.measure(Task.from_json(json.load(sys.stdin)))
    print(json.dumps({**figures, "memory_mb": peak_memory_bytes("cpu") / 1e6}))


if __name__ == "__main__":
    main()
