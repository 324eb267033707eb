"""Scenes that many plots share: beginnings, moments on the way, endings."""
