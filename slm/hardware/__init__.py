"""The machine: devices, dtypes, CPU threads, memory, and the limits of containers."""
