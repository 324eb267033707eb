"""Ten thousand kinds of damage to a checkpoint and to prepared data: each is refused by name.

One bit flipped, the end cut off, bytes appended, two files swapped, the order of bytes in words of
2, 4 or 8 turned round: at random places of random files, each put right again afterwards. `make
soak` does twenty times as many.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from slm.checkpoint import load_checkpoint, save_checkpoint
from slm.data.prepare import prepare
from slm.data.shards import DataDirectory
from slm.errors import CheckpointError, DataError, SlmError
from tests.conftest import tell_stories
from tests.faults import tiny_run
from tests.faults.fuzz import scratch

CASES = 10_000
CASES_OF_A_SOAK = 200_000


@dataclass(frozen=True)
class Place:
    """A directory that is whole, and how to find out that it is not."""

    directory: Path
    verify: Callable[[Path], None]
    error: type[SlmError]
    contents: dict[str, bytes]

    @classmethod
    def of(cls, directory: Path, verify: Callable[[Path], None], error: type[SlmError]) -> Place:
        contents = {
            entry.name: entry.read_bytes()
            for entry in sorted(directory.iterdir())
            if not entry.name.startswith(".")
        }
        verify(directory)
        return cls(directory, verify, error, contents)


def verify_checkpoint(directory: Path) -> None:
    checkpoint = load_checkpoint(directory)
    _ = checkpoint.optimizer_state, checkpoint.tokenizer


def verify_data(directory: Path) -> None:
    data = DataDirectory.open(directory)
    _ = data.tokens("train"), data.tokens("validation"), data.tokenizer


@pytest.fixture(scope="module")
def places() -> Iterator[list[Place]]:
    with scratch() as folder:
        save_checkpoint(
            folder / "checkpoint",
            **tiny_run.content(5),
            optimizer_state=tiny_run.optimizer_state(5),
        )
        (folder / "text.txt").write_text(tell_stories(40, seed=1), encoding="utf-8")
        prepare(str(folder / "text.txt"), "bytes", folder / "data", validation_fraction=0.3)
        yield [
            Place.of(folder / "checkpoint", verify_checkpoint, CheckpointError),
            Place.of(folder / "data", verify_data, DataError),
        ]


def flip(chance: random.Random, content: bytes) -> bytes:
    damaged = bytearray(content)
    damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def cut(chance: random.Random, content: bytes) -> bytes:
    return content[: chance.randrange(len(content))]


def append(chance: random.Random, content: bytes) -> bytes:
    return content + (chance.randbytes(chance.randint(1, 16)) if chance.random() < 0.5 else b"\n")


def swap_bytes(chance: random.Random, content: bytes) -> bytes:
    width = chance.choice((2, 4, 8))
    whole = len(content) // width * width
    words = [content[start : start + width][::-1] for start in range(0, whole, width)]
    return b"".join(words) + content[whole:]


CHANGES = (flip, flip, flip, cut, append, swap_bytes)


def damage(chance: random.Random, place: Place) -> tuple[str, dict[str, bytes]]:
    """What is done, and the new contents of the files that it touches."""
    if chance.random() < 0.1:
        one, other = chance.sample(sorted(place.contents), 2)
        return "swap files", {one: place.contents[other], other: place.contents[one]}
    name = chance.choice(sorted(place.contents))
    change = chance.choice(CHANGES)
    return change.__name__.replace("_", " "), {name: change(chance, place.contents[name])}


def test_no_damage_goes_unseen_or_unnamed(
    places: list[Place], soak: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(0)
    done: Counter[str] = Counter()
    while done.total() < (CASES_OF_A_SOAK if soak else CASES):
        place = chance.choice(places)
        what, changed = damage(chance, place)
        if all(content == place.contents[name] for name, content in changed.items()):
            continue
        for name, content in changed.items():
            (place.directory / name).write_bytes(content)
        try:
            place.verify(place.directory)
        except place.error as error:
            problem = problem_of(error, what, changed, place)
        else:
            problem = "it went unseen"
        assert problem is None, f"{what} of {' and '.join(changed)}: {problem}"
        done[what] += 1
        for name in changed:
            (place.directory / name).write_bytes(place.contents[name])
    for place in places:
        place.verify(place.directory)
    with capsys.disabled():
        kinds = ", ".join(f"{count:,} {what}" for what, count in sorted(done.items()))
        print(f"\n{done.total():,} cases of damage refused by name ({kinds})")
    assert set(done) == {"flip", "cut", "append", "swap bytes", "swap files"}


def problem_of(error: SlmError, what: str, changed: dict[str, bytes], place: Place) -> str | None:
    """What the message lacks: the name of a damaged file, and where it is damaged."""
    if not any(str(place.directory / name) in error.message for name in changed):
        return f"the message names none of them: {error.message}"
    has_chunks = not any(name in ("MANIFEST.json", "meta.json") for name in changed)
    has_chunks &= place.error is CheckpointError or any(name.endswith(".bin") for name in changed)
    if (
        what == "flip"
        and has_chunks
        and not re.search(r"chunk 0, bytes 0 to [\d,]+", error.message)
    ):
        return f"the message names no chunk: {error.message}"
    return None


@pytest.mark.parametrize("index", [0, 1], ids=["checkpoint", "data"])
def test_every_missing_file_is_named(places: list[Place], index: int) -> None:
    place = places[index]
    for name in place.contents:
        path = place.directory / name
        path.unlink()
        with pytest.raises(place.error, match=re.escape(name)):
            place.verify(place.directory)
        path.write_bytes(place.contents[name])
    place.verify(place.directory)
