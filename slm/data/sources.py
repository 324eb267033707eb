"""Sources of text: the built-in corpus, files, folders, and Hugging Face datasets.

Every source streams the documents of its two splits, `train` and `validation`, and has an identity
that changes if its text may have changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from slm.config import DataConfig
from slm.data.documents import DocumentPart, parts_of
from slm.data.file_names import shard_note
from slm.data.file_source import FileSource, existing_path
from slm.data.folder_source import open_folder
from slm.data.hub import HUB_NAME, HubSource
from slm.data.readers import is_readable
from slm.data.source_options import SourceOptions
from slm.data.splits import Split, split_plan
from slm.errors import UsageError, did_you_mean, shown
from slm.log import Log, silent, without_repeats

BUILTIN_STORIES = 20_000
"""Training stories of the built-in corpus by default."""


class CorpusSize(NamedTuple):
    """What is known of a built-in corpus before it is generated."""

    story_bytes: float
    """Mean size of a story."""
    words: int
    """Distinct words, counted as a vocabulary does: at the start of a sentence is another one."""
    difficulty: float
    """Bits per byte after minutes of training, as a multiple of those of TinyStories."""


BUILTIN = {
    "builtin": CorpusSize(895.0, 3500, 0.36),
    "builtin:easy": CorpusSize(680.0, 1600, 0.20),
}
"""The built-in corpora, by their names."""


class Source(Protocol):
    """Text in two splits."""

    @property
    def name(self) -> str:
        """The name for users: `builtin`, `builtin:easy`, a path, or a dataset's name."""

    @property
    def expected_stories(self) -> int | None:
        """The approximate number of training stories, for progress; None if unknown."""

    @property
    def expected_bytes(self) -> int | None:
        """The approximate size of the training text in bytes, including a part that is held out;
        None if unknown."""

    @property
    def story_bytes(self) -> float | None:
        """The mean size of a story in bytes if `limit` selects their number; otherwise None."""

    def identity(self) -> dict[str, Any]:
        """Everything that determines the text, as JSON data; needs no network, reads no text."""

    def details(self) -> dict[str, Any]:
        """Facts that are known after reading, such as a dataset's revision; JSON data."""

    def forget(self) -> None:
        """Discard downloaded files, so that the next reading downloads them again."""

    def parts(self, split: Split) -> Iterator[DocumentPart]:
        """Stream the documents of a split, in parts.

        Raises:
            DataError: the text cannot be read, or is empty.
        """


def open_source(
    spec: str,
    *,
    limit: int | None = None,
    validation_fraction: float = 0.05,
    seed: int = 0,
    allow_zero_bytes: bool = False,
    log: Log | None = None,
) -> Source:
    """Find the source of a specification; reads no text yet.

    Args:
        spec: `builtin`, `builtin:easy`, a path, or the name of a Hugging Face dataset
            (`owner/name`).
        limit: use at most this many training stories; None: all (builtin: 20,000).
        validation_fraction: share held out where the source has no validation split.
        seed: decides what is held out, and the text of the built-in corpus.
        allow_zero_bytes: whether text may contain zero bytes, to find and remove them.
        log: called with sentences about the source, such as the start of a download.

    Raises:
        UsageError: there is no such file, or the specification is invalid.
        DataError: a folder without training text, or a file of an unknown type.
    """
    log = without_repeats(log or silent)  # a source is read several times
    options = SourceOptions(limit, validation_fraction, seed, allow_zero_bytes, log)
    if is_builtin(spec):
        return BuiltinSource(spec, options)
    path = existing_path(spec)
    if path is not None:
        if path.is_dir():
            return open_folder(path, options)
        sentence = shard_note(path)
        if sentence is not None:  # probably intended, but possibly a mistake
            log(sentence)
        return FileSource(path, options)
    if _looks_like_path(spec):
        raise UsageError(
            f"there is no file or folder {shown(spec, 300)}",
            hint="check the path, or use --source builtin",
        )
    if not HUB_NAME.fullmatch(spec):
        raise UsageError(
            f"source {shown(spec)} is neither a file or folder here nor the name of a dataset",
            hint=did_you_mean(spec, list(BUILTIN))
            or "datasets are named owner/name, such as roneneldan/TinyStories; "
            "or use --source builtin",
        )
    return HubSource(spec, options)


def is_builtin(spec: str) -> bool:
    """Whether a specification names a built-in corpus, even if a file has the same name."""
    return spec in BUILTIN


def source_of(data: DataConfig, *, log: Log | None = None) -> Source:
    """The source for the settings of a run; see `open_source`."""
    return open_source(
        data.source,
        limit=data.limit,
        validation_fraction=data.validation_fraction,
        seed=data.corpus_seed,
        log=log,
    )


def has_own_validation(source: Source) -> bool:
    """Whether a source is known to have a validation split, so that nothing is held out."""
    if isinstance(source, HubSource):
        return source.has_validation
    return "validation_fraction" not in source.identity()


def _looks_like_path(spec: str) -> bool:
    return (
        spec.startswith((".", "/", "~"))
        or spec.endswith("/")
        or is_readable(spec.rpartition("/")[2])
        or "\\" in spec
        or spec.count("/") > 1
        or re.match(r"[A-Za-z]:", spec) is not None
    )


class BuiltinSource:
    """Stories of the project's own generator, `storyworld`."""

    expected_bytes = None

    def __init__(self, name: str, options: SourceOptions) -> None:
        self.name = name
        self.story_bytes = BUILTIN[name].story_bytes
        self.expected_stories = BUILTIN_STORIES if options.limit is None else options.limit
        self._fraction = options.validation_fraction
        self._seed = options.seed

    def identity(self) -> dict[str, Any]:
        from storyworld import CORPUS_VERSION

        return {
            "kind": self.name,
            "version": CORPUS_VERSION,
            "seed": self._seed,
            "limit": self.expected_stories,
            "validation_fraction": self._fraction,
        }

    def details(self) -> dict[str, Any]:
        return {}

    def forget(self) -> None:
        pass

    def parts(self, split: Split) -> Iterator[DocumentPart]:
        from storyworld import COLLECTIONS, story_at

        collection = COLLECTIONS[self.name.partition(":")[2] or "full"]
        plan = split_plan(seed=self._seed, fraction=self._fraction, limit=self.expected_stories)
        for index, current in enumerate(plan):
            if current == split:
                yield from parts_of(story_at(self._seed, index, collection).text)
