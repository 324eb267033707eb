"""The checks bite: each fails when the protection that it is about is taken away."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from slm.errors import SlmError
from tests.faults.mutants import IN_CI, MUTANTS

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the shims of some checks know Linux only"
)


def test_every_mutant_changes_the_code_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for mutant in MUTANTS:
        with monkeypatch.context() as patch:
            mutant.mutate(patch)


@pytest.mark.usefixtures("fsync_at_once")
def test_every_mutant_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soak: bool
) -> None:
    chosen = [mutant for mutant in MUTANTS if soak or mutant.name in IN_CI]
    assert len(chosen) == (len(MUTANTS) if soak else len(IN_CI))
    caught, missed = [], []
    for number, mutant in enumerate(chosen):
        sound, maimed = tmp_path / f"{number}-sound", tmp_path / f"{number}-maimed"
        sound.mkdir()
        maimed.mkdir()
        mutant.check(sound)
        with monkeypatch.context() as patch:
            mutant.mutate(patch)
            try:
                mutant.check(maimed)
            except (AssertionError, SlmError) as error:
                reason = (str(error) or type(error).__name__).splitlines()[0]
                reason = reason.replace(f"{maimed}/", "")
                caught.append(f"{mutant.name}: {reason[:100]}")
            else:
                missed.append(mutant.name)
    print(f"{len(caught)} of {len(chosen)} mutants caught:", *caught, sep="\n  ")
    assert missed == []
