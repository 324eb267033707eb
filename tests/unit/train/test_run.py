from __future__ import annotations

import pytest

from slm.errors import UsageError
from slm.presets import resolve
from slm.runtime import Process
from slm.tokenizer.byte_level import BytesTokenizer
from slm.train.run import fit_vocabulary, place_data, ready_trainer, share_micro_batches

TWO = Process(rank=0, world_size=2)


def test_the_tokenizer_decides_the_vocabulary_unless_the_user_does():
    fitted = fit_vocabulary(resolve("tiny"), BytesTokenizer())
    assert fitted.model.vocab_size == 257
    assert fitted.origins["model.vocab_size"] == "tokenizer"
    assert fit_vocabulary(fitted, BytesTokenizer()) == fitted

    chosen = resolve("tiny", assignments=["vocab_size=320"])
    assert fit_vocabulary(chosen, BytesTokenizer()).model.vocab_size == 320


def test_data_go_where_the_user_says_or_where_their_source_belongs():
    placed = place_data(resolve("tiny"))
    assert "builtin-bpe-512" in placed.data.data_dir

    other = placed.with_values({"data.limit": 7}, "--limit")
    assert place_data(other).data.data_dir != placed.data.data_dir

    chosen = resolve("tiny", assignments=["data_dir=here"])
    assert place_data(chosen).data.data_dir == "here"


def test_micro_batches_are_rounded_up_for_several_processes():
    notes: list[str] = []

    assert share_micro_batches(resolve("tiny"), Process(), notes.append) == resolve("tiny")
    assert notes == []
    shared = share_micro_batches(resolve("tiny"), TWO, notes.append)
    assert shared.train.gradient_accumulation_steps == 2
    assert "2 instead of 1" in notes[0]


def test_a_number_that_the_user_chose_stays():
    chosen = resolve("tiny", assignments=["gradient_accumulation_steps=3"])

    assert share_micro_batches(chosen, TWO, None) == chosen


def test_an_existing_run_is_refused_before_any_work(tmp_path):
    (tmp_path / "best").mkdir()
    settings = resolve("tiny", assignments=["source=no/such-set"])
    settings = settings.with_values({"train.out_dir": str(tmp_path)}, "--out")

    with (
        pytest.raises(UsageError, match="already holds a run"),
        ready_trainer(settings, Process(), existing="refuse"),
    ):
        pass
