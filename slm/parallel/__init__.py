"""Several processes of one run: connections, collectives, and sharded models."""
