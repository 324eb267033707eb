"""Numbers as people read them: counts with their nouns, parameters, sizes, and spans of time.

Programs get the plain numbers, by `--json` and in files.
"""

from __future__ import annotations


def counted(number: float, noun: str) -> str:
    """A number and its noun, given in the singular: `1 story`, `2,000 stories`, `0.5 minutes`."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    if noun.endswith(("s", "x", "ch")) and noun != "epoch":
        plural = f"{noun}es"
    digits = f"{number:,}" if isinstance(number, int) else f"{number:,.10g}"
    return f"{digits} {noun if digits == '1' else plural}"


def parameters(number: int) -> str:
    """The size of a model: `8,992 parameters`, `12.2 million parameters`."""
    if number < 100_000:
        return counted(number, "parameter")
    return f"{number / 1e6:,.1f} million parameters"


def megabytes(size: int) -> str:
    """A size in bytes: `999 bytes`, `15.7 MB`."""
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else counted(size, "byte")


def gigabytes(size: float) -> str:
    """A size of memory in bytes: `1.5 GB`; what is less than a tenth of that in MB."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else megabytes(round(size))


def duration(seconds: float) -> str:
    """A span of time: `45s`, `3m05s`, `2h07m`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
