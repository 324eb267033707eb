"""The terminal: signals and the console of progress bars."""
