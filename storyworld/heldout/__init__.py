"""Plots and names that are never in the corpus: what a model cannot have learned by heart."""
