"""Names of the files and folders that a run writes to its directory."""

from __future__ import annotations

CONFIG_FILE = "config.json"
PLAN_FILE = "plan.json"
METRICS_FILE = "metrics.jsonl"
PLOT_FILE = "losses.png"
SUITES_FILE = "suites.json"
OVER_TIME_FILE = "over-time.json"
OVER_TIME_PLOT = "over-time.png"
REPORT_FILE = "report.html"
MODEL_FILE = "best_model.pt"
TENSORBOARD = "tensorboard"

BEST = "best"
"""The checkpoint with the best validation loss."""
CHECKPOINTS = "checkpoints"
"""The newest checkpoints, by step."""
LADDER = "ladder"
"""Checkpoints from start to end, by step."""
STEP_FOLDERS = (CHECKPOINTS, LADDER)

MANIFEST_NAME = "MANIFEST.json"
"""In a checkpoint: it lists the other files."""

RUN_FILES = (
    *(CONFIG_FILE, PLAN_FILE, METRICS_FILE, PLOT_FILE),
    *(CHECKPOINTS, LADDER, BEST, MODEL_FILE, TENSORBOARD),
    *(SUITES_FILE, OVER_TIME_FILE, OVER_TIME_PLOT, REPORT_FILE),
)
"""Everything in the directory of a run."""
