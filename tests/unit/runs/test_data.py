"""Where the data of a run are, and what they say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from slm.config import RunConfig
from slm.config.origins import PREPARED, SET, Origin, OriginKind
from slm.data.prepare import prepare
from slm.data.shards import DataDirectory
from slm.errors import DataError, UsageError, WriteError
from slm.presets import resolve
from slm.runs.data import describe_source, fit_vocabulary, obtain_data, place_data
from slm.tokenizer.byte_level import BytesTokenizer
from tests.conftest import tell_stories


def test_the_tokenizer_decides_the_vocabulary_unless_the_user_does():
    fitted = fit_vocabulary(resolve("tiny"), BytesTokenizer())
    assert fitted.model.vocab_size == 257
    assert str(fitted.origins["model.vocab_size"]) == "derived from the tokenizer"
    assert fit_vocabulary(fitted, BytesTokenizer()) == fitted

    chosen = resolve("tiny", assignments=["vocab_size=320"])
    assert fit_vocabulary(chosen, BytesTokenizer()).model.vocab_size == 320


def test_data_go_where_the_user_says_or_where_their_source_belongs():
    placed = place_data(resolve("tiny"))
    assert "builtin-bpe-512" in placed.data.data_dir

    other = placed.with_values({"data.limit": 7}, Origin(OriginKind.FLAG, "--limit"))
    assert place_data(other).data.data_dir != placed.data.data_dir

    chosen = resolve("tiny", assignments=["data_dir=here"])
    assert place_data(chosen).data.data_dir == "here"


def test_a_place_for_data_that_nobody_named_may_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the command is started in a read-only folder, with --out in another one."""
    monkeypatch.chdir(tmp_path)
    Path("data").write_text("in the way", encoding="utf-8")
    (tmp_path / "book.txt").write_text(tell_stories(60, seed=0), encoding="utf-8")
    settings = resolve("tiny", assignments=["source=book.txt", "tokenizer=bytes"])
    with pytest.raises(WriteError) as caught:
        obtain_data(place_data(settings))
    assert caught.value.hint == "name a folder for the prepared text with --set data_dir=FOLDER"
    elsewhere = settings.with_values({"data.data_dir": "elsewhere"}, SET)
    assert obtain_data(place_data(elsewhere)).path == Path("elsewhere")
    named = settings.with_values({"data.data_dir": "data/x"}, SET)
    with pytest.raises(WriteError) as caught:
        obtain_data(place_data(named))
    assert "--set" not in str(caught.value.hint)


# -- data that are taken as they are ---------------------------------------------------------------


@pytest.fixture
def own_data(tmp_path: Path) -> DataDirectory:
    """Data made with other choices than any default."""
    source = tmp_path / "stories.txt"
    source.write_text(tell_stories(60, seed=0), encoding="utf-8", newline="\n")
    return prepare(
        str(source), "bytes", tmp_path / "data", limit=30, validation_fraction=0.25, seed=7
    )


def given_data(directory: DataDirectory, tokenizer: str | None = None) -> RunConfig:
    flags = {"data.data_dir": (str(directory.path), PREPARED)}
    if tokenizer is not None:
        flags["data.tokenizer"] = (tokenizer, "--tokenizer")
    return resolve("tiny", flags=flags)


def silent(sentence: str) -> None:
    raise AssertionError(sentence)


def test_prepared_data_say_how_they_were_made(own_data: DataDirectory, tmp_path: Path) -> None:
    data = describe_source(given_data(own_data), own_data, silent).data

    assert data.source == (tmp_path / "stories.txt").resolve().as_posix()
    assert data.tokenizer == "bytes"
    assert (data.corpus_seed, data.validation_fraction, data.limit) == (7, 0.25, 30)


def test_a_folder_of_text_is_named_as_a_folder(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for split in ("train", "validation"):
        (texts / f"{split}.txt").write_text(tell_stories(9, seed=1), encoding="utf-8")
    directory = prepare(str(texts), "bytes", tmp_path / "data")

    data = describe_source(given_data(directory), directory, silent).data
    assert data.source == texts.resolve().as_posix()


def test_tokenizers_are_told_by_what_they_do_and_not_by_their_names(
    own_data: DataDirectory, tmp_path: Path
) -> None:
    same = own_data.path / "tokenizer.json"
    for tokenizer in ("bytes", str(same), str(own_data.path)):
        described = describe_source(given_data(own_data, tokenizer), own_data, silent)
        assert described.data.tokenizer == "bytes"
    other = prepare(str(tmp_path / "stories.txt"), "chars", tmp_path / "other")
    for tokenizer in ("chars", str(other.path / "tokenizer.json"), "bpe:300"):
        with pytest.raises(UsageError, match="was prepared with the tokenizer bytes"):
            describe_source(given_data(own_data, tokenizer), own_data, silent)


def test_a_description_that_makes_no_sense(own_data: DataDirectory) -> None:
    meta = own_data.meta.model_copy(update={"source": {"kind": "file", "limit": -1}})
    with pytest.raises(DataError, match="limit"):
        describe_source(given_data(own_data), DataDirectory(own_data.path, meta), silent)


def test_other_data_in_the_place_are_said_and_recorded(own_data: DataDirectory) -> None:
    flags = {"data.data_dir": (str(own_data.path), "--data-dir")}
    settings = resolve("gpt2", flags=flags)
    notes: list[str] = []

    directory = obtain_data(settings)
    described = describe_source(settings, directory, notes.append)

    assert directory.fingerprint == own_data.fingerprint
    assert len(notes) == 1
    assert "stories.txt with the tokenizer bytes, not roneneldan/TinyStories" in notes[0]
    assert (described.data.tokenizer, described.data.corpus_seed) == ("bytes", 7)


def test_the_same_data_in_the_place_need_no_words(own_data: DataDirectory, tmp_path: Path) -> None:
    values = {
        "data.source": str(tmp_path / "stories.txt"),
        "data.tokenizer": "bytes",
        "data.limit": 30,
        "data.validation_fraction": 0.25,
        "data.corpus_seed": 7,
    }
    settings = resolve("gpt2", flags={"data.data_dir": (str(own_data.path), "--data-dir")})
    settings = settings.with_values(values, Origin(OriginKind.PRESET, "of a test"))

    assert describe_source(settings, own_data, silent) == settings
