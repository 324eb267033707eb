"""The size of the training text, as far as it is known before the run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from slm.config import DataConfig
from slm.data.documents import SAMPLED_STORIES, whole_stories
from slm.data.sources import BUILTIN, Source, source_of

READING_BYTES_PER_SECOND = 5e6
"""Of text that becomes token ids, a vocabulary fitted to it included, on the reference machine."""
STORY_GENERATION_BYTES_PER_SECOND = 1.2e6
"""Of built-in stories, which are generated while they are converted to token ids."""


READ_BYTES = 1 << 24
"""Of compressed text, which may have fewer stories than the limit."""


@dataclass(frozen=True)
class DatasetSize:
    """The size of the training text; None for what is unknown before the text is read."""

    n_bytes: int | None
    """Of the training split; None also where the plan chooses it."""
    bytes_per_token: float | None
    """Of prepared data."""
    story_bytes: float | None = None
    """Mean size of a story of a source that has any number of them; the plan limits them."""
    bytes_per_second: float = READING_BYTES_PER_SECOND
    """Speed of the conversion to token ids, if the data are not prepared."""
    words: int | None = None
    """Distinct words of the text, where they are known to be few."""
    difficulty: float = 1.0
    """Bits per byte of this text, as a multiple of those of TinyStories."""

    @property
    def reading_seconds(self) -> float:
        """Time to convert the text to token ids; 0 if it is prepared or its size is unknown."""
        if self.bytes_per_token is not None or self.n_bytes is None:
            return 0.0
        return self.n_bytes / self.bytes_per_second


def text_of(data: DataConfig) -> DatasetSize:
    """The size of text that is not prepared, as far as it is known.

    Raises:
        SlmError: the text does not exist or cannot be read.
    """
    source = source_of(data)
    story_bytes = source.story_bytes
    if story_bytes is None:
        return DatasetSize(training_bytes(source), None)
    n_bytes = None if data.limit is None else round(data.limit * story_bytes)
    return replace(known_of(data), n_bytes=n_bytes, story_bytes=story_bytes)


def known_of(data: DataConfig) -> DatasetSize:
    """What is known of a text by its name."""
    corpus = BUILTIN.get(data.source)
    if corpus is None:
        return DatasetSize(None, None)
    return DatasetSize(
        None,
        None,
        bytes_per_second=STORY_GENERATION_BYTES_PER_SECOND,
        words=corpus.words,
        difficulty=corpus.difficulty,
    )


def training_bytes(source: Source) -> int | None:
    """Approximate bytes of training text in local files; None: unknown.

    Raises:
        DataError: the text cannot be read.
    """
    n_stories, n_bytes = source.expected_stories, source.expected_bytes
    if n_stories is None:
        return n_bytes
    enough_bytes = 0 if n_bytes is not None else READ_BYTES
    n_read = bytes_read = 0
    for story in whole_stories(source.parts("train")):
        n_read += 1
        bytes_read += len(story.encode("utf-8"))
        if n_read >= SAMPLED_STORIES and bytes_read >= enough_bytes:
            break
    else:
        return bytes_read
    found = round(n_stories * bytes_read / n_read)
    return found if n_bytes is None else min(found, n_bytes)
