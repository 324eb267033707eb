"""Parquet, and what else of a data set the `datasets` library reads, as streams of documents."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from slm.data.documents import Piece, pieces_of
from slm.data.readers.csv import TEXT_COLUMNS
from slm.errors import DataError, SlmError, shown

ROWS_AT_ONCE = 500
_READ_BUFFER_BYTES = 1 << 20


def quiet_datasets() -> ModuleType:
    """The `datasets` library, imported now, its progress bars and log lines kept off the screen.

    A program that has imported the library before us keeps its own settings.
    """
    ours = "datasets" not in sys.modules
    import datasets

    if ours:
        from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

        datasets.disable_progress_bars()
        datasets.logging.set_verbosity(datasets.logging.CRITICAL)
        disable_progress_bars()
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    return sys.modules["datasets"]


def read_table(kind: str, path: Path, *, name: str) -> Iterator[Piece]:
    """The documents of a table file, one a row; empty rows are left out.

    Parquet is read by pyarrow itself, one column in small steps: a row group may hold a million
    stories, and `datasets` takes it into memory whole.

    Args:
        kind: parquet, or a reader of `datasets`: json, arrow, csv, text.
        path: the file.
        name: what to call it in errors.

    Raises:
        DataError: the file is damaged, or no column holds the text.
    """
    column: str | None = None
    try:
        for table in _parquet_steps(path, name) if kind == "parquet" else _steps(kind, path):
            column = column or _text_column(table.schema, name)
            for text in table.column(column).to_pylist():
                if text and not text.isspace():
                    yield from pieces_of(text)
    except SlmError:
        raise
    except Exception as error:  # the readers raise dozens of kinds
        reason = str(error.__cause__ or error).strip().split("\n")[0][:300]
        raise DataError(
            f"cannot read {name}: {reason or type(error).__name__}",
            hint="is the file whole, and of the kind that its name says?",
        ) from error


def parquet_rows(path: Path) -> int | None:
    """Number of rows that a Parquet file says it holds; None when it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        return None


def _steps(kind: str, path: Path) -> Iterator[Any]:
    """A file's rows in Arrow tables, through `datasets`."""
    # Even a stream makes its folder in the cache, and the user's may be read-only.
    options = {"keep_default_na": False, "chunksize": ROWS_AT_ONCE} if kind == "csv" else {}
    with tempfile.TemporaryDirectory() as cache:
        rows = quiet_datasets().load_dataset(
            kind,
            data_files=str(path),
            split="train",
            streaming=True,
            cache_dir=cache,
            **options,
        )
        yield from rows.with_format("arrow").iter(batch_size=ROWS_AT_ONCE)


def _parquet_steps(path: Path, name: str) -> Iterator[Any]:
    """A Parquet file's text column in record batches."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, pre_buffer=False, buffer_size=_READ_BUFFER_BYTES) as file:
        column = _text_column(file.schema_arrow, name)
        yield from file.iter_batches(batch_size=ROWS_AT_ONCE, columns=[column])


def _text_column(schema: Any, name: str) -> str:
    import pyarrow as pa

    strings: list[str] = [
        field.name
        for field in schema
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    ]
    for column in TEXT_COLUMNS:
        if column in strings:
            return column
    if len(strings) == 1:
        return strings[0]
    found = ", ".join(f"{shown(field.name)} ({field.type})" for field in list(schema)[:12])
    raise DataError(
        f"{name} has no text column 'text' or 'story', found {found or 'no columns'}",
        hint="rename the column that holds the story to 'text'",
    )
