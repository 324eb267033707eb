"""From minutes to a plan: what there is of machine and text, and what is best made of it."""

from __future__ import annotations

import itertools
import statistics

from slm.config import DataConfig, RunConfig
from slm.data.documents import whole_stories
from slm.data.shards import DataDirectory
from slm.data.sources import Source, source_of
from slm.origins import OriginKind
from slm.planning.machine import probe_machine
from slm.planning.plan import READING_BYTES_PER_SECOND, Plan, Text, make_plan, with_vocabulary
from slm.runs.data import describe_source, fit_vocabulary, place_data, ready_data

TELLING_BYTES_PER_SECOND = 1.2e6
"""Of built-in stories that become token ids: they are told while they are read."""
SAMPLED_STORIES = 200
"""Their mean length tells how long all stories of a file are, where only their number is known."""


def plan_run(settings: RunConfig, minutes: float, *, owns_process: bool = False) -> Plan:
    """Choose what the user has left open for a run of so many minutes on this machine.

    Args:
        settings: of a preset, and over them the user's own.
        minutes: from the command's start to its end.
        owns_process: see `slm.runs.run_trainer.RunTrainer`.

    Raises:
        SlmError: the data are not there, or the device is not.
    """
    settings, text = with_text(settings, minutes)
    machine = probe_machine(settings, minutes, owns_process=owns_process)
    return make_plan(settings, minutes, machine, text)


def with_text(settings: RunConfig, minutes: float) -> tuple[RunConfig, Text]:
    """What can be known of a run's text before it is read, and settings with its vocabulary.

    Raises:
        SlmError: the text is not there, or cannot be read.
    """
    if settings.origin_of("data.data_dir").kind is OriginKind.PREPARED:
        directory = DataDirectory.open(settings.data.data_dir)
        settings = describe_source(settings, directory, log=lambda sentence: None)
    else:
        text = text_of(settings.data)
        settings = with_vocabulary(settings, minutes, text)
        # How many stories a plan without a limit takes, and so their place, is not known yet.
        is_placed = text.n_bytes is not None or "data.data_dir" in settings.origins
        ready = ready_data(place_data(settings)) if is_placed else None
        if ready is None:
            return settings, text
        directory = ready
    text = Text(directory.split("train").bytes, directory.bytes_per_token("train"))
    return fit_vocabulary(settings, directory.tokenizer), text


def text_of(data: DataConfig) -> Text:
    """What can be known of text that is not prepared yet.

    Raises:
        SlmError: it is not there, or cannot be read.
    """
    source = source_of(data)
    if source.story_bytes is None:
        return Text(training_bytes(source), None)
    n_bytes = None if data.limit is None else round(data.limit * source.story_bytes)
    rate = TELLING_BYTES_PER_SECOND if data.source == "builtin" else READING_BYTES_PER_SECOND
    return Text(n_bytes, None, source.story_bytes, rate)


def training_bytes(source: Source) -> int | None:
    """About how many bytes of training text are in files here; None: that is not known.

    Raises:
        DataError: the text cannot be read.
    """
    n_stories, n_bytes = source.expected_stories, source.expected_bytes
    if n_stories is None:
        return n_bytes
    first = itertools.islice(whole_stories(source.pieces("train")), SAMPLED_STORIES)
    sizes = [len(story.encode("utf-8")) for story in first]
    if len(sizes) < SAMPLED_STORIES:
        return sum(sizes)
    found = round(n_stories * statistics.fmean(sizes))
    return found if n_bytes is None else min(found, n_bytes)
