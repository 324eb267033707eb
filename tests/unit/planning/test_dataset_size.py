"""What is known of a text before a plan is made, and that it costs no reading of all of it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slm.config import DataConfig, RunConfig
from slm.config.origins import PREPARED
from slm.data.documents import whole_stories
from slm.data.prepare import prepare
from slm.data.sources import BUILTIN, source_of
from slm.errors import DataError, UsageError
from slm.planning.dataset_size import text_of
from slm.planning.plan import with_text
from slm.presets import resolve
from slm.runs.data import place_data

STORIES = [f"Story {number:04d} of a cat and a dog." for number in range(1000)]
BYTES = len(STORIES[0])


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "\n<|endoftext|>\n".join(STORIES)
    Path("stories.txt").write_text(text, encoding="utf-8", newline="\n")


def settings(**flags: str) -> RunConfig:
    named = {"data_dir": PREPARED, "source": "--source", "tokenizer": "--tokenizer"}
    given = {f"data.{name}": (value, named[name]) for name, value in flags.items()}
    return resolve("modern-12m", flags=given)


def training_stories() -> int:
    """Without those that are held out."""
    return sum(1 for _ in whole_stories(source_of(DataConfig(source="stories.txt")).parts("train")))


def test_a_file_has_its_size() -> None:
    text = text_of(DataConfig(source="stories.txt"))
    assert text.n_bytes == Path("stories.txt").stat().st_size
    assert text.reading_seconds > 0


@pytest.mark.parametrize("limit", [50, 500])
def test_of_a_file_only_so_many_stories_count(limit: int) -> None:
    assert text_of(DataConfig(source="stories.txt", limit=limit)).n_bytes == limit * BYTES


def test_no_more_stories_count_than_there_are() -> None:
    whole = text_of(DataConfig(source="stories.txt"))
    assert text_of(DataConfig(source="stories.txt", limit=10**6)).n_bytes == whole.n_bytes


@pytest.mark.parametrize("limit", [500, 10**6])
def test_a_compressed_text_may_have_fewer_stories_than_the_limit(limit: int) -> None:
    with gzip.open("stories.txt.gz", "wb") as file:
        file.write(Path("stories.txt").read_bytes())
    text = text_of(DataConfig(source="stories.txt.gz", limit=limit))
    assert text.n_bytes == min(limit, training_stories()) * BYTES


def test_a_compressed_file_is_as_large_as_what_is_in_it() -> None:
    pq.write_table(pa.table({"text": STORIES}), "stories.parquet")
    for limit in (None, 10**6):
        text = text_of(DataConfig(source="stories.parquet", limit=limit))
        assert text.n_bytes == training_stories() * BYTES


def test_built_in_stories_take_their_time_to_be_told() -> None:
    told = text_of(DataConfig(source="builtin", limit=1000))
    assert told.n_bytes is not None
    assert told.n_bytes == pytest.approx(900_000, rel=0.1)
    assert told.bytes_per_second < text_of(DataConfig(source="stories.txt")).bytes_per_second


def test_the_words_of_the_built_in_stories_are_known() -> None:
    words = [text_of(DataConfig(source=name)).words for name in ("builtin", "builtin:easy")]
    assert words == [BUILTIN["builtin"].words, BUILTIN["builtin:easy"].words]
    assert text_of(DataConfig(source="stories.txt")).words is None


def test_prepared_data_say_how_many_ids_they_have() -> None:
    directory = prepare("stories.txt", "bytes", "data/own")
    chosen, text = with_text(settings(data_dir="data/own"), 5)
    assert (chosen.data.tokenizer, chosen.model.vocab_size) == ("bytes", 257)
    assert text.n_bytes == directory.split("train").bytes
    assert text.reading_seconds == 0
    with pytest.raises(UsageError, match="prepared with the tokenizer bytes"):
        with_text(settings(data_dir="data/own", tokenizer="chars"), 5)


def test_data_that_a_run_would_find_again_cost_no_reading() -> None:
    chosen, before = with_text(settings(source="stories.txt"), 5)
    assert before.bytes_per_token is None
    assert chosen.data.tokenizer == "bpe:512"
    place = place_data(chosen).data.data_dir
    made = prepare(source_of(chosen.data), chosen.data.tokenizer, place)
    again, after = with_text(settings(source="stories.txt"), 5)
    assert again.data == chosen.data
    assert again.model.vocab_size == made.tokenizer.vocab_size
    assert after.bytes_per_token == made.bytes_per_token("train")
    assert after.reading_seconds == 0
    # Other text in the file is prepared anew.
    Path("stories.txt").write_text("\n<|endoftext|>\n".join(STORIES[:500]), encoding="utf-8")
    assert with_text(settings(source="stories.txt"), 5)[1].bytes_per_token is None


def test_text_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="nowhere"):
        with_text(settings(source="nowhere.txt"), 5)
    with pytest.raises(DataError, match="nowhere"):
        with_text(settings(data_dir="nowhere"), 5)
