"""A full disk is known behind any error, and before any work."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from slm.errors import DataError, NoSpaceError
from slm.storage.disk_space import NO_SPACE, find_no_space, require_space

Usage = namedtuple("Usage", "total used free")


def full(number: int = errno.ENOSPC, name: str | None = "there/file") -> OSError:
    return OSError(number, os.strerror(number), name)


@pytest.mark.parametrize("number", sorted(NO_SPACE))
def test_it_is_found_however_often_it_was_wrapped(number: int) -> None:
    try:
        try:
            raise full(number)
        except OSError as error:
            raise RuntimeError("a library") from error
    except RuntimeError:
        try:
            raise DataError("cannot read it") from None
        except DataError as error:
            found = find_no_space(error)
    assert found is not None
    assert found.exit_code == 4
    assert "there/file" in found.message
    assert os.strerror(number) in found.message


def test_it_is_found_in_words_and_without_a_name() -> None:
    found = find_no_space(RuntimeError("I/O error: No space left on device (os error 28)"))
    assert (found is not None) == (os.strerror(28) == "No space left on device")
    nameless = find_no_space(full(name=None))
    assert nameless is not None
    assert "the output" in nameless.message
    ours = NoSpaceError("ours")
    assert find_no_space(ours) is ours


@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "no"), ValueError("No space left on device"), OSError("x")]
)
def test_other_errors_are_not_it(error: Exception) -> None:
    assert find_no_space(error) is None


def test_a_chain_that_bites_its_tail_ends() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert find_no_space(first) is None


def test_too_small_a_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(9999, 8999, 1000))
    require_space(tmp_path, 1000)
    with pytest.raises(NoSpaceError, match=r"1,001 bytes are needed.*1,000 are free") as caught:
        require_space(tmp_path, 1001)
    assert str(tmp_path) in caught.value.message


def test_a_system_that_does_not_tell_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> Usage:
        raise OSError(errno.ENOSYS, "unknown")

    monkeypatch.setattr(shutil, "disk_usage", refuse)
    require_space(tmp_path, 1 << 60)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_too_low_a_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda which: (4096, resource.RLIM_INFINITY))
    require_space(tmp_path, 9, largest_file=4096)
    with pytest.raises(NoSpaceError, match=r"4,097 bytes.*4,096 bytes") as caught:
        require_space(tmp_path, 9, largest_file=4097)
    assert str(tmp_path) in caught.value.message
