"""Files that matter: atomic writes, safe reading, encodings and disk space."""
