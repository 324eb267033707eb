"""Every reader meets damaged and hostile input for some seconds, and all that was ever found.

FUZZ_SECONDS is the time for each target, 3 if unset; `python -m tests.faults.fuzz` takes longer.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slm.errors import DataError
from tests.faults.fuzz import CORPUS, attempt, fuzz, save, scratch
from tests.faults.mutations import ODD_VALUES
from tests.faults.readers import TARGETS, Read, Target

SECONDS = float(os.environ.get("FUZZ_SECONDS", "3"))
NAMES = [target.name for target in TARGETS]


@pytest.fixture
def place() -> Iterator[Path]:
    with scratch() as folder:
        yield folder


@pytest.mark.filterwarnings("default")  # what libraries warn of is not what is asked here
@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
def test_only_our_own_errors_come_out(
    target: Target, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = fuzz(target, place, seconds=SECONDS, least=100)
    with capsys.disabled():
        print(f"\nfuzz {report}", end="")

    assert not report.findings, {problem: data[:300] for problem, data in report.findings.items()}
    assert report.refused > 0
    assert report.cases > report.refused


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
def test_what_was_found_before_stays_mended(target: Target, place: Path) -> None:
    with target.reader(place) as (_, read):
        for path in sorted(CORPUS.glob(f"{target.name}-*")):
            _, problem = attempt(read, path.read_bytes())
            assert problem is None, path


def test_every_saved_input_is_of_a_target() -> None:
    assert {path.name.partition("-")[0] for path in CORPUS.iterdir()} <= {*NAMES, ".gitkeep"}


documents = st.recursive(
    st.sampled_from(ODD_VALUES) | st.text(max_size=5) | st.integers() | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["model", "train", "data", "n_layer", "format", "version", "origins"])
            | st.sampled_from(["kind", "name", "tokens", "characters", "splits", "files"])
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module", params=["settings", "tokenizer"])
def reader(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Read]:
    target = TARGETS[NAMES.index(request.param)]
    with target.reader(tmp_path_factory.mktemp(target.name)) as (_, read):
        yield read


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=documents)
def test_any_json_document(reader: Read, document: object) -> None:
    with contextlib.suppress(ValueError):
        _, problem = attempt(reader, b"json\n" + json.dumps(document).encode())
        assert problem is None


# -- the fuzzer itself -----------------------------------------------------------------------------


class Panic(BaseException):
    """As the Rust libraries' own, no `Exception`."""


@contextlib.contextmanager
def brittle(place: Path) -> Iterator[tuple[list[bytes], Read]]:
    def read(content: bytes) -> None:
        _, _, text = content.partition(b"\n")
        if b"1e999" in text:
            raise Panic("overflow")
        tree = json.loads(text) if text.isascii() and text.endswith(b"}") else {}
        if "self" in tree:
            raise KeyError("self")
        if not isinstance(tree, dict) or tree.get("n") != 1:
            raise DataError("that is not it")

    yield [b'json\n{"n": 1, "text": "a"}'], read


def test_the_fuzzer_finds_what_is_wrong(tmp_path: Path) -> None:
    report = fuzz(Target("brittle", brittle), tmp_path, seconds=0.0, least=1000)

    assert {problem.partition(" ")[0] for problem in report.findings} >= {"Panic", "KeyError"}
    saved = save(report, tmp_path / "corpus")
    assert sorted(path.read_bytes() for path in saved) == sorted(report.findings.values())


def test_equal_seeds_give_equal_inputs(tmp_path: Path) -> None:
    def inputs(seed: int) -> list[bytes]:
        seen: list[bytes] = []

        @contextlib.contextmanager
        def keeping(place: Path) -> Iterator[tuple[list[bytes], Read]]:
            yield [b"txt\nOnce upon a time", b'json\n{"n": [1, 2]}'], seen.append

        fuzz(Target("keeping", keeping), tmp_path, seconds=0.0, least=100, seed=seed)
        return seen

    one, same, other = inputs(1), inputs(1), inputs(2)
    assert len(one) == len(other) == 100
    assert one == same != other


def test_it_ends_when_the_time_is_up(tmp_path: Path) -> None:
    counted = itertools.count()
    clock = partial(next, counted)  # a second for every look: two for each damaged input
    report = fuzz(Target("brittle", brittle), tmp_path, seconds=100.0, clock=clock)
    assert 45 < report.cases < 55
