"""The text that a model was trained and validated on, and samples of text to score."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slm.config.run_paths import run_of
from slm.data.documents import parts_of, whole_stories
from slm.data.reservoir import Reservoir
from slm.errors import DataError, SlmError

if TYPE_CHECKING:
    from slm.api.language_model import LanguageModel
    from slm.data.shards import DataDirectory
    from slm.data.splits import Split

PART_CHARS = 2_000
"""A longer document is scored in parts of this to twice this size, so that there are many."""


def documents_of(lm: LanguageModel, split: Split) -> Iterator[str] | None:
    """The documents of a split that a model was trained with: of its token files, or its source.

    None: it was trained elsewhere, or both are no longer there.
    """
    if not lm.state.data_fingerprint:
        return None
    directory = _data_directory(lm)
    return _documents_of_source(lm, split) if directory is None else directory.documents(split)


def _data_directory(lm: LanguageModel) -> DataDirectory | None:
    from slm.data.data_paths import default_data_dir
    from slm.data.shards import DataDirectory

    settings = lm.settings.data
    for path in (settings.data_dir, default_data_dir(settings)):
        with contextlib.suppress(DataError):
            directory = DataDirectory.open(path or "")
            if directory.fingerprint == lm.state.data_fingerprint:
                return directory
    return None


def _documents_of_source(lm: LanguageModel, split: Split) -> Iterator[str] | None:
    from slm.config.run_files import CONFIG_FILE
    from slm.data.file_source import existing_path
    from slm.data.sources import is_builtin, source_of

    settings = lm.settings.data
    if not is_builtin(settings.source):
        if not (run_of(lm.path) / CONFIG_FILE).is_file():
            return None  # of no run here: a path with that name may be somebody else's
        if existing_path(settings.source) is None:
            return None  # a download is not what somebody expects of an evaluation
    try:
        return whole_stories(source_of(settings).parts(split))
    except SlmError:
        return None


@dataclass(frozen=True)
class StorySample:
    """Stories to score, and what they were drawn from."""

    stories: tuple[str, ...]
    n_all: int
    digest: str
    """SHA-256 of all the text, which is the same for the same validation split."""


def sample_of(documents: Iterable[str], n_stories: int, seed: int) -> StorySample:
    """A seeded sample of stories, or of parts of long documents, in their order."""
    sample: Reservoir[tuple[int, str]] = Reservoir(n_stories, seed)
    digest = hashlib.sha256()
    for story in _parts(documents):
        content = story.encode("utf-8")
        digest.update(len(content).to_bytes(8, "little") + content)
        sample.add((sample.n_seen, story))
    stories = tuple(story for _, story in sorted(sample.items))
    return StorySample(stories, sample.n_seen, digest.hexdigest())


def _parts(documents: Iterable[str]) -> Iterator[str]:
    for document in documents:
        for part in parts_of(document, PART_CHARS):
            if part.text:
                yield part.text
