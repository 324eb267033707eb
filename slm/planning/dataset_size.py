"""The size of the training text, as far as it is known before the run."""

from __future__ import annotations

import statistics
from dataclasses import replace

from slm.config import DataConfig, RunConfig
from slm.config.origins import OriginKind
from slm.data.documents import SAMPLED_STORIES, first_sizes
from slm.data.shards import DataDirectory
from slm.data.sources import BUILTIN, Source, source_of
from slm.planning.choices import with_vocabulary
from slm.planning.steps import DatasetSize
from slm.runs.data import describe_source, fit_vocabulary, place_data, ready_data

STORY_GENERATION_BYTES_PER_SECOND = 1.2e6
"""Of built-in stories, which are generated while they are converted to token ids."""


def with_text(settings: RunConfig, minutes: float) -> tuple[RunConfig, DatasetSize]:
    """The size of a run's text, as far as it is known, and settings with its vocabulary.

    Raises:
        SlmError: the text does not exist or cannot be read.
    """
    if settings.origin_of("data.data_dir").kind is OriginKind.PREPARED:
        directory = DataDirectory.open(settings.data.data_dir)
        settings = describe_source(settings, directory, log=lambda sentence: None)
    else:
        text = text_of(settings.data)
        settings = with_vocabulary(settings, minutes, text)
        # Without a limit the plan chooses the number of stories, so it is unknown here.
        is_placed = text.n_bytes is not None or "data.data_dir" in settings.origins
        ready = ready_data(place_data(settings)) if is_placed else None
        if ready is None:
            return settings, text
        directory = ready
    text = replace(
        _known_of(settings.data),
        n_bytes=directory.split("train").bytes,
        bytes_per_token=directory.bytes_per_token("train"),
    )
    return fit_vocabulary(settings, directory.tokenizer), text


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
    return replace(_known_of(data), n_bytes=n_bytes, story_bytes=story_bytes)


def _known_of(data: DataConfig) -> DatasetSize:
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
    sizes = first_sizes(source.pieces("train"))
    if len(sizes) < SAMPLED_STORIES:
        return sum(sizes)
    found = round(n_stories * statistics.fmean(sizes))
    return found if n_bytes is None else min(found, n_bytes)
