"""Parquet and Arrow files: one document per row, in the column `text` or `story`, or the only text
column.

pyarrow reads one column in small batches: a row group may have a million stories, and `datasets`
loads it into memory as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slm.data.documents import DocumentPart, parts_of
from slm.data.readers.columns import EXPECTED, TEXT_NAMES, text_name
from slm.data.readers.data_file import DataFile
from slm.errors import DataError, SlmError, shown

ROWS_AT_ONCE = 500
_READ_BUFFER_BYTES = 1 << 20
_ARROW_FILE_MAGIC = b"ARROW1"

Column = tuple[str, ...]
"""The name of a column, or the names that lead to a field of a struct."""


def read_table(file: DataFile) -> Iterator[DocumentPart]:
    """The documents of a Parquet or Arrow file, one per row; empty rows are skipped.

    Raises:
        DataError: the file is damaged, or no column contains the text.
    """
    row = 0
    try:
        for values in _parquet_steps(file) if file.format == "parquet" else _arrow_steps(file):
            for value in values.to_pylist():
                row += 1
                text = value.decode("utf-8") if isinstance(value, bytes) else value
                if text and not text.isspace():
                    yield from parts_of(text)
    except SlmError:
        raise
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file.name}, row {row:,} is not UTF-8: {error.reason} at byte {error.start:,}",
            hint="write the table again, with its text as strings",
        ) from None
    except Exception as error:  # the readers raise dozens of types
        reason = str(error.__cause__ or error).strip().split("\n")[0][:300]
        raise DataError(
            f"cannot read {file.name}: {reason or type(error).__name__}",
            hint="is the file complete? Download it again",
        ) from error


def parquet_rows(path: Path) -> int | None:
    """Number of rows according to a Parquet file's metadata; None if it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException, UnicodeDecodeError):
        return None  # a message that quotes damaged bytes cannot even be decoded


def _parquet_steps(file: DataFile) -> Iterator[Any]:
    """A Parquet file's text column in arrays."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file.path, pre_buffer=False, buffer_size=_READ_BUFFER_BYTES) as table:
        column = _text_column(table.schema_arrow, file.name)
        for batch in table.iter_batches(batch_size=ROWS_AT_ONCE, columns=[".".join(column)]):
            yield _values(batch, column)


def _arrow_steps(file: DataFile) -> Iterator[Any]:
    """An Arrow file's or stream's text column in arrays; the file is memory-mapped."""
    import pyarrow as pa

    with file.open_packed() as stream:
        is_file = stream.read(len(_ARROW_FILE_MAGIC)) == _ARROW_FILE_MAGIC
    with pa.memory_map(str(file.path)) as source:
        reader = pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)
        column = _text_column(reader.schema, file.name)
        batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
        for batch in batches:
            for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                yield _values(batch.slice(start, ROWS_AT_ONCE), column)


def _values(batch: Any, column: Column) -> Any:
    import pyarrow.compute as pc

    values = batch.column(batch.schema.get_field_index(column[0]))
    values.validate(full=True)  # offsets in a forged file may point anywhere
    return pc.struct_field(values, list(column[1:])) if column[1:] else values


def _text_column(schema: Any, name: str) -> Column:
    """The text column: one with a known name, or the only one; fields of structs come last.

    Bytes are text only if their column has a known name: they may also be images.
    """
    fields = list(_leaves(schema))
    for depth in (1, 2):
        level = {path: type for path, type in fields if (len(path) == 1) == (depth == 1)}
        named = [path for path in level if text_name([path[-1]]) is not None]
        named.sort(key=lambda path: TEXT_NAMES.index(path[-1].strip().lower()))
        for path in named:
            if _holds_text(level[path], or_bytes=True):
                return path
        texts = [path for path, type in level.items() if _holds_text(type)]
        if len(texts) == 1 and not named:
            return texts[0]
        if texts:
            break
    found = ", ".join(f"{shown(field.name)} ({field.type})" for field in list(schema)[:12])
    raise DataError(
        f"{name} has no text column {EXPECTED}, found {found or 'no columns'}",
        hint="write the stories to one column of strings, named 'text'",
    )


def _leaves(fields: Any, above: Column = ()) -> Iterator[tuple[Column, Any]]:
    """All columns that are not structs, and the fields of structs."""
    import pyarrow as pa

    for field in fields:
        path = (*above, field.name)
        if pa.types.is_struct(field.type):
            yield from _leaves(field.type, path)
        else:
            yield path, field.type


def _holds_text(type: Any, *, or_bytes: bool = False) -> bool:
    """Whether the values of an Arrow type are strings, in any encoding."""
    import pyarrow as pa

    kinds = pa.types
    if kinds.is_dictionary(type) or kinds.is_run_end_encoded(type):
        return _holds_text(type.value_type, or_bytes=or_bytes)
    if kinds.is_string(type) or kinds.is_large_string(type) or kinds.is_string_view(type):
        return True
    is_bytes = kinds.is_binary(type) or kinds.is_large_binary(type) or kinds.is_binary_view(type)
    return or_bytes and is_bytes
