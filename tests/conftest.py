"""Fixtures that many tests share: tiny models of both families, and one tiny prepared directory.

PyTorch is imported inside the fixtures, so that tests without it stay quick.
"""

from __future__ import annotations

import contextlib
import faulthandler
import itertools
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.surroundings import (
    HOME_VARIABLE,
    is_ones_own,
    must_restart,
    remove_home,
    restart,
    take_known_surroundings,
)

if TYPE_CHECKING:
    from slm.config import GPTConfig
    from slm.model import GPT

NO_COLOR = bool(os.environ.get("NO_COLOR"))  # what people wish of pytest's own report
RESTARTS = HOME_VARIABLE not in os.environ and must_restart(os.environ)
HOME = take_known_surroundings()  # before anything else is imported, and for all child processes

MODERN = {
    "norm": "rmsnorm",
    "position": "rope",
    "mlp": "swiglu",
    "qk_norm": True,
    "bias": False,
    "n_kv_head": 2,
}
FAMILIES: dict[str, dict[str, Any]] = {"gpt2": {}, "modern": MODERN}
TINY = {
    "vocab_size": 97,
    "block_size": 16,
    "n_layer": 2,
    "n_head": 4,
    "n_embd": 32,
    "mlp_dim": 48,
    "dropout": 0.0,
}


def pytest_configure(config: pytest.Config) -> None:
    if RESTARTS:
        remove_home(HOME)
        if (capture := config.pluginmanager.getplugin("capturemanager")) is not None:
            capture.stop_global_capturing()
        restart()
    _let_examples_take_time()
    if NO_COLOR and config.option.color == "auto":
        config.option.color = "no"
    if HOME is not None and hasattr(config, "cache"):
        # What is the same in every run, and takes seconds to make, is kept from one to the next.
        for variable, name in (("SLM_CACHE", "slm"), ("MPLCONFIGDIR", "matplotlib")):
            with contextlib.suppress(OSError):  # the folder of the project may be read-only
                folder = config.cache.mkdir(name)
                if is_ones_own(folder):
                    os.environ[variable] = str(folder)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their argument: those of an archive may differ in each process.

    Processes that run the tests side by side have to agree on all names.
    """
    return argname if isinstance(val, bytes) else None


def _let_examples_take_time() -> None:
    """Hypothesis would fail where an example takes 200 ms, or drawing ten of them a second."""
    from hypothesis import HealthCheck, settings

    patient = settings(
        settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.register_profile("any machine", patient)
    settings.load_profile("any machine")


def pytest_sessionfinish(session: pytest.Session) -> None:
    session.config.add_cleanup(lambda: _end_now(int(session.exitstatus)))


def _end_now(status: int) -> None:
    """End the process when all is told, and show which threads would not have let it end.

    Left to Python, a run that had been told whole has hung while the interpreter shut down.
    """
    remove_home(HOME)
    left = [each for each in threading.enumerate() if not each.daemon]
    left.remove(threading.main_thread())
    if left:
        print(f"threads left by the tests: {left}", file=sys.stderr)
        faulthandler.dump_traceback()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # some test has closed it
            stream.flush()
    os._exit(status)


@pytest.fixture
def heeds_hangup() -> Iterator[None]:
    """SIGHUP has its usual effect, also where the tests run under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def counted_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs with a time budget count their time: 10 ms for every look at the clock.

    So a busy machine makes as many steps of them as an idle one.
    """
    from slm.runs import run_trainer
    from slm.training.budget import Budget

    def counted(config: Any, *, began_at: float | None, **state: Any) -> Budget:
        looks = itertools.count()
        began_at = None if began_at is None else 0.0
        return Budget(config, began_at=began_at, clock=lambda: 0.01 * next(looks), **state)

    monkeypatch.setattr(run_trainer, "Budget", counted)


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., GPTConfig]:
    """`tiny_config(family, **changes)`: a small shape of the `gpt2` or the `modern` family."""
    from slm.config import GPTConfig

    def make(family: str, **changes: Any) -> GPTConfig:
        return GPTConfig(**{**TINY, **FAMILIES[family], **changes})

    return make


@pytest.fixture(scope="session")
def tiny_model(tiny_config: Callable[..., GPTConfig]) -> Callable[..., GPT]:
    """`tiny_model(family, seed=0, spread=1.0, **changes)`: a small seeded model.

    `spread` multiplies its matrices: an untrained model attends almost evenly, and with larger
    weights an error in the attention cannot hide.
    """
    import torch

    from slm.model import GPT

    def make(family: str, *, seed: int = 0, spread: float = 1.0, **changes: Any) -> GPT:
        torch.manual_seed(seed)
        model = GPT(tiny_config(family, **changes))
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() == 2:
                    parameter.mul_(spread)
                elif spread != 1.0:  # norms and biases other than one and zero are seen, too
                    parameter.add_(0.1 * torch.randn_like(parameter))
        return model

    return make


def tell_stories(n_stories: int, seed: int) -> str:
    """Simple English that a small model learns fast, stories apart as `.txt` sources have them."""
    chance = random.Random(seed)
    names = ["Tom", "Lily", "Max", "Anna", "Ben", "Mia"]
    things = ["a red ball", "a big dog", "the old tree", "a small bird", "some cake"]
    verbs = ["saw", "liked", "found", "wanted", "lost"]
    stories = []
    for _ in range(n_stories):
        name, friend = chance.sample(names, 2)
        stories.append(
            f"One day {name} {chance.choice(verbs)} {chance.choice(things)}. "
            f"{friend} came and {chance.choice(verbs)} {chance.choice(things)}, too. "
            f"{name} and {friend} were happy."
        )
    return "\n<|endoftext|>\n".join(stories) + "\n"


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared directory of 40 kB of simple English in bytes (257 ids); leave it as it is."""
    from slm.data.prepare import prepare

    folder = tmp_path_factory.mktemp("tiny")
    source = folder / "stories.txt"
    source.write_text(tell_stories(400, seed=0), encoding="utf-8", newline="\n")
    prepare(str(source), "bytes", folder / "data", validation_fraction=0.1)
    return folder / "data"


Slm = Callable[..., tuple[int, str, str]]
"""Runs `slm` in this process: exit code, stdout, stderr."""


@pytest.fixture
def slm(capsys: pytest.CaptureFixture[str]) -> Slm:
    from slm.cli import main

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
