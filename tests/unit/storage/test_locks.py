"""One writer for a directory."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from slm.errors import RunLockedError, SlmError, WriteError
from slm.storage.locks import directory_lock

HOLDER = """
import sys, time
from pathlib import Path
from slm.storage.locks import directory_lock
with directory_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(directory: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(directory)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_holder_is_told_who_the_first_one_is(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    with hold(directory) as process:
        try:
            with pytest.raises(RunLockedError, match=f"pid {process.pid}") as caught:
                directory_lock(directory).__enter__()
            assert caught.value.exit_code == 3
            assert str(directory) in caught.value.message
        finally:
            process.kill()
    with directory_lock(directory):
        assert f"pid {os.getpid()}" in (directory / ".lock-holder").read_text("utf-8")


def test_a_lock_is_free_after_use_and_after_an_error(tmp_path: Path) -> None:
    with directory_lock(tmp_path), pytest.raises(RunLockedError, match=f"pid {os.getpid()}"):
        directory_lock(tmp_path).__enter__()
    with pytest.raises(KeyError), directory_lock(tmp_path):
        raise KeyError
    with directory_lock(tmp_path):
        pass
    assert not (tmp_path / ".lock-holder").exists()


def test_a_holder_without_a_name_is_unknown(tmp_path: Path) -> None:
    with directory_lock(tmp_path):
        (tmp_path / ".lock-holder").unlink()
        with pytest.raises(RunLockedError, match="unknown"):
            directory_lock(tmp_path).__enter__()


def test_a_directory_that_cannot_be_made_cannot_be_locked(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError), directory_lock(tmp_path / "file"):
        pass


def test_a_lock_that_cannot_name_its_holder_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(SlmError), directory_lock(tmp_path):
            pass
    with directory_lock(tmp_path):
        pass
