"""The corpus as a whole: the same everywhere, any story at once, no two alike."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from itertools import islice

import pytest

from storyworld import Story, generate_stories, story_at
from storyworld.plots import plots

GOLDEN = "c96bb18b2fffbc16c5d077f72a91357ec6eb431c4e65add7dd15c8872a46c065"


@pytest.fixture(scope="module")
def sample() -> list[Story]:
    return list(islice(generate_stories(11), 3000))


def digest(seed: int, count: int) -> str:
    texts = (story.text for story in islice(generate_stories(seed), count))
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def test_text_of_a_seed_is_pinned() -> None:
    assert digest(0, 150) == GOLDEN


def test_text_does_not_depend_on_the_hash_seed() -> None:
    program = (
        "import hashlib, itertools, storyworld as s; "
        "t = (x.text for x in itertools.islice(s.generate_stories(5), 80)); "
        "print(hashlib.sha256('\\0'.join(t).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={
                **os.environ,
                "PYTHONHASHSEED": hash_seed,
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for hash_seed in ("1", "2718")
    }
    assert found == {digest(5, 80)}


def test_random_access_equals_iteration() -> None:
    run = list(islice(generate_stories(3, start=40), 20))
    assert run == [story_at(3, index) for index in range(40, 60)]
    assert story_at(3, 10**12).text


def test_other_seeds_tell_other_stories() -> None:
    texts = {story_at(seed, 0).text for seed in (-1, 0, 1, 2**40, 2**64 - 2)}
    assert len(texts) == 5


def test_a_negative_index_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        story_at(0, -1)


def test_no_two_stories_are_equal(sample: list[Story]) -> None:
    assert len({story.text for story in sample}) == len(sample)


def test_there_are_forty_plot_kinds_and_all_occur(sample: list[Story]) -> None:
    names = {name for name, _ in plots()}
    assert len(names) >= 40
    assert {story.facts.plot for story in sample} == names


def test_lengths_vary_around_those_of_a_small_story(sample: list[Story]) -> None:
    sizes = sorted(len(story.text) for story in sample)
    assert 750 <= sum(sizes) / len(sizes) <= 960
    assert sizes[0] >= 280
    assert sizes[-1] <= 1_700
    assert sizes[len(sizes) * 9 // 10] - sizes[len(sizes) // 10] >= 300
    paragraphs = [story.text.count("\n") + 1 for story in sample]
    assert min(paragraphs) == 1
    assert max(paragraphs) <= 6
    talking = sum('"' in story.text for story in sample)
    assert talking >= len(sample) * 0.6
