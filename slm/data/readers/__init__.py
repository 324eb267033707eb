"""Readers of files of text: one module a kind, each a stream of documents in pieces."""
