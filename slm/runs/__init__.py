"""Run directories: layout, checkpoints, protections, signals, and the launch of a run."""
