"""Prepared data: token files with checksums, and the `meta.json` that describes them.

    train.bin, validation.bin   token ids, raw little-endian uint16 (uint32 above 65,536 ids)
    tokenizer.json              the tokenizer that made them
    meta.json                   sizes, counts, CRC-32 of each MiB; written last, so that a
                                directory without it is not prepared; its last entry is a
                                checksum of the rest

Opening checks the description and the sizes. The first use of a split checks every byte of it, and
that every id is in the vocabulary; the first use of the tokenizer checks its file. Nothing in a
directory is trusted: it may come from someone else.
"""

from __future__ import annotations

import hashlib
import math
import stat
import zlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from slm.data.batches import TokenArray
from slm.errors import DataError, command_line, shown
from slm.quantities import counted
from slm.storage.files import CHUNK_BYTES, chunk_name
from slm.storage.safe_reading import is_sealed, open_regular, read_bounded, status_of, strict_json
from slm.storage.user_paths import user_path
from slm.tokenizer.base import Tokenizer, fingerprint_of
from slm.tokenizer.saved import FILE_NAME, LARGEST_FILE_BYTES, tokenizer_from_bytes

FORMAT = "slm-data"
VERSION = 1
META_FILE = "meta.json"
TOKENIZER_FILE = FILE_NAME
LARGEST_META_BYTES = 8 << 20
DECODED_IDS = 1 << 16
"""Ids that are read at a time to make text of them."""
_MAKING = "slm prepare --source TEXT --out NEW_FOLDER"

Dtype = Literal["uint16", "uint32"]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Crc = Annotated[int, Field(ge=0, lt=2**32)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,100}\z")]


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class SplitMeta(_Record):
    """The entry of one split in `meta.json`."""

    file: FileName
    tokens: Count
    """Number of tokens, end-of-text tokens included."""
    stories: Count
    bytes: Count
    """UTF-8 bytes of the stories, without separators."""
    longest_story: Count
    """Tokens of the longest story, including its end-of-text token."""
    size: Count
    """Bytes of the token file."""
    crc32: list[Crc]
    """CRC-32 of each MiB of the token file."""


class TokenizerMeta(_Record):
    """The entry of the tokenizer in `meta.json`."""

    name: str
    fingerprint: str
    vocab_size: Annotated[int, Field(ge=1, le=2**32)]
    eot_id: Count
    size: Annotated[int, Field(ge=0, le=LARGEST_FILE_BYTES)]
    """Bytes of `tokenizer.json`."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}\z")]
    """SHA-256 of `tokenizer.json`."""


class Splits(_Record):
    """The two splits."""

    train: SplitMeta
    validation: SplitMeta


class DataMeta(_Record):
    """The contents of `meta.json`."""

    format: Literal["slm-data"]
    version: Literal[1]
    dtype: Dtype
    splits: Splits
    tokenizer: TokenizerMeta
    source: dict[str, Any]
    """The source's identity, which determines the text."""
    request: dict[str, Any]
    """The tokenizer's specification."""
    details: dict[str, Any]
    """Facts known after reading, such as a dataset's commit."""
    created_by: str
    checksum: str
    """SHA-256 of everything before it; it is checked first."""

    @property
    def source_name(self) -> str:
        """The `source` setting that refers to this text."""
        train = self.source.get("train")
        if isinstance(train, dict) and "path" not in self.source:  # a folder of two files
            return Path(str(train.get("path"))).parent.as_posix()
        return str(self.source.get("name") or self.source.get("path") or self.source.get("kind"))

    @model_validator(mode="after")
    def _numbers_agree(self) -> DataMeta:
        for name, split in (("train", self.splits.train), ("validation", self.splits.validation)):
            if split.size != split.tokens * np.dtype(self.dtype).itemsize:
                raise ValueError(f"size and tokens of {name} disagree")
            if len(split.crc32) != math.ceil(split.size / CHUNK_BYTES):
                raise ValueError(f"{name} has {len(split.crc32)} checksums for its size")
        if self.tokenizer.eot_id >= self.tokenizer.vocab_size:
            raise ValueError("the end-of-text id is not in the vocabulary")
        return self


def dtype_for(vocab_size: int) -> Dtype:
    """The smallest dtype for all ids."""
    return "uint16" if vocab_size <= 1 << 16 else "uint32"


class DataDirectory:
    """A prepared data directory, opened for reading. Make one with `DataDirectory.open`."""

    def __init__(self, path: Path, meta: DataMeta) -> None:
        self.path = path
        self.meta = meta
        self._verified: dict[str, TokenArray] = {}

    def __repr__(self) -> str:
        train = self.meta.splits.train
        return (
            f"<DataDirectory {self.path}: {counted(train.stories, 'training document')}, "
            f"{counted(train.tokens, 'token')}, tokenizer {self.meta.tokenizer.name}>"
        )

    @classmethod
    def open(cls, path: Path | str) -> DataDirectory:
        """Open a directory, checking its description and the sizes of its files.

        Raises:
            DataError: it is not a prepared directory, has another version, or is damaged.
        """
        path = user_path(path)
        meta = _read_meta(path)
        for split in (meta.splits.train, meta.splits.validation):
            _check_size(path / split.file, split.size)
        _check_size(path / TOKENIZER_FILE, meta.tokenizer.size)
        return cls(path, meta)

    def split(self, split: str) -> SplitMeta:
        """The description of a split.

        Raises:
            DataError: there is no such split.
        """
        if split not in ("train", "validation"):
            raise DataError(f"unknown split {split!r}, expected 'train' or 'validation'")
        record: SplitMeta = getattr(self.meta.splits, split)
        return record

    def tokens(self, split: str) -> TokenArray:
        """The ids of a split, memory-mapped and read-only; the first call checks all of them.

        Raises:
            DataError: the file is damaged, or an id is not in the vocabulary.
        """
        if split not in self._verified:
            self._verified[split] = self._map_and_verify(self.split(split))
        return self._verified[split]

    def documents(self, split: str) -> Iterator[str]:
        """The documents of a split as text.

        Raises:
            DataError: a file is damaged.
        """
        tokens, tokenizer = self.tokens(split), self.tokenizer
        held: list[int] = []
        for start in range(0, len(tokens), DECODED_IDS):
            for token_id in tokens[start : start + DECODED_IDS].tolist():
                if token_id == tokenizer.eot_id:
                    yield tokenizer.decode(held)
                    held = []
                else:
                    held.append(token_id)
        if held:
            yield tokenizer.decode(held)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that made the ids.

        Raises:
            DataError: its file is missing or damaged, or another tokenizer's.
            TokenizerError: its file is not a tokenizer's.
        """
        file, expected = self.path / TOKENIZER_FILE, self.meta.tokenizer
        try:
            content = read_bounded(file, expected.size)
        except OSError as error:
            raise _damaged(f"cannot read {file}: {error.strerror or error}") from None
        if hashlib.sha256(content).hexdigest() != expected.sha256:
            raise _damaged(f"{file} is damaged: its SHA-256 differs from the one in {META_FILE}")
        tokenizer = tokenizer_from_bytes(content, source=str(file))
        found = (tokenizer.fingerprint, tokenizer.vocab_size, tokenizer.eot_id)
        if found != (expected.fingerprint, expected.vocab_size, expected.eot_id):
            raise _damaged(
                f"{file} is not the tokenizer that made the token files "
                f"(fingerprint {tokenizer.fingerprint[:12]}, expected {expected.fingerprint[:12]})"
            )
        return tokenizer

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) over the checksums of both splits and the tokenizer's fingerprint.

        Equal fingerprints mean equal ids in equal order.
        """
        splits = self.meta.splits.model_dump(mode="json")
        return fingerprint_of({"splits": splits, "tokenizer": self.meta.tokenizer.fingerprint})

    def bytes_per_token(self, split: str) -> float:
        """UTF-8 bytes of text per token of a split; NaN for an empty split."""
        record = self.split(split)
        return record.bytes / record.tokens if record.tokens else math.nan

    def _map_and_verify(self, split: SplitMeta) -> TokenArray:
        file = self.path / split.file
        dtype = np.dtype(self.meta.dtype).newbyteorder("<")
        if split.size == 0:
            return np.empty(0, dtype)  # an empty file cannot be mapped
        try:
            with open_regular(file) as stream:
                tokens: TokenArray = np.memmap(stream, dtype=dtype, mode="r")
        except (OSError, ValueError) as error:
            raise _damaged(f"cannot read {file}: {error}") from None
        if len(tokens) != split.tokens:
            raise _damaged(f"{file} has {len(tokens):,} tokens, expected {split.tokens:,}")
        vocab_size = self.meta.tokenizer.vocab_size
        tokens_a_chunk = CHUNK_BYTES // dtype.itemsize
        for number, expected in enumerate(split.crc32):
            start = number * tokens_a_chunk
            chunk = tokens[start : start + tokens_a_chunk]
            if zlib.crc32(chunk.data) != expected:
                chunk_said = chunk_name(number, split.size)
                raise _damaged(f"{file} is damaged: the checksum of {chunk_said} is wrong")
            if int(chunk.max()) >= vocab_size:
                position = int(np.argmax(chunk >= vocab_size))
                raise _damaged(
                    f"{file} contains the id {int(chunk[position])} at position "
                    f"{start + position:,}, expected ids below {vocab_size:,}"
                )
        return tokens


def _damaged(message: str) -> DataError:
    return DataError(
        message,
        hint=f"prepare the text again into a new folder: {_MAKING}",
    )


def _check_size(file: Path, expected: int) -> None:
    try:
        status = file.stat()
    except OSError as error:
        raise _damaged(f"cannot read {file}: {error.strerror or error}") from None
    if not stat.S_ISREG(status.st_mode):
        raise _damaged(f"{file} is not a regular file")
    if status.st_size != expected:
        raise _damaged(f"{file} has {status.st_size:,} bytes, expected {expected:,}")


def _read_meta(path: Path) -> DataMeta:
    file = path / META_FILE
    status = status_of(path)
    if status is None:
        raise DataError(
            f"the data directory {path} does not exist",
            hint=f"if it was moved, give its new path; `{_MAKING}` makes one from text",
        )
    if not stat.S_ISDIR(status.st_mode):
        raise DataError(
            f"{path} is a file, not a folder of prepared data",
            hint=f"to use it as text: {command_line('--source', path)}",
        )
    try:
        content = read_bounded(file, LARGEST_META_BYTES)
    except FileNotFoundError:
        inside = sorted(found.parent for found in path.glob(f"*/{META_FILE}"))[:3]
        raise DataError(
            f"{path} contains no prepared data ({META_FILE} is missing)",
            hint=f"for a folder of text: {command_line('--source', path)}"
            if not inside
            else f"prepared data are in {' and '.join(command_line(found) for found in inside)}",
        ) from None
    except OSError as error:
        raise _damaged(f"cannot read {file}: {error.strerror or error}") from None
    try:
        table = strict_json(content)
    except ValueError as error:
        raise _damaged(f"{file} is not valid JSON: {error}") from None
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        raise _damaged(f"{file} does not describe prepared data")
    if table.get("version") != VERSION:
        raise DataError(
            f"{file} has version {shown(table.get('version'))}, this program reads version "
            f"{VERSION}",
            hint="use the version of slm that wrote it, or prepare the data again",
        )
    if not is_sealed(content):
        raise _damaged(f"{file} is damaged: its own checksum is wrong")
    try:
        return DataMeta.model_validate(table)
    except ValidationError as error:
        first: Mapping[str, Any] = error.errors(include_url=False, include_context=False)[0]
        key = ".".join(str(part)[:40] for part in first["loc"][:4])
        message = str(first["msg"]).removeprefix("Value error, ")
        raise _damaged(f"{file}: {key + ': ' if key else ''}{message[:200]}") from None
