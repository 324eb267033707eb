"""Other programs that read models, each behind the same four questions, for bench/interop.py."""
