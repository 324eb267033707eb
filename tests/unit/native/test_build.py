from __future__ import annotations

import ctypes
import shutil
from pathlib import Path

import pytest

from slm.errors import UsageError
from slm.native import build as native_build
from slm.native.build import PLAIN_FLAGS, NativeUnavailableError, build_library

QUICK = (*PLAIN_FLAGS, "-O0")
needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(native_build.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.slow
@needs_compiler
def test_the_compiler_runs_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    build_library(QUICK, log=said.append)
    assert said == ["compiling the native engine for this processor, once"]
    assert [path.suffix for path in cache.iterdir()] == [".so"]
    monkeypatch.setenv("CXX", "/nowhere/c++")
    assert isinstance(build_library(QUICK, log=said.append), ctypes.CDLL)
    assert len(said) == 1


@pytest.mark.parametrize("words", ["env {}", "{} -g0"])
@pytest.mark.slow
@needs_compiler
def test_a_compiler_with_arguments(
    cache: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    [compiler] = native_build._compiler()
    monkeypatch.setenv("CXX", words.format(compiler))
    assert isinstance(build_library(QUICK), ctypes.CDLL)


def test_no_compiler(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(NativeUnavailableError, match="no-such-compiler"):
        build_library(QUICK)


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in (native_build.CACHE_VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(UsageError, match="has no home") as caught:
        native_build.users_cache()
    assert native_build.CACHE_VARIABLE in str(caught.value.hint)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(NativeUnavailableError, match="no-such-compiler"):  # not for the cache
        build_library(QUICK)


def test_a_compiler_that_fails(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "broken"
    compiler.write_text("#!/bin/sh\necho 'it is broken' >&2\nexit 1\n")
    compiler.chmod(0o700)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(NativeUnavailableError, match="it is broken"):
        build_library(QUICK)
    assert list(cache.iterdir()) == []


def test_code_is_loaded_only_from_a_folder_of_ones_own(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(mode=0o777)
    cache.chmod(0o777)
    monkeypatch.setenv("CXX", "no-such-compiler")
    planted = cache / f"slm-native-{native_build._fingerprint(QUICK)}.so"
    planted.write_bytes(b"not a library")
    with pytest.raises(NativeUnavailableError, match="no-such-compiler"):
        build_library(QUICK)
