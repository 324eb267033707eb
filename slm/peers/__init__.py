"""Other programs beside ours, on the same task, machine and shape of model, in one run."""

from slm.peers.contenders import CONTENDERS, Contender, Task
from slm.peers.rounds import Ratio, Results, ratios, run_rounds

__all__ = ["CONTENDERS", "Contender", "Ratio", "Results", "Task", "ratios", "run_rounds"]
