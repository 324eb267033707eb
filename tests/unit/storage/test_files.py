"""Whole or absent: atomic writes, and what death in between leaves."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from slm.errors import NoSpaceError, WriteError
from slm.storage import files
from slm.storage.files import (
    atomic_directory,
    atomic_open,
    atomic_write,
    make_directory,
    readable_directory,
    remove_directory,
    remove_partials,
    settle_directory,
    sha256_of_file,
    without_aside,
    write_errors,
)

posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX limits and signals")


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def fill(path: Path, text: str) -> None:
    with atomic_directory(path) as place:
        (place / "a.txt").write_text(text, "utf-8")
        (place / "deep").mkdir()
        (place / "deep" / "b.txt").write_text(text, "utf-8")


def content(path: Path) -> str:
    texts = {(path / name).read_text("utf-8") for name in ("a.txt", "deep/b.txt")}
    assert len(texts) == 1, "a mixture of old and new"
    return texts.pop()


def refuse(number: int) -> Callable[..., None]:
    def raiser(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    return raiser


# -- one file ------------------------------------------------------------------------------------


def test_text_is_written_as_utf8_with_its_own_line_ends(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a", "ä\r\nb\n")
    assert (tmp_path / "a").read_bytes() == "ä\r\nb\n".encode()
    assert names(tmp_path) == ["a"]


def test_a_file_is_replaced(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a", b"old")
    atomic_write(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def test_an_error_in_the_block_leaves_the_old_file_alone(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a", b"old")

    def fail_half_way() -> None:
        with atomic_open(tmp_path / "a") as stream:
            stream.write(b"new")
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_new_file_has_the_rights_that_the_umask_gives(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a", b"")
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize("name", ["x" * 255, "ä" * 127])
def test_the_longest_names_can_be_written(tmp_path: Path, name: str) -> None:
    atomic_write(tmp_path / name, b"1")
    assert names(tmp_path) == [name]


def test_threads_that_write_the_same_file_leave_one_whole_version(tmp_path: Path) -> None:
    versions = [bytes([k]) * 100_000 for k in range(8)]

    def write(version: bytes) -> None:
        for _ in range(5):
            atomic_write(tmp_path / "a", version)

    threads = [threading.Thread(target=write, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_bytes() in versions
    assert names(tmp_path) == ["a"]


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", "utf-8")
    with pytest.raises(WriteError, match="file where a folder should be"):
        atomic_write(tmp_path / "file" / "a", b"")
    with pytest.raises(WriteError, match="file where a folder should be"):
        make_directory(tmp_path / "file")
    with pytest.raises(WriteError, match="file where a folder should be"):
        make_directory(tmp_path / "file" / "deeper")
    with pytest.raises(WriteError, match="file where a folder should be"):
        fill(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text("utf-8") == "x"
    assert names(tmp_path) == ["file"]


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(WriteError):
        atomic_write(tmp_path / "a", b"")
    assert names(tmp_path) == ["a"]


def test_the_flush_comes_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("rename"), replace(a, b))[1])
    atomic_write(tmp_path / "a", b"x")
    assert calls == (["fsync", "rename"] if os.name == "nt" else ["fsync", "rename", "fsync"])


def test_made_directories_are_flushed_in_their_parents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(files, "fsync_directory", flushed.append)
    make_directory(tmp_path / "a" / "b")
    assert flushed == [tmp_path, tmp_path / "a"]
    make_directory(tmp_path / "a" / "b")
    assert len(flushed) == 2


# -- errors of the system ------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_space_has_an_error_of_its_own(number: int, tmp_path: Path) -> None:
    with pytest.raises(NoSpaceError, match=r"there") as caught, write_errors(tmp_path / "there"):
        refuse(number)()
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EIO])
def test_other_refusals_name_the_path_and_the_reason(number: int, tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=os.strerror(number)) as caught, write_errors(tmp_path):
        refuse(number)()
    assert caught.value.exit_code == 1
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("target", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_refused_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, number: int
) -> None:
    atomic_write(tmp_path / "a", b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, target, refuse(number))
        with pytest.raises(NoSpaceError if number == errno.ENOSPC else WriteError):
            atomic_write(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(errno.ECONNRESET, "reset by peer"),
        FileNotFoundError(errno.ENOENT, "no such file", "elsewhere/source.txt"),
        OSError(errno.ENOSPC, "no space", "elsewhere/source.txt"),
        TimeoutError("too slow"),
    ],
)
def test_errors_that_are_not_about_writing_keep_their_kind(tmp_path: Path, error: OSError) -> None:
    def read_elsewhere() -> None:
        raise error

    with pytest.raises(type(error)) as caught, atomic_open(tmp_path / "a"):
        read_elsewhere()
    assert caught.value is error
    with pytest.raises(type(error)) as caught, atomic_directory(tmp_path / "b"):
        read_elsewhere()
    assert caught.value is error
    assert names(tmp_path) == []


def test_a_full_disk_inside_a_directory_block(tmp_path: Path) -> None:
    with pytest.raises(NoSpaceError, match="b"), atomic_directory(tmp_path / "b"):
        refuse(errno.ENOSPC)()
    with pytest.raises(WriteError), atomic_directory(tmp_path / "b") as place:
        (place / "missing" / "a").write_bytes(b"")
    assert names(tmp_path) == []


@posix_only
def test_a_real_file_size_limit(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a", b"old")
    code = """
import resource, sys
from pathlib import Path
from slm.errors import NoSpaceError
from slm.storage.files import atomic_write
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    atomic_write(Path(sys.argv[1]), bytes(200_000))
except NoSpaceError as error:
    sys.exit(error.exit_code)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], check=False)
    assert done.returncode == 4
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


# -- one directory -------------------------------------------------------------------------------


def test_a_directory_appears_whole_and_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "made" / "on" / "the" / "way"
    fill(path, "old")
    assert content(path) == "old"
    fill(path, "new")
    assert content(path) == "new"
    assert names(path.parent) == ["way"]


def test_an_error_in_the_block_leaves_the_old_directory_alone(tmp_path: Path) -> None:
    fill(tmp_path / "d", "old")

    def fail_half_way() -> None:
        with atomic_directory(tmp_path / "d") as place:
            (place / "a.txt").write_text("new", "utf-8")
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert content(tmp_path / "d") == "old"
    assert names(tmp_path) == ["d"]


def test_every_file_and_folder_is_flushed_before_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    flush, rename = files._fsync_file, files._rename
    monkeypatch.setattr(files, "_fsync_file", lambda p: (calls.append(p.name), flush(p))[1])
    monkeypatch.setattr(files, "_rename", lambda a, b: (calls.append("rename"), rename(a, b))[1])
    fill(tmp_path / "d", "x")
    before = calls[: calls.index("rename")]
    assert {"a.txt", "b.txt"} <= set(before)
    if os.name != "nt":
        assert "deep" in before
        assert calls[-1] == tmp_path.name


class Death(BaseException):
    """The process is gone: nothing that it does from here on has an effect."""


OPERATIONS = ("open", "mkdir", "rename", "replace", "unlink", "rmdir", "fsync")


def die_at(monkeypatch: pytest.MonkeyPatch, operation: int) -> Callable[[], int]:
    """Make the k-th operation on the disk, and all later ones, fail; returns their counter."""
    count = 0

    def deadly(original: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            nonlocal count
            count += 1
            if count >= operation:
                raise Death
            return original(*args, **kwargs)

        return call

    for name in OPERATIONS:
        monkeypatch.setattr(os, name, deadly(getattr(os, name)))
    return lambda: count


def test_death_at_any_operation_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()
    for operation in range(1, 100):
        path = tmp_path / str(operation) / "d"
        fill(path, "old")
        with monkeypatch.context() as patch:
            die_at(patch, operation)
            try:
                fill(path, "new")
                died = False
            except Death:
                died = True
        found = content(readable_directory(path))
        seen.add((died, found, path.exists()))
        remove_partials(path.parent)
        assert content(path) == found
        assert names(path.parent) == ["d"]
        fill(path, "next")
        assert content(path) == "next"
        assert names(path.parent) == ["d"]
        if not died:
            break
    assert not died, "the loop has to reach the end of a write"
    assert seen == {
        (True, "old", True),  # before the renames
        (True, "old", False),  # between them: the old one is aside
        (True, "new", True),  # after them
        (False, "new", True),
    }


def test_a_refusal_at_any_operation_is_an_error_of_ours_and_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = set()
    for operation in range(1, 100):
        path = tmp_path / str(operation) / "d"
        fill(path, "old")
        count = 0

        def full_disk(original: Callable[..., object]) -> Callable[..., object]:
            def call(*args: object, **kwargs: object) -> object:
                nonlocal count
                count += 1
                if count == operation:  # noqa: B023 - called within this turn of the loop
                    raise OSError(errno.ENOSPC, "no space")
                return original(*args, **kwargs)

            return call

        with monkeypatch.context() as patch:
            for name in ("mkdir", "replace", "fsync"):
                patch.setattr(os, name, full_disk(getattr(os, name)))
            try:
                fill(path, "new")
                outcome = "done"
            except NoSpaceError:
                outcome = "refused"
        outcomes.add((outcome, content(path)))
        if outcome == "refused":
            assert names(path.parent) == ["d"]
        remove_partials(path.parent)  # a finished write may have left the old one aside
        assert names(path.parent) == ["d"]
        if count < operation:
            break
    assert outcomes == {("refused", "old"), ("refused", "new"), ("done", "new")}


def test_a_stale_old_directory_never_replaces_a_newer_one(tmp_path: Path) -> None:
    fill(tmp_path / ".partial-d-old", "stale")
    fill(tmp_path / "d", "newer")
    assert readable_directory(tmp_path / "d") == tmp_path / "d"
    settle_directory(tmp_path / "d")
    assert content(tmp_path / "d") == "newer"
    assert names(tmp_path) == ["d"]


def test_leftovers_of_files_and_directories_go(tmp_path: Path) -> None:
    fill(tmp_path / ".partial-x-0a1b2c3d", "half")
    (tmp_path / ".partial-y-00000000").write_bytes(b"half")
    (tmp_path / "kept").write_bytes(b"whole")
    fill(tmp_path / ".partial-best-old", "old")
    remove_partials(tmp_path)
    assert names(tmp_path) == ["best", "kept"]
    assert content(tmp_path / "best") == "old"


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights on Windows")
def test_removing_leftovers_follows_no_link(tmp_path: Path) -> None:
    fill(tmp_path / "outside", "kept")
    inside = make_directory(tmp_path / "run")
    (inside / ".partial-x-0a1b2c3d").symlink_to(tmp_path / "outside", target_is_directory=True)
    remove_partials(inside)
    assert names(inside) == []
    assert content(tmp_path / "outside") == "kept"


def test_a_removed_directory_is_never_seen_half_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "d", "x")
    for operation in range(1, 20):
        if not (tmp_path / "d").exists():
            break
        assert content(tmp_path / "d") == "x"
        with monkeypatch.context() as patch:
            die_at(patch, operation)
            with pytest.raises(Death):
                remove_directory(tmp_path / "d")
    remove_partials(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("place", [".", "/", ".."])
def test_places_without_a_name_are_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert readable_directory(Path(place)) == Path(place)
    settle_directory(Path(place))
    if place != "..":
        with pytest.raises(WriteError, match="it has no name"):
            atomic_write(Path(place), "x")
        with pytest.raises(WriteError, match="it has no name"), atomic_directory(Path(place)):
            pass
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["x" * 250, "x" * 10_000])
def test_names_that_are_too_long_have_an_error_of_ours(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert readable_directory(path) == path
    settle_directory(path)
    if len(name) > 255:
        with pytest.raises(WriteError), atomic_directory(path):
            pass
    else:
        fill(path, "old")
        assert readable_directory(path) == path


@pytest.mark.parametrize("name", [".partial-old", ".partial--old", ".partial-.-old"])
def test_leftovers_of_nobody_are_only_leftovers(tmp_path: Path, name: str) -> None:
    fill(tmp_path / name, "planted")
    assert without_aside(tmp_path / name) == tmp_path / name
    remove_partials(tmp_path)
    assert names(tmp_path) == []


# -- checksums -----------------------------------------------------------------------------------


def test_checksums_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of_file(tmp_path / "a") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_what_is_being_written_can_be_measured(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(bytes(1000))
    assert files.partial_bytes(tmp_path / "model") == 0
    with files.atomic_open(tmp_path / "model") as stream:
        stream.write(bytes(30))
        stream.flush()
        assert files.partial_bytes(tmp_path / "model") == 30
        assert files.partial_bytes(tmp_path / "other") == 0
        assert files.partial_bytes(tmp_path / "nowhere" / "model") == 0
    with files.atomic_directory(tmp_path / "folder") as folder:
        (folder / "a").write_bytes(bytes(5))
        (folder / "b").mkdir()
        (folder / "b" / "c").write_bytes(bytes(6))
        assert files.partial_bytes(tmp_path / "folder") == 11
    assert files.partial_bytes(tmp_path / "folder") == 0
