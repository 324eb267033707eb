"""How good a model's stories are, by measures that need no judge."""
