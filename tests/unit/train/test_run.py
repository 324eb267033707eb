from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
import torch

from slm.config import RunConfig
from slm.data.prepare import prepare
from slm.data.shards import DataDirectory
from slm.errors import ConfigError, DataError, DeviceError, UsageError
from slm.presets import resolve
from slm.runtime import DTYPES, Process, memory_bytes
from slm.tokenizer.byte_level import BytesTokenizer
from slm.train import run
from slm.train.run import (
    agree_on_dtype,
    check_memory,
    describe_source,
    fit_vocabulary,
    obtain_data,
    place_data,
    ready_trainer,
    share_micro_batches,
)
from tests.conftest import tell_stories

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


# -- memory --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "hint"),
    [
        (["n_layer=1024", "n_embd=65536", "n_head=4"], "smaller n_layer"),
        (["batch_size=2147483647"], "batch_size below"),
        (["block_size=131072", "n_embd=8192", "n_head=4"], "smaller n_layer"),
    ],
)
def test_more_than_there_is_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[str], hint: str
) -> None:
    monkeypatch.setattr("slm.train.run.memory_bytes", lambda device: 24 * 10**9)
    out = tmp_path / "run"
    settings = resolve("tiny", assignments=[*sizes, f"out_dir='{out}'", "device=cpu"])

    with (
        pytest.raises(ConfigError, match=r"needs at least .* GB .*cpu has 24.0 GB") as caught,
        ready_trainer(settings, Process(), existing="refuse"),
    ):
        pass
    assert hint in str(caught.value.hint)
    assert not out.exists()


def test_what_fits_or_cannot_be_known_is_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    for preset in ("gpt2", "modern-12m"):
        monkeypatch.setattr("slm.train.run.memory_bytes", lambda device: 2 * 10**9)
        check_memory(resolve(preset), "cpu")
    monkeypatch.setattr("slm.train.run.memory_bytes", lambda device: None)
    check_memory(resolve("tiny", assignments=["batch_size=2147483647"]), "cpu")


def test_shares_of_a_model_may_fit_where_the_whole_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("slm.train.run.memory_bytes", lambda device: 100 * 10**6)
    four = Process(world_size=4)
    small = ["batch_size=1", "block_size=64"]
    for sharding, process in (("off", four), ("fsdp", Process())):
        settings = resolve("modern-12m", assignments=[*small, f"sharding={sharding}"])
        with pytest.raises(ConfigError, match="needs at least"):
            check_memory(settings, "cpu", process)
    check_memory(resolve("modern-12m", assignments=[*small, "sharding=fsdp"]), "cpu", four)


def test_the_advice_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slm.train.run.memory_bytes", lambda device: 10**9)
    with pytest.raises(ConfigError) as caught:
        check_memory(resolve("tiny", assignments=["batch_size=1000000"]), "cpu")
    number = int(re.findall(r"below ([0-9,]+)", str(caught.value.hint))[0].replace(",", ""))
    check_memory(resolve("tiny", assignments=[f"batch_size={number - 1}"]), "cpu")


def test_this_machine_has_memory() -> None:
    there = memory_bytes("cpu")
    assert there is None or 10**8 < there < 10**14


def test_a_device_that_is_not_there_leaves_nothing_behind(tmp_path: Path) -> None:
    settings = resolve("tiny", assignments=[f"out_dir='{tmp_path / 'run'}'", "device=cuda:77"])
    with (
        pytest.raises(DeviceError, match="not available"),
        ready_trainer(settings, Process(), existing="refuse"),
    ):
        pass
    assert not (tmp_path / "run").exists()


# -- data that are taken as they are ---------------------------------------------------------------


@pytest.fixture
def own_data(tmp_path: Path) -> DataDirectory:
    """Data made with other choices than any default."""
    source = tmp_path / "stories.txt"
    source.write_text(tell_stories(60, seed=0), encoding="utf-8", newline="\n")
    return prepare(
        str(source), "bytes", tmp_path / "data", limit=30, validation_fraction=0.25, seed=7
    )


def given_data(directory: DataDirectory, tokenizer: str | None = None) -> RunConfig:
    flags = {"data.data_dir": (str(directory.path), "--data")}
    if tokenizer is not None:
        flags["data.tokenizer"] = (tokenizer, "--tokenizer")
    return resolve("tiny", flags=flags)


def silent(sentence: str) -> None:
    raise AssertionError(sentence)


def test_prepared_data_say_how_they_were_made(own_data: DataDirectory, tmp_path: Path) -> None:
    data = describe_source(given_data(own_data), own_data, silent).data

    assert data.source == (tmp_path / "stories.txt").resolve().as_posix()
    assert data.tokenizer == "bytes"
    assert (data.corpus_seed, data.validation_fraction, data.limit) == (7, 0.25, 30)


def test_a_folder_of_text_is_named_as_a_folder(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for split in ("train", "validation"):
        (texts / f"{split}.txt").write_text(tell_stories(9, seed=1), encoding="utf-8")
    directory = prepare(str(texts), "bytes", tmp_path / "data")

    data = describe_source(given_data(directory), directory, silent).data
    assert data.source == texts.resolve().as_posix()


def test_tokenizers_are_told_by_what_they_do_and_not_by_their_names(
    own_data: DataDirectory, tmp_path: Path
) -> None:
    same = own_data.path / "tokenizer.json"
    for tokenizer in ("bytes", str(same), str(own_data.path)):
        described = describe_source(given_data(own_data, tokenizer), own_data, silent)
        assert described.data.tokenizer == "bytes"
    other = prepare(str(tmp_path / "stories.txt"), "chars", tmp_path / "other")
    for tokenizer in ("chars", str(other.path / "tokenizer.json"), "bpe:300"):
        with pytest.raises(UsageError, match="was prepared with the tokenizer bytes"):
            describe_source(given_data(own_data, tokenizer), own_data, silent)


def test_a_description_that_makes_no_sense(own_data: DataDirectory) -> None:
    meta = own_data.meta.model_copy(update={"source": {"kind": "file", "limit": -1}})
    with pytest.raises(DataError, match="limit"):
        describe_source(given_data(own_data), DataDirectory(own_data.path, meta), silent)


def test_other_data_in_the_place_are_said_and_recorded(own_data: DataDirectory) -> None:
    flags = {"data.data_dir": (str(own_data.path), "--data-dir")}
    settings = resolve("gpt2", flags=flags)
    notes: list[str] = []

    directory = obtain_data(settings)
    described = describe_source(settings, directory, notes.append)

    assert directory.fingerprint == own_data.fingerprint
    assert len(notes) == 1
    assert "stories.txt with the tokenizer bytes, not roneneldan/TinyStories" in notes[0]
    assert (described.data.tokenizer, described.data.corpus_seed) == ("bytes", 7)


def test_the_same_data_in_the_place_need_no_words(own_data: DataDirectory, tmp_path: Path) -> None:
    values = {
        "data.source": str(tmp_path / "stories.txt"),
        "data.tokenizer": "bytes",
        "data.limit": 30,
        "data.validation_fraction": 0.25,
        "data.corpus_seed": 7,
    }
    settings = resolve("gpt2", flags={"data.data_dir": (str(own_data.path), "--data-dir")})
    settings = settings.with_values(values, "preset of a test")

    assert describe_source(settings, own_data, silent) == settings


def test_a_run_that_goes_on_keeps_its_micro_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the same step would read other rows with two processes than with one."""
    nothing = contextlib.nullcontext
    monkeypatch.setattr(run, "process_group", lambda process, device: nothing())
    monkeypatch.setattr(run, "main_first", lambda process: nothing())
    (tmp_path / "stories.txt").write_text(tell_stories(60, seed=0), encoding="utf-8")
    prepare(str(tmp_path / "stories.txt"), "bytes", tmp_path / "data")
    out_dir = tmp_path / "run"
    settings = resolve("tiny", assignments=["dtype=float32", "device=cpu", "compile=off"])
    settings = settings.with_values({"data.data_dir": str(tmp_path / "data")}, "--data")
    settings = settings.with_values({"train.out_dir": str(out_dir)}, "--out")
    settings = settings.with_values({"train.gradient_accumulation_steps": 3}, "preset tiny")
    with ready_trainer(settings, TWO, existing="resume") as trainer:
        assert trainer.micro_batches == 2  # nothing to go on with: four in all
    (out_dir / "checkpoints/step-000002").mkdir(parents=True)
    with (
        pytest.raises(ConfigError, match="3 cannot be divided among 2") as caught,
        ready_trainer(settings, TWO, existing="resume"),
    ):
        pass
    assert caught.value.hint is not None
    assert "processes that divides 3" in caught.value.hint


@pytest.mark.parametrize("number", range(len(DTYPES)))
def test_the_number_format_is_the_main_process_s(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It comes as a number: objects would be pickled."""
    sent: list[int] = []

    def broadcast(tensor: torch.Tensor, src: int) -> None:
        if sent:
            tensor.fill_(sent[0])
        else:
            sent.append(int(tensor))

    monkeypatch.setattr(torch.distributed, "broadcast", broadcast)
    monkeypatch.setattr(run, "resolve_dtype", lambda name, device: DTYPES[number])
    main = agree_on_dtype(resolve("tiny"), TWO, "cpu")
    monkeypatch.setattr(run, "resolve_dtype", lambda name, device: pytest.fail("asked, too"))
    other = agree_on_dtype(resolve("tiny"), Process(rank=1, world_size=2), "cpu")
    assert main.train.dtype == other.train.dtype == DTYPES[number]
    assert agree_on_dtype(other, TWO, "cpu") == other
