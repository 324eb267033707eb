"""The benchmark's goals on a small sample, so that a loss of variety is seen at once."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import corpus
import pytest

from storyworld import generate_stories

pytestmark = pytest.mark.slow


def test_variety_of_a_small_sample() -> None:
    texts = [story.text for story in islice(generate_stories(2), 1500)]
    measures = corpus.measure(texts, 1.0)
    assert measures.duplicates == 0
    assert measures.distinct_4grams >= 0.44
    assert measures.distinct_sentences >= 0.78
    assert measures.distinct_words >= 2_200
    assert measures.xz_bytes / sum(map(len, texts)) >= 0.13


def test_a_text_file_is_read_story_by_story(tmp_path: Path) -> None:
    file = tmp_path / "stories.txt"
    file.write_text(
        'A cat sat. "Hi!" it said.\n<|endoftext|>\nA cat sat. It ran.\n', encoding="utf-8"
    )
    texts = corpus.read_stories(file)
    assert len(texts) == 2
    assert corpus.sentences_of(texts[0]) == ["A cat sat.", '"Hi!" it said.']
    measures = corpus.measure(texts, 1.0)
    assert measures.distinct_sentences == 0.75
    assert measures.distinct_words == 7
