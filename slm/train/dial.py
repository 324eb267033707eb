"""From minutes to a plan: what there is of machine and text, and what is best made of it."""

from __future__ import annotations

from slm.config import ORIGIN_PREPARED, DataConfig, RunConfig
from slm.data.shards import DataDirectory
from slm.data.sources import source_of
from slm.train.plan import Plan, Text, make_plan
from slm.train.probe import probe_machine


def plan_run(settings: RunConfig, minutes: float) -> Plan:
    """Choose what the user has left open for a run of so many minutes on this machine.

    Args:
        settings: of a preset, and over them the user's own.
        minutes: from the command's start to its end.

    Raises:
        SlmError: the data are not there, or the device is not.
    """
    is_prepared = settings.origins.get("data.data_dir") == ORIGIN_PREPARED
    text = text_of(settings.data, is_prepared=is_prepared)
    return make_plan(settings, minutes, probe_machine(settings, minutes), text)


def text_of(data: DataConfig, *, is_prepared: bool) -> Text:
    """What can be known of a run's text before it is read."""
    if is_prepared:
        directory = DataDirectory.open(data.data_dir)
        return Text(directory.split("train").bytes, directory.bytes_per_token("train"))
    source = source_of(data)
    n_bytes, story_bytes = source.expected_bytes, source.story_bytes
    if story_bytes is not None and data.limit is not None:
        n_bytes = round(data.limit * story_bytes)
    return Text(n_bytes, None, story_bytes)
