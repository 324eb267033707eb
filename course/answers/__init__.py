"""Answers to the exercises: solutions, and the wrong ones that the checks recognize by name."""
