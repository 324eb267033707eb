"""Files of other programs, as bytes: what a reader of ours must tell from its own."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def as_zip(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names or ("text.txt",):
            archive.writestr(name, "words")
    return buffer.getvalue()


def as_npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones(3))
    return buffer.getvalue()


def as_parquet() -> bytes:
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": ["words"]}), buffer)
    return bytes(buffer.getvalue())
