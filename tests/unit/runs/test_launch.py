from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest

from slm.config.origins import PREPARED, Origin, OriginKind
from slm.data.prepare import prepare
from slm.errors import ConfigError, DeviceError, UsageError
from slm.hardware.devices import memory_bytes
from slm.hardware.resources import Memory
from slm.parallel.processes import Process
from slm.presets import resolve
from slm.runs import launch as run
from slm.runs.launch import check_memory, ready_trainer
from slm.runs.layout import run_lock
from tests.conftest import tell_stories

TWO = Process(rank=0, world_size=2)


def test_an_existing_run_is_refused_before_any_work(tmp_path):
    (tmp_path / "best").mkdir()
    settings = resolve("tiny", assignments=["source=no/such-set"])
    settings = settings.with_values(
        {"train.out_dir": str(tmp_path)}, Origin(OriginKind.FLAG, "--out")
    )

    with (
        pytest.raises(UsageError, match="already holds a run"),
        ready_trainer(settings, Process(), existing="refuse"),
    ):
        pass


def test_the_data_and_the_run_may_share_a_folder(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(tell_stories(20, seed=0), encoding="utf-8")
    place = tmp_path / "all"
    words = [f"source={tmp_path / 'text.txt'}", "tokenizer=bytes", "block_size=16"]
    words += [f"data_dir={place}", f"out_dir={place / '.'}", "device=cpu"]
    settings = resolve("tiny", assignments=words)
    for _ in range(2):  # the second one finds them there
        with (
            run_lock(settings, Process()),
            ready_trainer(settings, Process(), existing="refuse") as trainer,
        ):
            assert trainer.data_loader.directory.path == place
    (place / "meta.json").unlink()
    with (
        run_lock(settings, Process()),
        pytest.raises(UsageError, match="was not made by slm prepare"),
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
    monkeypatch.setattr("slm.runs.launch.memory_bytes", lambda device: 24 * 10**9)
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
        monkeypatch.setattr("slm.runs.launch.memory_bytes", lambda device: 2 * 10**9)
        check_memory(resolve(preset), "cpu")
    monkeypatch.setattr("slm.runs.launch.memory_bytes", lambda device: None)
    check_memory(resolve("tiny", assignments=["batch_size=2147483647"]), "cpu")


def test_shares_of_a_model_may_fit_where_the_whole_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("slm.runs.launch.memory_bytes", lambda device: 100 * 10**6)
    four = Process(world_size=4)
    small = ["batch_size=1", "block_size=64"]
    for sharding, process in (("off", four), ("fsdp", Process())):
        settings = resolve("modern-12m", assignments=[*small, f"sharding={sharding}"])
        with pytest.raises(ConfigError, match="needs at least"):
            check_memory(settings, "cpu", process)
    check_memory(resolve("modern-12m", assignments=[*small, "sharding=fsdp"]), "cpu", four)


def test_the_limit_of_a_container_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slm.hardware.devices.usable_memory", lambda: Memory(24 * 10**9, 10**9))
    with pytest.raises(ConfigError) as caught:
        check_memory(resolve("tiny", assignments=["batch_size=1000000"]), "cpu")
    said = "cpu has 1.0 GB (cgroup memory limit; the machine has 24.0 GB)"
    assert said in caught.value.message
    assert "batch_size below" in str(caught.value.hint)


def test_the_advice_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slm.runs.launch.memory_bytes", lambda device: 10**9)
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
    settings = settings.with_values({"data.data_dir": str(tmp_path / "data")}, PREPARED)
    settings = settings.with_values(
        {"train.out_dir": str(out_dir)}, Origin(OriginKind.FLAG, "--out")
    )
    settings = settings.with_values(
        {"train.gradient_accumulation_steps": 3}, Origin(OriginKind.PRESET, "tiny")
    )
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
