"""What a specification means, the identities of sources, and mistakes in naming them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slm.config import DataConfig
from slm.data.documents import whole_stories
from slm.data.file_source import FileSource
from slm.data.folder_source import FolderSource
from slm.data.hub import HubSource
from slm.data.sources import BUILTIN, BUILTIN_STORIES, Source, open_source, source_of
from slm.data.splits import SPLITS
from slm.errors import DataError, UsageError
from storyworld import EASY, FULL, Collection

EOT = "<|endoftext|>"
WORD_AS_ENCODED = re.compile(" ?[A-Za-z]+")
SHAKESPEARE = Path(__file__).resolve().parents[4] / "shared" / "tinyshakespeare" / "input.txt"


def splits(source: Source) -> tuple[list[str], list[str]]:
    train, validation = (list(whole_stories(source.parts(split))) for split in SPLITS)
    return train, validation


def text_file(path: Path, count: int, word: str = "story") -> Path:
    path.write_text("".join(f"{word} {i}\n{EOT}\n" for i in range(count)), encoding="utf-8")
    return path


@pytest.fixture
def every_kind(tmp_path: Path) -> list[Path]:
    texts = [f"story {i}" for i in range(40)]
    text_file(tmp_path / "a.txt", 40)
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    (tmp_path / "a.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "a.csv").write_text("text\n" + "\n".join(texts) + "\n", encoding="utf-8")
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    return [tmp_path / f"a.{kind}" for kind in ("txt", "jsonl", "csv", "parquet")]


def test_every_kind_of_file_gives_the_same_splits(every_kind: list[Path]) -> None:
    found = [splits(open_source(str(path), seed=3)) for path in every_kind]
    assert found[1:] == found[:-1]
    assert sorted([*found[0][0], *found[0][1]]) == sorted(f"story {i}" for i in range(40))


def test_settings_mean_the_source_with_their_share_held_out(tmp_path: Path) -> None:
    path = text_file(tmp_path / "a.txt", 40)
    data = DataConfig(source=str(path), limit=9, validation_fraction=0.4, corpus_seed=7)
    expected = open_source(str(path), limit=9, validation_fraction=0.4, seed=7)
    assert source_of(data).identity() == expected.identity()
    assert splits(source_of(data)) == splits(expected)


def test_folder_gives_its_splits_and_limits_training_alone(tmp_path: Path) -> None:
    text_file(tmp_path / "train.txt", 9)
    (tmp_path / "validation.jsonl").write_text('"a"\n"b"\n', encoding="utf-8")
    source = open_source(str(tmp_path), limit=4)
    assert isinstance(source, FolderSource)
    assert splits(source) == ([f"story {i}" for i in range(4)], ["a", "b"])


def test_folder_with_training_text_alone_holds_some_out(tmp_path: Path) -> None:
    text_file(tmp_path / "train.txt", 50)
    source = open_source(str(tmp_path))
    assert isinstance(source, FileSource)
    assert sum(map(len, splits(source))) == 50


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "contains no text"),
        (["validation.txt"], "no training text, such as train.txt"),
        (["train.txt", "train.csv"], r"has train.csv and train.txt"),
        (["train.bin", "validation.bin", "meta.json"], "prepared token files"),
    ],
)
def test_folders_that_cannot_be_used(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).write_text("text", encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        open_source(str(tmp_path))
    assert caught.value.hint


@pytest.mark.parametrize(("name", "collection"), [("builtin", FULL), ("builtin:easy", EASY)])
def test_builtin_has_the_generators_text(
    name: str, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def story_at(seed: int, index: int, collection: Collection) -> SimpleNamespace:
        return SimpleNamespace(text=f"story {index} of {seed} in {collection.name}")

    monkeypatch.setattr("storyworld.story_at", story_at)
    source = open_source(name, limit=30, seed=5)
    train, validation = splits(source)
    assert len(train) == 30
    everything = {story_at(5, index, collection).text for index in range(30 + len(validation))}
    assert everything == {*train, *validation}
    assert open_source(name).expected_stories == BUILTIN_STORIES
    assert open_source(name).name == name


def test_the_built_in_corpora_differ() -> None:
    identities = [open_source(name, limit=9).identity() for name in ("builtin", "builtin:easy")]
    assert identities[0] != identities[1]
    assert identities[0]["kind"] == "builtin"  # data prepared by earlier versions stay valid


def test_a_name_of_the_hub_touches_no_network() -> None:
    source = open_source("roneneldan/TinyStories", limit=5)
    assert isinstance(source, HubSource)
    assert source.identity()["name"] == "roneneldan/TinyStories"


@pytest.mark.parametrize(
    "spec",
    ["missing.txt", "./missing", "/no/such/place", "a/b/c", "~/nowhere", "C:\\x.txt"]
    + ["~nosuchuser/x.txt", "x" * 5000 + ".txt", "/" + "x" * 300, "a\0.txt", "\ud800.txt"],
)
def test_a_missing_path_is_a_usage_error(spec: str) -> None:
    with pytest.raises(UsageError, match="there is no file or folder") as caught:
        open_source(spec)
    assert caught.value.exit_code == 2
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "tinystories",
        "builtim",
        "builtin:eazy",
        "builtin:",
        "two words/x",
        "a/",
        "x" * 5000,
        "\0",
    ],
)
def test_a_specification_that_means_nothing(spec: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_source(spec)
    assert caught.value.hint
    if "uilti" in spec:
        assert "builtin" in caught.value.hint


def test_unknown_kind_and_empty_files(tmp_path: Path) -> None:
    (tmp_path / "text.doc").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match=r"unknown extension, expected one of \.txt"):
        open_source(str(tmp_path / "text.doc"))
    for kind in ("txt", "jsonl", "csv", "parquet"):
        path = tmp_path / f"empty.{kind}"
        path.write_bytes(b"")
        with pytest.raises(DataError, match="empty"):
            list(open_source(str(path)).parts("train"))


def test_identity_changes_with_whatever_may_change_the_text(tmp_path: Path) -> None:
    path = text_file(tmp_path / "a.txt", 5)
    first = open_source(str(path)).identity()
    assert json.loads(json.dumps(first)) == first
    assert open_source(str(path)).identity() == first
    others = [open_source(str(path), seed=1), open_source(str(path), limit=3)]
    others.append(open_source(str(path), validation_fraction=0.5))
    os.utime(path, ns=(1, 1))
    others.append(open_source(str(path)))
    assert all(other.identity() != first for other in others)


@pytest.mark.skipif(not SHAKESPEARE.exists(), reason="needs the shared Shakespeare text")
def test_shakespeare_is_split_as_nanogpt_does() -> None:
    text = SHAKESPEARE.read_text("utf-8")
    (train,), (validation,) = splits(open_source(str(SHAKESPEARE), validation_fraction=0.1))
    assert train == text[: int(len(text) * 0.9)]
    assert validation == text[int(len(text) * 0.9) :]


@pytest.mark.parametrize("name", ["builtin", "builtin:easy"])
def test_a_built_in_story_is_about_as_long_as_is_said(name: str) -> None:
    source = open_source(name, limit=200)
    content = sum(len(part.text.encode()) for part in source.parts("train"))
    assert content / 200 == pytest.approx(source.story_bytes, rel=0.1)


@pytest.mark.parametrize("name", ["builtin", "builtin:easy"])
def test_a_built_in_corpus_has_about_as_many_words_as_is_said(name: str) -> None:
    source = open_source(name, limit=1500)
    words = {
        word for story in source.parts("train") for word in WORD_AS_ENCODED.findall(story.text)
    }
    assert len(words) == pytest.approx(BUILTIN[name].words, rel=0.15)
