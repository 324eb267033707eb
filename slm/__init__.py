"""Own parts of a small language model; public names are resolved lazily in this package."""
