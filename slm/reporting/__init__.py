"""Callbacks that report a run: progress, metrics, plots, TensorBoard, model file."""
