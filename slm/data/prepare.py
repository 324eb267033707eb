"""From text to token files: read, encode and write as a stream, in bounded memory.

The files are written under temporary names and renamed when all are complete. An older `meta.json`
is removed before the first rename and the new one is written last, so a process that is killed at
any moment leaves the old data, the new data, or a directory without `meta.json`.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from slm.data.documents import DocumentPart
from slm.data.file_source import existing_path
from slm.data.shards import (
    FORMAT,
    LARGEST_META_BYTES,
    META_FILE,
    TOKENIZER_FILE,
    VERSION,
    DataDirectory,
    dtype_for,
)
from slm.data.sources import Source, open_source
from slm.data.splits import SPLITS
from slm.errors import DataError, RunLockedError, SlmError, UsageError, WriteError
from slm.log import Log, silent
from slm.storage.files import (
    CHUNK_BYTES,
    PARTIAL_PREFIX,
    atomic_open,
    atomic_write,
    fsync_directory,
    remove_partials,
    sha256_of_file,
    write_errors,
)
from slm.storage.locks import LOCK_FILE, directory_lock
from slm.storage.safe_reading import read_bounded, sealed_json, strict_json
from slm.tokenizer.base import Ids, Tokenizer
from slm.version import __version__

BATCH_CHARS = 4 << 20
BATCH_PARTS = 8192

Stage = Literal["tokenizer", "train", "validation"]


@dataclass(frozen=True)
class PrepareProgress:
    """The progress of the preparation.

    Attributes:
        stage: fitting the tokenizer, or the split that is being encoded.
        stories, bytes, tokens: processed so far in this stage.
        fraction: the completed fraction of the stage, 0 to 1; None if unknown.
    """

    stage: Stage
    stories: int
    bytes: int
    tokens: int
    fraction: float | None


def prepare(
    source: Source | str,
    tokenizer_spec: str,
    out_dir: Path | str,
    *,
    force: bool = False,
    limit: int | None = None,
    validation_fraction: float = 0.05,
    seed: int = 0,
    locked: bool = False,
    progress: Callable[[PrepareProgress], None] | None = None,
    log: Log | None = None,
) -> DataDirectory:
    """Make a prepared data directory, or open it if it already exists.

    Args:
        source: a source, or its specification for `open_source`.
        tokenizer_spec: `bpe:4096`, `gpt2-8k`, `bytes`, ..., or a saved tokenizer's path.
        out_dir: the directory; other files in it are not touched.
        force: prepare again even if nothing changed, and download datasets again.
        limit, validation_fraction, seed: for `open_source`, if `source` is a specification.
        locked: whether this process holds the lock of the directory, as of a run in it.
        progress: is called a few times per second at most, from this thread.
        log: is called with sentences for the user.

    Raises:
        UsageError, DataError, HubError: the source cannot be used, or the directory has files of
            another program.
        TokenizerError: the tokenizer cannot be made.
        RunLockedError: another process prepares the same directory.
        WriteError, NoSpaceError: the directory cannot be written.
    """
    from slm.tokenizer import parse_tokenizer

    if isinstance(source, str):
        source = open_source(
            source, limit=limit, validation_fraction=validation_fraction, seed=seed, log=log
        )
    parse_tokenizer(tokenizer_spec)
    out_dir = Path(out_dir)
    log = log or silent
    if not force:
        ready = _up_to_date(out_dir, source, tokenizer_spec)
        if ready is not None:
            _remove_leftovers(out_dir)
            return ready
    _refuse_foreign(out_dir, locked=locked)
    with contextlib.nullcontext() if locked else directory_lock(out_dir):
        remove_partials(out_dir)
        if (out_dir / META_FILE).exists():
            log(f"replacing the data in {out_dir}" + _note_on_existing(out_dir))
        if force:
            source.forget()
        _write(source, tokenizer_spec, out_dir, progress)
    return DataDirectory.open(out_dir)


def _refuse_foreign(out_dir: Path, *, locked: bool) -> None:
    """Refuse a directory that has files under our names that we did not write.

    Args:
        out_dir: the directory.
        locked: whether its lock may be that of a run.

    Raises:
        UsageError: there is such a file.
    """
    # A description is ours, even if damaged; without one, a killed preparation left its lock.
    if _is_described(out_dir) or (not locked and (out_dir / LOCK_FILE).exists()):
        return
    for name in (META_FILE, TOKENIZER_FILE, *(f"{split}.bin" for split in SPLITS)):
        if (out_dir / name).exists():
            raise UsageError(
                f"{out_dir / name} was not made by slm prepare, which would replace it",
                hint="choose another folder for the data, or move the file",
            )


def _is_described(out_dir: Path) -> bool:
    try:
        table = strict_json(read_bounded(out_dir / META_FILE, LARGEST_META_BYTES))
    except (OSError, ValueError):
        return False
    return isinstance(table, dict) and table.get("format") == FORMAT


def _request(tokenizer_spec: str) -> dict[str, Any]:
    request: dict[str, Any] = {"tokenizer": tokenizer_spec}
    saved = existing_path(tokenizer_spec)
    if saved is not None and saved.is_dir():
        saved = saved / TOKENIZER_FILE
    if saved is not None and saved.is_file():
        request["tokenizer_sha256"] = sha256_of_file(saved)
    return request


def is_made_from(directory: DataDirectory, source: Source, tokenizer_spec: str) -> bool:
    """Whether a directory was made from this source with this tokenizer."""
    meta = directory.meta
    return meta.source == source.identity() and meta.request == _request(tokenizer_spec)


def _up_to_date(out_dir: Path, source: Source, tokenizer_spec: str) -> DataDirectory | None:
    """The directory, if it was made from this source and its files have the right sizes."""
    try:
        directory = DataDirectory.open(out_dir)
    except DataError:
        return None
    same = is_made_from(directory, source, tokenizer_spec)
    return directory if same else None


def _remove_leftovers(out_dir: Path) -> None:
    """Remove temporary files of a killed preparation, if the directory is not locked."""
    if any(out_dir.glob(f"{PARTIAL_PREFIX}*")):
        with contextlib.suppress(RunLockedError, WriteError), directory_lock(out_dir):
            remove_partials(out_dir)


def _note_on_existing(out_dir: Path) -> str:
    try:
        meta = DataDirectory.open(out_dir).meta
    except SlmError:
        return ", which are not usable"
    return f" (made from {meta.source_name} with the tokenizer {meta.tokenizer.name})"


def _write(
    source: Source,
    tokenizer_spec: str,
    out_dir: Path,
    progress: Callable[[PrepareProgress], None] | None,
) -> None:
    """Encode both splits and write all files; the caller holds the lock."""
    from slm.tokenizer import build_tokenizer, save_tokenizer

    # Taken first: if a file changes meanwhile, the next preparation notices.
    identity, request = source.identity(), _request(tokenizer_spec)
    report = progress or (lambda event: None)
    tokenizer = build_tokenizer(tokenizer_spec, lambda: _training_texts(source, report))
    meta_path = out_dir / META_FILE
    with contextlib.ExitStack() as files:
        splits: dict[str, Any] = {}
        writers = []
        for split in SPLITS:
            name = f"{split}.bin"
            stream = files.enter_context(atomic_open(out_dir / name))
            writer = _SplitWriter(stream, tokenizer)
            for parts, ids in _encoded(_batches(source.parts(split)), tokenizer):
                writer.add(parts, ids)
                report(writer.progress(split, _fraction(source, split, writer)))
            if writer.stories == 0:
                raise DataError(
                    f"{source.name} has no {split} stories",
                    hint="use more text, or another --validation-fraction",
                )
            splits[split] = {"file": name, **writer.finish()}
            writers.append(stream)
        with write_errors(out_dir):
            for stream in writers:  # the disk may be full: check before removing the old data
                stream.flush()
                os.fsync(stream.fileno())
            meta_path.unlink(missing_ok=True)
            fsync_directory(out_dir)  # or the new files may reach the disk before this
    tokenizer_path = out_dir / TOKENIZER_FILE
    save_tokenizer(tokenizer, tokenizer_path)
    meta = {
        "format": FORMAT,
        "version": VERSION,
        "dtype": dtype_for(tokenizer.vocab_size),
        "splits": splits,
        "tokenizer": {
            "name": tokenizer.name,
            "fingerprint": tokenizer.fingerprint,
            "vocab_size": tokenizer.vocab_size,
            "eot_id": tokenizer.eot_id,
            "size": tokenizer_path.stat().st_size,
            "sha256": sha256_of_file(tokenizer_path),
        },
        "source": identity,
        "request": request,
        "details": source.details(),
        "created_by": f"slm {__version__}",
    }
    atomic_write(meta_path, sealed_json(meta))


class _SplitWriter:
    """Writes the ids of parts into one token file, with counts and checksums."""

    def __init__(self, stream: BinaryIO, tokenizer: Tokenizer) -> None:
        self._stream = stream
        self._dtype = np.dtype(dtype_for(tokenizer.vocab_size)).newbyteorder("<")
        self._eot = np.array([tokenizer.eot_id], np.uint32)
        self._waiting = bytearray()
        self._crc32: list[int] = []
        self._size = 0
        self._story_tokens = 0
        self._longest = 0
        self.stories = 0
        self.bytes = 0
        self.tokens = 0

    def add(self, parts: list[DocumentPart], ids_of_parts: list[Ids]) -> None:
        written: list[Ids] = []
        for part, ids in zip(parts, ids_of_parts, strict=True):
            text = part.text
            self.bytes += len(text) if text.isascii() else len(text.encode("utf-8"))
            written.append(ids)
            self._story_tokens += len(ids)
            if part.ends_story:
                written.append(self._eot)
                self._longest = max(self._longest, self._story_tokens + 1)
                self._story_tokens = 0
                self.stories += 1
        joined = np.concatenate(written).astype(self._dtype)
        self.tokens += len(joined)
        self._waiting += joined.tobytes()
        whole = len(self._waiting) // CHUNK_BYTES * CHUNK_BYTES
        self._put(bytes(self._waiting[:whole]))
        del self._waiting[:whole]

    def finish(self) -> dict[str, Any]:
        """Write the buffered ids, and describe the file."""
        self._put(bytes(self._waiting))
        self._waiting.clear()
        return {
            "tokens": self.tokens,
            "stories": self.stories,
            "bytes": self.bytes,
            "longest_story": self._longest,
            "size": self._size,
            "crc32": self._crc32,
        }

    def progress(self, stage: Stage, fraction: float | None) -> PrepareProgress:
        return PrepareProgress(stage, self.stories, self.bytes, self.tokens, fraction)

    def _put(self, content: bytes) -> None:
        for start in range(0, len(content), CHUNK_BYTES):
            self._crc32.append(zlib.crc32(content[start : start + CHUNK_BYTES]))
        self._stream.write(content)
        self._size += len(content)


def _batches(parts: Iterable[DocumentPart]) -> Iterator[list[DocumentPart]]:
    """Parts in lists, large enough to encode fast and small enough for memory."""
    batch: list[DocumentPart] = []
    characters = 0
    for part in parts:
        batch.append(part)
        characters += len(part.text)
        if characters >= BATCH_CHARS or len(batch) >= BATCH_PARTS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _encoded(
    batches: Iterable[list[DocumentPart]], tokenizer: Tokenizer
) -> Iterator[tuple[list[DocumentPart], list[Ids]]]:
    """Batches with their ids. The next batch is read while one is encoded in another thread."""
    with ThreadPoolExecutor(1, "encoder") as encoder:
        waiting: tuple[list[DocumentPart], Future[list[Ids]]] | None = None
        try:
            for batch in batches:
                future = encoder.submit(tokenizer.encode_batch, [part.text for part in batch])
                if waiting is not None:
                    yield waiting[0], waiting[1].result()
                waiting = (batch, future)
            if waiting is not None:
                yield waiting[0], waiting[1].result()
        finally:  # after an interrupt, only the current batch is waited for
            encoder.shutdown(wait=False, cancel_futures=True)


def _training_texts(source: Source, report: Callable[[PrepareProgress], None]) -> Iterator[str]:
    """The training text; a tokenizer that is fitted to it reads as much as it needs."""
    characters = stories = reported = 0
    for part in source.parts("train"):
        yield part.text
        characters += len(part.text)
        stories += part.ends_story
        if characters - reported >= BATCH_CHARS:
            reported = characters
            report(PrepareProgress("tokenizer", stories, characters, 0, None))


def _fraction(source: Source, split: str, writer: _SplitWriter) -> float | None:
    """The completed fraction of the training split, by stories or bytes, if either is known."""
    if split != "train":
        return None
    shares = [
        done / expected
        for done, expected in (
            (writer.stories, source.expected_stories),
            (writer.bytes, source.expected_bytes),
        )
        if expected
    ]
    return min(1.0, max(shares)) if shares else None
