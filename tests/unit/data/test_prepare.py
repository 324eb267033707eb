"""Preparation: what is written, when it is done again, and that no half of it looks whole."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import slm.data.prepare as prepare_module
import slm.tokenizer
from slm.data.documents import DocumentPart
from slm.data.prepare import PrepareProgress, prepare
from slm.data.shards import DataDirectory
from slm.data.splits import Split
from slm.errors import ConfigError, DataError, RunLockedError, TokenizerError, UsageError
from slm.storage.files import PARTIAL_PREFIX
from slm.storage.locks import directory_lock
from slm.tokenizer import Tokenizer, build_tokenizer

EOT = "<|endoftext|>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two splits: four stories for training, two held out."""
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / "train.txt").write_bytes(f"ab\n{EOT}\ncdé\n{EOT}\nx {EOT} y\n{EOT}\nlast\n".encode())
    (folder / "validation.txt").write_bytes(f"v\n{EOT}\nww\n".encode())
    return folder


@pytest.mark.parametrize("name", ["train.bin", "validation.bin", "tokenizer.json", "meta.json"])
@pytest.mark.parametrize("force", [False, True])
def test_files_of_others_are_never_replaced(
    folder: Path, tmp_path: Path, name: str, force: bool
) -> None:
    out = tmp_path / "theirs"
    out.mkdir()
    (out / name).write_bytes(b'{"version": "1.0", "mine": true}')
    with pytest.raises(UsageError, match=f"{name} was not made by slm prepare") as caught:
        prepare(str(folder), "bytes", out, force=force)
    assert caught.value.hint is not None
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        name: b'{"version": "1.0", "mine": true}'
    }
    (out / name).rename(out / "elsewhere")  # as the hint says
    assert prepare(str(folder), "bytes", out, force=force).meta.splits.train.stories == 4


def test_data_without_their_lock_file_are_ours_all_the_same(folder: Path, tmp_path: Path) -> None:
    prepare(str(folder), "bytes", tmp_path / "out")
    (tmp_path / "out" / ".lock").unlink()  # as copying without hidden files does
    assert prepare(str(folder), "chars", tmp_path / "out").meta.tokenizer.name == "chars"


class MemorySource:
    """A source whose stories are given, with counters."""

    name = "memory"
    expected_stories: int | None = None
    expected_bytes: int | None = None
    story_bytes: float | None = None

    def __init__(self, train: Sequence[DocumentPart], validation: Sequence[DocumentPart]) -> None:
        self._parts: dict[Split, Sequence[DocumentPart]] = {
            "train": train,
            "validation": validation,
        }
        self.forgotten = 0

    def identity(self) -> dict[str, Any]:
        return {"kind": "memory", "name": self.name}

    def details(self) -> dict[str, Any]:
        return {"note": "seen"}

    def forget(self) -> None:
        self.forgotten += 1

    def parts(self, split: Split) -> Iterator[DocumentPart]:
        return iter(self._parts[split])


def one_story(text: str = "some text") -> list[DocumentPart]:
    return [DocumentPart(text, ends_story=True)]


def test_files_are_raw_ids_that_nanogpt_can_read(folder: Path, tmp_path: Path) -> None:
    data = prepare(str(folder), "bytes", tmp_path / "out")
    train = np.memmap(tmp_path / "out" / "train.bin", dtype=np.uint16, mode="r")
    stories = ["ab", "cdé", f"x {EOT} y", "last"]
    expected = [token for story in stories for token in [*story.encode(), 256]]
    assert train.tolist() == expected
    assert data.tokens("train").tolist() == expected
    meta = json.loads((tmp_path / "out" / "meta.json").read_text("utf-8"))
    assert (meta["format"], meta["version"], meta["dtype"]) == ("slm-data", 1, "uint16")
    record = data.split("train")
    assert (record.stories, record.tokens, record.longest_story) == (4, len(expected), 18)
    assert record.bytes == sum(len(story.encode()) for story in stories)
    assert data.split("validation").bytes == 3
    assert data.bytes_per_token("validation") == 3 / 5
    assert data.tokenizer.fingerprint == meta["tokenizer"]["fingerprint"]
    assert meta["created_by"].startswith("slm ")


def test_parts_of_a_story_get_one_end(tmp_path: Path) -> None:
    parts = [DocumentPart("one\n", False), DocumentPart("two", True), DocumentPart("x", True)]
    source = MemorySource(parts, one_story())
    data = prepare(source, "bytes", tmp_path / "out")
    assert data.tokens("train").tolist() == [*b"one\ntwo", 256, *b"x", 256]
    assert data.split("train").longest_story == 8
    assert data.meta.details == {"note": "seen"}


def test_wide_ids_for_a_large_vocabulary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wide:
        """Every character is the id of its code point."""

        name = "wide"
        vocab_size = 0x110000 + 1
        eot_id = 0x110000
        fingerprint = "0" * 64

        def encode_batch(self, texts: Sequence[str]) -> list[Any]:
            return [np.array([ord(c) for c in text], np.uint32) for text in texts]

    def save(tokenizer: Wide, path: Path) -> None:
        path.write_text("{}", encoding="utf-8")

    monkeypatch.setattr(slm.tokenizer, "build_tokenizer", lambda spec, texts: Wide())
    monkeypatch.setattr(slm.tokenizer, "save_tokenizer", save)
    data = prepare(MemorySource(one_story("a😀"), one_story()), "bytes", tmp_path / "out")
    assert data.meta.dtype == "uint32"
    raw = np.fromfile(tmp_path / "out" / "train.bin", "<u4")
    assert raw.tolist() == data.tokens("train").tolist() == [97, 0x1F600, 0x110000]


def test_many_batches_and_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slm.data.prepare.BATCH_CHARS", 1 << 16)
    stories = [DocumentPart(f"{i} " * 100, ends_story=True) for i in range(5000)]
    seen: list[PrepareProgress] = []
    source = MemorySource(stories, one_story())
    source.expected_stories = 5000
    data = prepare(source, "bytes", tmp_path / "out", progress=seen.append)
    assert data.split("train").size > 2 << 20
    assert data.tokens("train").tolist() == [t for s in stories for t in [*s.text.encode(), 256]]
    train = [event for event in seen if event.stage == "train"]
    assert [event.stories for event in train] == sorted(event.stories for event in train)
    assert train[-1].fraction == 1.0
    assert train[-1].tokens == data.split("train").tokens


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The specifications of all tokenizers that were built."""
    calls: list[str] = []

    def counting(spec: str, texts: Any) -> Tokenizer:
        calls.append(spec)
        return build_tokenizer(spec, texts)

    monkeypatch.setattr(slm.tokenizer, "build_tokenizer", counting)
    return calls


def test_nothing_is_done_twice(folder: Path, tmp_path: Path, builds: list[str]) -> None:
    out = tmp_path / "out"
    prepare(str(folder), "bpe:300", out)
    before = (out / "train.bin").stat().st_mtime_ns
    prepare(str(folder), "bpe:300", out)
    assert builds == ["bpe:300"]
    assert (out / "train.bin").stat().st_mtime_ns == before
    prepare(str(folder), "bpe:300", out, force=True)
    assert builds == ["bpe:300"] * 2


@pytest.mark.parametrize("damage", ["text", "tokenizer.json", "train.bin", "meta.json"])
def test_what_changed_is_done_again(
    folder: Path, tmp_path: Path, builds: list[str], damage: str
) -> None:
    out = tmp_path / "out"
    prepare(str(folder), "bytes", out)
    if damage == "text":
        (folder / "train.txt").write_text("something else\n", encoding="utf-8")
    else:
        (out / damage).unlink()
    data = prepare(str(folder), "bytes", out)
    assert len(builds) == 2
    data.tokens("train")


def test_another_request_replaces_and_tells(
    folder: Path, tmp_path: Path, builds: list[str]
) -> None:
    out = tmp_path / "out"
    notes: list[str] = []
    prepare(str(folder), "bytes", out, log=notes.append)
    (out / "my notes.txt").write_text("keep", encoding="utf-8")
    assert len(notes) == 1
    assert "1 marker <|endoftext|> inside lines is kept as text" in notes.pop()
    data = prepare(str(folder), "chars", out, log=notes.append)
    assert data.meta.tokenizer.name == "chars"
    assert "bytes" in notes[0]
    assert len(notes) == 2
    assert (out / "my notes.txt").read_text("utf-8") == "keep"


def test_a_saved_tokenizer_counts_by_its_contents(
    folder: Path, tmp_path: Path, builds: list[str]
) -> None:
    saved = prepare(str(folder), "bytes", tmp_path / "first").path / "tokenizer.json"
    for _ in range(2):
        prepare(str(folder), str(saved), tmp_path / "second")
    assert len(builds) == 2
    other = prepare(str(folder), "chars", tmp_path / "third").path / "tokenizer.json"
    saved.write_bytes(other.read_bytes())
    data = prepare(str(folder), str(saved), tmp_path / "second")
    assert data.meta.tokenizer.name == "chars"


def test_force_fetches_again(tmp_path: Path) -> None:
    source = MemorySource(one_story(), one_story())
    prepare(source, "bytes", tmp_path / "out")
    prepare(source, "bytes", tmp_path / "out")
    assert source.forgotten == 0
    prepare(source, "bytes", tmp_path / "out", force=True)
    assert source.forgotten == 1


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_split_without_stories_leaves_the_old_data(tmp_path: Path, split: str) -> None:
    out = tmp_path / "out"
    prepare(MemorySource(one_story(), one_story()), "bytes", out)
    empty = MemorySource(
        [] if split == "train" else one_story(), [] if split == "validation" else one_story()
    )
    with pytest.raises(DataError, match=f"memory has no {split} stories"):
        prepare(empty, "bytes", out, force=True)
    assert DataDirectory.open(out).tokens("train").size == 10
    assert not list(out.glob(f"{PARTIAL_PREFIX}*"))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), DataError("torn")])
def test_an_interruption_leaves_the_old_data(tmp_path: Path, error: BaseException) -> None:
    class Torn(MemorySource):
        def parts(self, split: Split) -> Iterator[DocumentPart]:
            yield from super().parts(split)
            if split == "validation":
                raise error

    out = tmp_path / "out"
    prepare(MemorySource(one_story("old"), one_story("old")), "bytes", out)
    with pytest.raises(type(error)):
        prepare(Torn(one_story("new"), one_story("new")), "bytes", out, force=True)
    assert bytes(DataDirectory.open(out).tokens("train")[:3].astype(np.uint8)) == b"old"
    assert not list(out.glob(f"{PARTIAL_PREFIX}*"))


def test_a_story_that_is_no_text_is_refused(tmp_path: Path) -> None:
    source = MemorySource(one_story("half \ud800 pair"), one_story())
    with pytest.raises(TokenizerError):
        prepare(source, "bytes", tmp_path / "out")


def test_an_unknown_tokenizer_touches_nothing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        prepare(str(folder), "bpq:300", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_writer_at_a_time(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with directory_lock(out), pytest.raises(RunLockedError):
        prepare(str(folder), "bytes", out)
    prepare(str(folder), "bytes", out)
    with directory_lock(out):
        prepare(str(folder), "bytes", out)  # nothing to do needs no lock


def test_leftovers_of_dead_writers_go(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / f"{PARTIAL_PREFIX}train.bin-1").write_bytes(b"half")
    prepare(str(folder), "bytes", out)
    assert not list(out.glob(f"{PARTIAL_PREFIX}*"))


KILLED = """
import sys
from slm.data.prepare import prepare
print("ready", flush=True)
for round in range(1000):
    prepare(sys.argv[1 + round % 2], "bytes", sys.argv[3], force=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_is_whole_or_not_there(tmp_path: Path) -> None:
    """Two texts take turns; whatever is found after a kill is all of one of them."""
    wholes = []
    for name, count in (("a", 3000), ("b", 3500)):
        stories = "".join(f"{name} {i}\n{EOT}\n" for i in range(count))
        (tmp_path / f"{name}.txt").write_bytes(stories.encode())
        data = prepare(str(tmp_path / f"{name}.txt"), "bytes", tmp_path / name)
        wholes.append((data.tokens("train").tobytes(), data.tokens("validation").tobytes()))
    moments = random.Random(0)
    out = tmp_path / "out"
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, *(str(tmp_path / n) for n in ("a.txt", "b.txt", "out"))],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moments.uniform(0.0, 0.3))
        process.kill()
        process.wait()
        process.stdout.close()
        if not (out / "meta.json").exists():
            continue  # it says itself that it is not prepared
        found = DataDirectory.open(out)
        assert (found.tokens("train").tobytes(), found.tokens("validation").tobytes()) in wholes
    last = prepare(str(tmp_path / "b.txt"), "bytes", out)
    assert last.tokens("train").tobytes() == wholes[1][0]
    assert not list(out.glob(f"{PARTIAL_PREFIX}*"))


def test_death_between_any_two_changes_of_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rename and removal is in turn the first that does not happen any more."""

    class Death(BaseException):
        pass

    out = tmp_path / "out"
    endings = set()
    for survived in range(30):
        prepare(MemorySource(one_story("old"), one_story("OLD")), "bytes", out, force=True)
        with monkeypatch.context() as patch:
            left = survived

            def dying(original: Any) -> Any:
                def call(*args: Any, **options: Any) -> Any:
                    nonlocal left
                    left -= ".lock" not in args[0].name  # a dead process holds no lock
                    if left < 0 and ".lock" not in args[0].name:
                        raise Death
                    return original(*args, **options)

                return call

            patch.setattr(Path, "replace", dying(Path.replace))
            patch.setattr(Path, "unlink", dying(Path.unlink))
            try:
                prepare(MemorySource(one_story("new"), one_story("NEW")), "bytes", out, force=True)
                finished = True
            except Death:
                finished = False
        if not (out / "meta.json").exists():
            endings.add("none")
        else:
            found = DataDirectory.open(out)
            words = [bytes(found.tokens(s)[:3].astype(np.uint8)) for s in ("train", "validation")]
            assert words in ([b"old", b"OLD"], [b"new", b"NEW"])
            endings.add(words[0].decode())
        if finished:
            break
    assert finished
    assert endings == {"old", "none", "new"}


def test_the_old_description_is_gone_from_the_disk_before_the_new_files_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut could leave the old description beside new token files."""
    out = tmp_path / "out"
    prepare(MemorySource(one_story(), one_story()), "bytes", out)
    seen: list[str] = []

    def recorded(original: Any, name: str) -> Any:
        def call(path: Path, *args: Any, **options: Any) -> Any:
            if ".lock" not in path.name and not str(args).count(".lock"):
                seen.append(f"{name} {Path(args[0]).name if args else path.name}")
            return original(path, *args, **options)

        return call

    monkeypatch.setattr(Path, "unlink", recorded(Path.unlink, "unlink"))
    monkeypatch.setattr(Path, "replace", recorded(Path.replace, "rename to"))
    flush = recorded(prepare_module.fsync_directory, "flush")
    monkeypatch.setattr(prepare_module, "fsync_directory", flush)
    prepare(MemorySource(one_story(), one_story()), "bytes", out, force=True)
    first = seen.index("unlink meta.json")
    assert seen[first : first + 2] == ["unlink meta.json", "flush out"]
    assert [step for step in seen if step.startswith("rename")] == [
        *("rename to validation.bin", "rename to train.bin"),
        *("rename to tokenizer.json", "rename to meta.json"),
    ]
    assert first < min(place for place, step in enumerate(seen) if step.startswith("rename"))
