"""Save, kill, damage, prune, clean, load in any order: the newest valid checkpoint wins."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from slm.checkpoint import clean_run, prune, step_directories
from slm.errors import CheckpointError
from slm.storage.files import readable_directory
from tests.faults import tiny_run
from tests.faults.operations import count_operations, hooked_operations


class Death(BaseException):
    """The process is gone: nothing that it does from here on has an effect."""


def die_at(operation: int, action: Callable[[], object]) -> bool:
    """Do something until its n-th file operation; returns whether it came to its end."""
    count = 0

    def before(half: Callable[[], object] | None = None) -> None:
        nonlocal count
        count += 1
        if count == operation and half is not None:
            half()
        if count >= operation:
            raise Death

    with hooked_operations(before):
        try:
            action()
        except Death:
            return False
    return True


KEPT = st.sampled_from([3, 2, 1])
CHANCE = st.integers(0, 2**32).map(random.Random)


class NewestWins(RuleBasedStateMachine):
    """A run directory, and what should be in it: the valid steps, and the best model's step."""

    def __init__(self) -> None:
        super().__init__()
        self.run = Path(tempfile.mkdtemp(prefix="newest-wins-"))
        self.valid: set[int] = set()
        self.best: int | None = None
        """None where there is none, or a damaged one."""
        self.best_is_damaged = False

    def teardown(self) -> None:
        shutil.rmtree(self.run)

    # -- what a trainer does ---------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        for _ in range(3):
            self.save(keep=3, ahead=1)
        self.save_best(3)

    @rule(keep=KEPT, ahead=st.integers(1, 3))
    def save(self, keep: int, ahead: int) -> None:
        """A new step, above every one that is there."""
        step = max((self._step_of(d) for d in step_directories(self.run)), default=0) + ahead
        tiny_run.write_step(self.run, step, keep)
        self._saved(step)

    @precondition(lambda self: self.valid)
    @rule(keep=KEPT)
    def save_again(self, keep: int) -> None:
        """The step that the run would go on from."""
        step = max(self.valid)
        tiny_run.write_step(self.run, step, keep)
        self._saved(step)

    @rule(step=st.integers(1, 99))
    def save_best(self, step: int) -> None:
        tiny_run.write_best_of(self.run, step)
        self.best, self.best_is_damaged = step, False

    @rule(keep=KEPT)
    def prune(self, keep: int) -> None:
        prune(self.run, keep)
        self._look_what_pruning_left()

    @rule()
    def clean(self) -> None:
        """As each start does."""
        before = {d.name for d in step_directories(self.run)}
        clean_run(self.run)
        assert {d.name for d in step_directories(self.run)} == before
        assert not list(self.run.rglob(".partial-*"))

    # -- what befalls it -------------------------------------------------------------------------

    @rule(share=st.floats(0.0, 1.0), again=st.booleans())
    def die_while_saving(self, share: float, again: bool) -> None:
        """Anywhere in a save: the old or the new one is there."""
        new = max((self._step_of(d) for d in step_directories(self.run)), default=0) + 1
        step = max(self.valid) if again and self.valid else new
        operation = 1 + int(share * OPERATIONS["step"])
        ended = die_at(operation, lambda: tiny_run.write_step(self.run, step))
        try:
            found = tiny_run.newest_step(self.run, [])
        except CheckpointError:
            found = None
        assert found == step or (not ended and found == max(self.valid, default=None))
        if found is not None:
            self.valid.add(found)
        self._look_what_pruning_left()
        clean_run(self.run)

    @precondition(lambda self: not self.best_is_damaged)
    @rule(share=st.floats(0.0, 1.0), step=st.integers(1, 99))
    def die_while_saving_the_best(self, share: float, step: int) -> None:
        operation = 1 + int(share * OPERATIONS["best"])
        ended = die_at(operation, lambda: tiny_run.write_best_of(self.run, step))
        if ended or (self.run / "best").exists() or self.best is not None:
            found = tiny_run.best_step(self.run)
            assert found in {step, self.best}
            assert found == step or not ended
            self.best = found
        clean_run(self.run)

    @precondition(lambda self: self.valid)
    @rule(chance=CHANCE, cut=st.booleans())
    def damage_the_newest(self, chance: random.Random, cut: bool) -> None:
        """Flip a bit of any of its files, or cut one off."""
        self._damage(max(self.valid), chance, cut)

    @precondition(lambda self: self.valid)
    @rule(chance=CHANCE)
    def damage_any(self, chance: random.Random) -> None:
        self._damage(chance.choice(sorted(self.valid)), chance, cut=False)

    @precondition(lambda self: self.best is not None)
    @rule(chance=CHANCE)
    def damage_best(self, chance: random.Random) -> None:
        directory = readable_directory(self.run / "best")
        self._harm(chance.choice(sorted(directory.iterdir())), chance, cut=False)
        self.best, self.best_is_damaged = None, True

    # -- what must be so -------------------------------------------------------------------------

    @invariant()
    def the_newest_valid_checkpoint_wins(self) -> None:
        warnings: list[str] = []
        if self.valid:
            assert tiny_run.newest_step(self.run, warnings) == max(self.valid)
            newer = [d for d in step_directories(self.run) if self._step_of(d) > max(self.valid)]
            assert len(warnings) == len(newer)
        elif step_directories(self.run):
            with pytest.raises(CheckpointError, match="no valid checkpoint"):
                tiny_run.newest_step(self.run, warnings)

    @invariant()
    def the_best_is_the_last_one_saved(self) -> None:
        if self.best is not None:
            assert tiny_run.best_step(self.run) == self.best
        elif self.best_is_damaged:
            with pytest.raises(CheckpointError):
                tiny_run.best_step(self.run)

    # -- helpers ---------------------------------------------------------------------------------

    def _saved(self, step: int) -> None:
        self.valid.add(step)
        self._look_what_pruning_left()

    def _look_what_pruning_left(self) -> None:
        """Whatever went, the newest valid one has stayed."""
        there = {self._step_of(d) for d in step_directories(self.run)}
        if self.valid:
            assert max(self.valid) in there
        self.valid &= there

    def _damage(self, step: int, chance: random.Random, cut: bool) -> None:
        directory = self._directory(step)
        self._harm(chance.choice(sorted(directory.iterdir())), chance, cut)
        self.valid.remove(step)

    def _harm(self, file: Path, chance: random.Random, cut: bool) -> None:
        content = bytearray(file.read_bytes())
        if cut:
            del content[chance.randrange(len(content)) :]
        else:
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)

    def _directory(self, step: int) -> Path:
        return readable_directory(self.run / "checkpoints" / f"step-{step:06d}")

    @staticmethod
    def _step_of(directory: Path) -> int:
        return int(directory.name.removeprefix("step-"))


OPERATIONS = {"step": 0, "best": 0}
"""How many file operations there are in a save that replaces another one."""


@pytest.mark.usefixtures("fsync_at_once")
def test_the_newest_valid_checkpoint_wins(tmp_path: Path, soak: bool) -> None:
    for step in (1, 2, 3):
        tiny_run.write_step(tmp_path, step)
        tiny_run.write_best_of(tmp_path, step)
    OPERATIONS["step"] = count_operations(lambda: tiny_run.write_step(tmp_path, 3))
    OPERATIONS["best"] = count_operations(lambda: tiny_run.write_best_of(tmp_path, 3))
    assert min(OPERATIONS.values()) > 20
    n_examples = 2500 if soak else 50
    run_state_machine_as_test(
        NewestWins,
        settings=settings(
            max_examples=n_examples,
            stateful_step_count=20,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"{n_examples} sequences of up to 20 saves, deaths, damages and cleanings")
