"""Batches: every window once an epoch, the same ones for any number of processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slm.data.batches import windows_at
from slm.data.loader import DataLoader, epoch_offset
from slm.data.prepare import prepare
from slm.errors import DataError

STORIES = 400


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loader")
    text = "".join(f"story {i}\n<|endoftext|>\n" for i in range(STORIES))
    (folder / "text.txt").write_text(text, encoding="utf-8")
    return prepare(str(folder / "text.txt"), "bytes", folder / "data").path


def loader(data_dir: Path, batch_size: int = 4, block_size: int = 8, **options: Any) -> DataLoader:
    return DataLoader(batch_size=batch_size, block_size=block_size, data_dir=data_dir, **options)


def test_constructing_touches_no_file(tmp_path: Path) -> None:
    made = DataLoader(batch_size=2, block_size=4, device="cpu", data_dir=tmp_path / "none")
    with pytest.raises(DataError, match="does not exist"):
        made.batch_at(0)


def test_shapes_types_and_the_shift_by_one(data_dir: Path) -> None:
    x, y = loader(data_dir).batch_at(3)
    assert x.shape == y.shape == (4, 8)
    assert x.dtype == y.dtype == torch.int64
    assert x.is_contiguous()
    assert y.is_contiguous()
    assert torch.equal(x[:, 1:], y[:, :-1])


@pytest.mark.parametrize("device", ["mps", "meta"])
def test_only_pinned_memory_is_copied_without_waiting(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    copies: list[tuple[Any, ...]] = []

    def to(tensor: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
        copies.append((*args, options))
        return tensor

    monkeypatch.setattr(torch.Tensor, "to", to)
    loader(data_dir, device=device).batch_at(0)
    assert copies == [(torch.device(device), {})] * 2


def test_an_epoch_gives_every_token_once(data_dir: Path) -> None:
    data = loader(data_dir, batch_size=1)
    tokens = data.directory.tokens("train")
    rows = [data.batch_at(step) for step in range(data.n_windows)]
    starts = {tuple(x[0].tolist() + y[0, -1:].tolist()) for x, y in rows}
    windows = {tuple(tokens[i * 8 : i * 8 + 9].tolist()) for i in range((len(tokens) - 1) // 8)}
    assert starts == windows
    assert data.n_windows * 8 <= len(tokens) - 1


def test_shifted_windows_divide_each_epoch_at_other_positions(data_dir: Path) -> None:
    fixed, moved = (loader(data_dir, batch_size=1, shift_windows=shift) for shift in (False, True))
    n_windows, tokens = moved.n_windows, moved.directory.tokens("train")
    circle = np.concatenate([tokens, tokens[:9]])
    for step in range(n_windows):  # the first epoch is the same
        assert torch.equal(fixed.batch_at(step)[0], moved.batch_at(step)[0])
    offsets = []
    for epoch in (1, 2, 3):
        offset = epoch_offset(len(tokens), moved.seed, epoch)
        offsets.append(offset)
        starts = [(offset + 8 * window) % len(tokens) for window in range(n_windows)]
        expected = {tuple(circle[start : start + 9].tolist()) for start in starts}
        rows = [moved.batch_at(epoch * n_windows + at) for at in range(n_windows)]
        assert {tuple(x[0].tolist() + y[0, -1:].tolist()) for x, y in rows} == expected
    assert len(set(offsets)) == 3
    assert any(offset % 8 for offset in offsets)


def test_offsets_are_the_same_in_all_versions() -> None:
    assert [epoch_offset(1_000_000, 1337, epoch) for epoch in range(4)] == [
        0,
        185,
        551_085,
        572_248,
    ]


@settings(deadline=None, max_examples=25)
@given(step=st.integers(0, 300), world_size=st.integers(1, 4), shift_windows=st.booleans())
def test_processes_see_together_what_one_would_see(
    data_dir: Path, step: int, world_size: int, shift_windows: bool
) -> None:
    alone = loader(data_dir, batch_size=4 * world_size, shift_windows=shift_windows).batch_at(step)
    parts = [
        loader(data_dir, rank=rank, world_size=world_size, shift_windows=shift_windows).batch_at(
            step
        )
        for rank in range(world_size)
    ]
    for whole, pieces in zip(alone, zip(*parts, strict=True), strict=True):
        assert torch.equal(whole, torch.cat(pieces))


def test_batches_are_pure(data_dir: Path) -> None:
    one, other = loader(data_dir), loader(data_dir)
    for step in (9, 0, 500, 9):
        other.batch_at(step + 1)
        assert torch.equal(one.batch_at(step)[0], other.batch_at(step)[0])
    assert not torch.equal(one.batch_at(1)[0], loader(data_dir, seed=2).batch_at(1)[0])


def test_get_batch_takes_successive_steps_of_each_split(data_dir: Path) -> None:
    data = loader(data_dir)
    for step in range(3):
        assert torch.equal(data.get_batch("train")[0], data.batch_at(step)[0])
    assert torch.equal(data.get_batch("validation")[0], data.batch_at(0, "validation")[0])


def test_validation_covers_the_split_in_order(data_dir: Path) -> None:
    data = loader(data_dir, batch_size=5)
    tokens = data.directory.tokens("validation")
    batches = list(data.validation_batches())
    assert [len(x) for x, _ in batches[:-1]] == [5] * (len(batches) - 1)
    joined = torch.cat([x for x, _ in batches]).flatten().tolist()
    assert joined == tokens[: len(joined)].tolist()
    assert len(tokens) - 1 - len(joined) < 8
    targets = torch.cat([y for _, y in batches]).flatten().tolist()
    assert targets == tokens[1 : len(targets) + 1].tolist()


@pytest.mark.parametrize("max_tokens", [1, 8, 40, 79, 10**9])
def test_limited_validation_is_spread_and_always_the_same(data_dir: Path, max_tokens: int) -> None:
    data = loader(data_dir, batch_size=3)
    everything = torch.cat([x for x, _ in data.validation_batches()]).tolist()
    chosen = torch.cat([x for x, _ in data.validation_batches(max_tokens)]).tolist()
    assert len(chosen) == min(len(everything), max(1, max_tokens // 8))
    assert chosen == torch.cat([x for x, _ in data.validation_batches(max_tokens)]).tolist()
    spread = [everything[i * len(everything) // len(chosen)] for i in range(len(chosen))]
    assert chosen == spread


@pytest.mark.parametrize("max_tokens", [None, 88])
@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_divide_the_validation_windows(
    data_dir: Path, world_size: int, max_tokens: int | None
) -> None:
    alone = [row for x, _ in loader(data_dir).validation_batches(max_tokens) for row in x.tolist()]
    shared = [
        row
        for rank in range(world_size)
        for x, _ in loader(data_dir, rank=rank, world_size=world_size).validation_batches(
            max_tokens
        )
        for row in x.tolist()
    ]
    assert sorted(shared) == sorted(alone)


def test_a_short_validation_split_gives_one_short_window(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("a" * 100, encoding="utf-8")
    made = prepare(str(tmp_path / "text.txt"), "bytes", tmp_path / "data").path
    data = loader(made, block_size=50)
    ((x, y),) = data.validation_batches()
    assert x.tolist() == [[97] * 5]
    assert y.tolist() == [[97] * 4 + [256]]


def test_too_little_training_text_names_both_numbers(data_dir: Path) -> None:
    tokens = loader(data_dir).directory.split("train").tokens
    with pytest.raises(
        DataError, match=rf"has {tokens:,} tokens, expected at least 100,001"
    ) as caught:
        loader(data_dir, block_size=100_000).batch_at(0)
    assert "block_size" in str(caught.value.hint)
    loader(data_dir, block_size=tokens - 1).batch_at(0)


def test_description_of_the_data(data_dir: Path) -> None:
    data = loader(data_dir)
    assert data.vocab_size == data.tokenizer.vocab_size == 257
    assert data.meta is data.directory.meta
    assert data.tokenizer.decode(data.directory.tokens("train")[:5].tolist()) == "story"


@pytest.mark.parametrize(
    "options", [{"batch_size": 0}, {"block_size": 0}, {"rank": 2, "world_size": 2}, {"rank": -1}]
)
def test_impossible_arguments(data_dir: Path, options: dict[str, int]) -> None:
    with pytest.raises(DataError):
        loader(data_dir, **options)


# -- which stories a step reads --------------------------------------------------------------------


@pytest.mark.parametrize("shift_windows", [False, True])
@pytest.mark.parametrize("world_size", [1, 3])
@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_stories_of_a_batch_are_those_of_its_ids(
    data_dir: Path, world_size: int, split: str, shift_windows: bool
) -> None:
    """Against a table of every id's story, looked up where the batches' rows are found."""
    loaders = [
        loader(data_dir, 2, 16, rank=rank, world_size=world_size, shift_windows=shift_windows)
        for rank in range(world_size)
    ]
    tokens = np.asarray(loaders[0].directory.tokens(split))
    eot_id = loaders[0].meta.tokenizer.eot_id
    story_of = np.concatenate([[0], np.cumsum(tokens == eot_id)[:-1]])
    assert story_of[-1] + 1 == loaders[0].directory.split(split).stories
    n_windows = (len(tokens) - 1) // 16
    for step in (0, 5, *range(n_windows // 2, n_windows // 2 + 8)):  # also in the second epoch
        expected = []
        for rank, data in enumerate(loaders):
            touched = set()
            for number in (step, step + 1):
                first = (number * world_size + rank) * 2
                windows = windows_at(first, 2, n_windows=n_windows, seed=data.seed)
                for sequence, window in enumerate(windows.tolist(), first):
                    epoch = sequence // n_windows if shift_windows else 0
                    start = window * 16 + epoch_offset(len(tokens), data.seed, epoch)
                    places = (start + np.arange(17)) % len(tokens)
                    touched |= set(story_of[places].tolist())
            assert data.stories_at(step, 2, split, rank=rank) == sorted(touched)
            expected.extend(touched)
        assert loaders[-1].stories_at(step, 2, split) == sorted(set(expected))
