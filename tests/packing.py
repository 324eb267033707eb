"""Bytes as each compressor packs them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable

import pyarrow as pa


def as_zip(content: bytes, name: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive with one file, and what macOS adds."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("folder/", b"")
        archive.writestr(f"folder/{name}", content)
        archive.writestr(f"__MACOSX/folder/._{name}", b"what macOS adds")
        archive.writestr("folder/.DS_Store", b"and this")
    return stream.getvalue()


PACK: dict[str, Callable[[bytes, str], bytes]] = {
    "gzip": lambda content, name: gzip.compress(content),
    "bzip2": lambda content, name: bz2.compress(content),
    "xz": lambda content, name: lzma.compress(content),
    "zstd": lambda content, name: bytes(pa.Codec("zstd").compress(content, asbytes=True)),
    "zip": as_zip,
}
"""Given the content, and the name that it has inside an archive."""

PACKINGS = {"gz": "gzip", "bz2": "bzip2", "xz": "xz", "zst": "zstd", "zip": "zip"}
