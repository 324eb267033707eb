from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from slm.evals.scoring import BUCKET_BATCHES, Window, batches, story_windows, to_tensors
from slm.model.loss import IGNORE_INDEX
from slm.tokenizer.base import Ids

EOT = 9999

story_lengths = st.lists(st.integers(0, 60), max_size=8)
block_sizes = st.integers(1, 20)


def stream_of(lengths: list[int], *, ended: bool = True) -> tuple[Ids, list[list[int]]]:
    """A stream of stories whose ids are all different, and for each story all that is scored."""
    stories, next_id = [], 0
    for length in lengths:
        stories.append([*range(next_id, next_id + length), EOT])
        next_id += length
    if stories and not ended:
        stories[-1].pop()
    return np.array([i for story in stories for i in story], dtype=np.uint16), stories


def divided(ids: Ids, size: int) -> Iterator[Ids]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


@given(story_lengths, block_sizes, st.booleans(), st.integers(1, 80))
def test_every_token_is_scored_once_with_enough_of_its_story_before_it(
    lengths: list[int], block_size: int, ended: bool, piece_size: int
) -> None:
    ids, stories = stream_of(lengths, ended=ended)
    scored: list[list[int]] = []
    for window in story_windows(divided(ids, piece_size), EOT, block_size):
        if window.begins_story:
            scored.append([])
            assert window.n_context == 0
            assert window.ids[0] == EOT
        story = [EOT, *stories[[i for i, s in enumerate(stories) if s][len(scored) - 1]]]
        targets = window.ids[1 + window.n_context :].tolist()
        scored[-1] += targets
        # What is seen is the story's own, directly before what is scored.
        end = len(scored[-1]) + 1
        assert window.ids.tolist() == story[end - len(window.ids) : end]
        assert 1 <= len(window.ids) - 1 <= block_size
        assert window.n_scored == len(targets) >= 1
        from_start = len(window.ids) == end
        assert from_start or window.n_context >= block_size - max(1, block_size // 2)
    assert scored == [story for story in stories if story]


@given(story_lengths, block_sizes)
def test_a_story_that_fits_is_one_window(lengths: list[int], block_size: int) -> None:
    ids, stories = stream_of(lengths)
    n_windows = len(list(story_windows([ids], EOT, block_size)))
    stride = max(1, block_size // 2)
    expected = [1 + -(-max(0, len(story) - block_size) // stride) for story in stories]
    assert n_windows == sum(expected)


def test_a_story_without_end_in_the_data_has_none_scored() -> None:
    (window,) = story_windows([np.array([5, 6, 7], dtype=np.uint16)], EOT, 8)
    assert window.ids.tolist() == [EOT, 5, 6, 7]


def test_an_empty_story_has_its_end_scored() -> None:
    windows = list(story_windows([np.array([EOT, 3, EOT], dtype=np.uint16)], EOT, 8))
    assert [window.ids.tolist() for window in windows] == [[EOT, EOT], [EOT, 3, EOT]]


def test_one_endless_story_is_cut_in_bounded_memory() -> None:
    n_read = 0

    def pieces() -> Iterator[Ids]:
        nonlocal n_read
        while True:
            n_read += 1
            yield np.ones(100, dtype=np.uint16)

    windows = story_windows(pieces(), EOT, 32)
    for _ in range(1000):
        window = next(windows)
    # 1,000 windows score 32 + 999 x 16 tokens.
    assert n_read <= (32 + 999 * 16) / 100 + 2
    assert window.ids.base is None or window.ids.base.size < 300


windows_of_some_lengths = st.lists(st.integers(1, 40), max_size=60).map(
    lambda lengths: [
        Window(np.full(length + 1, number, dtype=np.uint32), 0, True)
        for number, length in enumerate(lengths)
    ]
)


@given(windows_of_some_lengths, st.integers(1, 200))
def test_batches_hold_every_window_once_and_no_more_than_allowed(
    windows: list[Window], batch_tokens: int
) -> None:
    found = []
    for batch in batches(windows, batch_tokens):
        longest = max(len(window.ids) - 1 for window in batch)
        assert len(batch) == 1 or longest * len(batch) <= batch_tokens
        found += [int(window.ids[0]) for window in batch]
    assert sorted(found) == list(range(len(windows)))


def test_batches_read_a_bounded_number_of_windows_ahead() -> None:
    n_read = 0

    def endless() -> Iterator[Window]:
        nonlocal n_read
        while True:
            n_read += 1
            yield Window(np.zeros(9, dtype=np.uint32), 0, True)

    first = next(batches(endless(), batch_tokens=16))
    assert len(first) == 2
    assert n_read <= BUCKET_BATCHES * 16 / 9 + 1


def test_windows_of_like_length_share_a_batch() -> None:
    lengths = [3, 30] * 20
    windows = [Window(np.zeros(length + 1, dtype=np.uint32), 0, True) for length in lengths]
    n_places = sum(
        len(batch) * max(len(window.ids) - 1 for window in batch) for batch in batches(windows, 60)
    )
    assert n_places == sum(lengths)


def test_tensors_are_padded_and_context_is_not_scored() -> None:
    inputs, targets = to_tensors(
        [
            Window(np.array([1, 2, 3, 4], dtype=np.uint32), 2, False),
            Window(np.array([7, 8], dtype=np.uint32), 0, True),
        ]
    )
    assert inputs.tolist() == [[1, 2, 3], [7, 0, 0]]
    assert targets.tolist() == [[IGNORE_INDEX, IGNORE_INDEX, 4], [8, IGNORE_INDEX, IGNORE_INDEX]]
