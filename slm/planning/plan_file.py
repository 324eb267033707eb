"""`plan.json`: what was planned for a run, to be compared with what came of it."""

from __future__ import annotations

import json

from slm.files import atomic_write
from slm.planning.plan import Plan
from slm.training.events import Callback, RunStart

PLAN_FILE = "plan.json"


class PlanFile(Callback):
    """Writes a plan into the run's directory when the run starts."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def on_start(self, start: RunStart) -> None:
        text = json.dumps(self.plan.to_json(), indent=2)
        atomic_write(start.out_dir / PLAN_FILE, text + "\n")
