from __future__ import annotations

from pathlib import Path

import pytest

from slm.api.data import text_to_score
from slm.config import DataConfig
from slm.data.sources import open_source
from slm.errors import UsageError
from tests.conftest import tell_stories


@pytest.mark.parametrize("named", ["stories.txt", "./stories.txt"])
def test_the_validation_split_is_the_one_that_the_model_did_not_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    text = tmp_path / "stories.txt"
    text.write_text(tell_stories(60, seed=0), encoding="utf-8", newline="\n")
    trained_on = open_source(str(text), limit=20, validation_fraction=0.4, seed=7)
    held_out = DataConfig(source=str(text), limit=20, validation_fraction=0.4, corpus_seed=7)

    parts, split = text_to_score(named, "validation", held_out, print)

    assert split == "validation"
    assert list(parts) == list(trained_on.parts("validation"))
    # Of other text the share is the same, and all of it counts.
    other = tmp_path / "other.txt"
    other.write_text(tell_stories(60, seed=1), encoding="utf-8", newline="\n")
    parts, _ = text_to_score("other.txt", "validation", held_out, print)
    assert list(parts) == list(
        open_source(str(other), validation_fraction=0.4, seed=7).parts("validation")
    )


def test_a_file_is_scored_as_a_whole(tmp_path: Path) -> None:
    text = tmp_path / "stories.txt"
    text.write_text(tell_stories(9, seed=0), encoding="utf-8", newline="\n")
    parts, split = text_to_score(str(text), None, DataConfig(), print)
    assert (len(list(parts)), split) == (9, "all")


@pytest.mark.parametrize("source", ["~nosuchuser/x.txt", "x" * 5000, "\0", "none.txt"])
def test_text_that_is_not_there(source: str) -> None:
    with pytest.raises(UsageError):
        text_to_score(source, None, DataConfig(), print)
