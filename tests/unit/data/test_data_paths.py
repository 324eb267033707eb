from __future__ import annotations

from pathlib import Path

from slm.config import DataConfig
from slm.data.data_paths import default_data_dir


def test_it_can_be_read():
    place = default_data_dir(DataConfig(source="roneneldan/TinyStories", tokenizer="bpe:4096"))

    assert place.parent == Path("data")
    assert place.name.startswith("tinystories-bpe-4096-")


def test_it_differs_by_all_that_decides_the_tokens_and_by_nothing_else(tmp_path, monkeypatch):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "input.txt").write_text(folder, encoding="utf-8")
    base = {"source": "builtin", "tokenizer": "bytes"}
    variants = [
        base,
        {**base, "limit": 5},
        {**base, "validation_fraction": 0.2},
        {**base, "corpus_seed": 1},
        {**base, "tokenizer": "chars"},
        {**base, "source": str(tmp_path / "one" / "input.txt")},
        {**base, "source": str(tmp_path / "two" / "input.txt")},
    ]
    places = {default_data_dir(DataConfig(**values)) for values in variants}
    assert len(places) == len(variants)

    monkeypatch.chdir(tmp_path / "one")
    relative = default_data_dir(DataConfig(**{**base, "source": "input.txt", "data_dir": "x"}))
    assert relative in places
    monkeypatch.chdir(tmp_path)
    (tmp_path / "builtin").mkdir()
    assert default_data_dir(DataConfig(**base)) in places


def test_what_no_system_knows_has_a_place_all_the_same():
    for source in ("~nosuchuser/x.txt", "x" * 4000, "\udcff.txt"):
        assert default_data_dir(DataConfig(source=source)).parent == Path("data")
