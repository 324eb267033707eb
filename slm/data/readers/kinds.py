"""The format and compression that a file name indicates."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

Format = Literal["text", "json", "csv", "parquet", "arrow"]
Compression = Literal["gzip", "bzip2", "xz", "zstd", "zip"]

FORMATS: dict[str, Format] = {
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".markdown": "text",
    ".jsonl": "json",
    ".ndjson": "json",
    ".jsonlines": "json",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".psv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".arrows": "arrow",
}
COMPRESSIONS: dict[str, Compression] = {
    ".gz": "gzip",
    ".bz2": "bzip2",
    ".xz": "xz",
    ".zst": "zstd",
    ".zstd": "zstd",
    ".zip": "zip",
}
EXTENSIONS = tuple(FORMATS)
READABLE = (
    ".txt, .md, .jsonl, .ndjson, .json, .csv, .tsv, .parquet or .arrow, "
    "also compressed as .gz, .bz2, .xz, .zst or .zip"
)

_TABULAR = "open it in a spreadsheet program and save it as CSV in UTF-8"
_PROSE = "open it in a program for such files and save it as plain text in UTF-8"
_ARCHIVE = "unpack it to an empty folder, and give that folder or a file in it"
_STRUCTURED = (
    "write the texts in it to a JSON Lines file; or, to train on it unchanged, give it a name "
    "that ends with .txt"
)
_STEPS = {
    **dict.fromkeys((".yaml", ".yml", ".toml", ".sql", ".xml", ".json5", ".jsonc"), _STRUCTURED),
    **dict.fromkeys((".ipynb", ".srt", ".vtt", ".mbox", ".eml", ".plist"), _STRUCTURED),
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), _TABULAR),
    **dict.fromkeys((".docx", ".doc", ".odt", ".rtf", ".pdf", ".epub", ".pages", ".mobi"), _PROSE),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "save the page as plain text in UTF-8"),
    **dict.fromkeys((".tar", ".tgz", ".tbz2", ".txz", ".7z", ".rar"), _ARCHIVE),
    **dict.fromkeys((".lz4", ".br", ".lzma", ".z", ".lz"), "unpack it, and give the unpacked file"),
}


class Kind(NamedTuple):
    """What a file name indicates.

    Attributes:
        format: of the text; None if the name gives none, such as `data.zip` or `data.gz`.
        compression: None for a file that is not compressed.
        stem: the name without the recognized extensions.
        extension: the one of the format, such as `.tsv`; empty without a format.
    """

    format: Format | None
    compression: Compression | None
    stem: str
    extension: str


def kind_of(name: str) -> Kind:
    """The kind that a file name indicates; case is ignored."""
    stem, extension = _split(name)
    compression = COMPRESSIONS.get(extension)
    if compression is not None:
        name = stem
        stem, extension = _split(name)
    format = FORMATS.get(extension)
    return Kind(format, compression, *((stem, extension) if format else (name, "")))


def is_readable(name: str) -> bool:
    """Whether a file with this name is readable, judging by the name alone."""
    kind = kind_of(name)
    if kind.format in ("parquet", "arrow"):
        return kind.compression is None
    return kind.format is not None or kind.compression == "zip"


def step_for(name: str) -> str | None:
    """The hint for a file of a well-known kind that is not supported."""
    stem, extension = _split(name)
    if extension in COMPRESSIONS:
        extension = _split(stem)[1]
    return _STEPS.get(extension)


def _split(name: str) -> tuple[str, str]:
    path = Path(name)
    return path.stem, path.suffix.lower()
