from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from slm.cli import main
from slm.errors import CheckpointError, ConfigError, UsageError
from slm.runs.settings import from_preset, length_flags, named_place, new_run, resumed_run


def test_a_new_run_takes_the_default_preset():
    settings = new_run(None, None, {}, [])

    assert settings.model.n_embd == 384
    assert str(settings.origins["model.norm"]) == "preset modern-12m"
    assert Path(settings.train.out_dir) == Path("runs/modern-12m")


def test_the_settings_file_may_name_the_preset(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('preset = "tiny"\n[train]\nseed = 5\n', encoding="utf-8")

    settings = new_run(None, file, {}, [])

    assert settings.model.n_embd == 32
    assert settings.train.seed == 5
    assert Path(settings.train.out_dir) == Path("runs/mine")


def test_out_dir_that_was_chosen_stays():
    settings = new_run("tiny", None, {"train.out_dir": ("here", "--out")}, [])

    assert settings.train.out_dir == "here"


def test_a_preset_limits_its_own_source_only():
    assert from_preset("tiny", None, {"data.source": ("builtin", "--source")}, []).data.limit == 300
    assert from_preset("tiny", None, {"data.source": ("a/b", "--source")}, []).data.limit is None
    assert (
        from_preset("tiny", None, {"data.source": ("a/b", "--source")}, ["limit=9"]).data.limit == 9
    )


def test_a_short_context_of_the_preset_gives_way_to_the_block_size():
    def short(*assignments):
        return from_preset("modern-12m", None, {}, assignments).train.seq_len_warmup

    assert short("block_size=512") == 128
    assert short("block_size=200") is None
    assert short("block_size=200", "seq_len_warmup=50") == 50
    assert short("block_size=100") == 128  # which is longer, and has no effect
    with pytest.raises(ConfigError, match="block_size 200 is not a multiple") as caught:
        short("block_size=200", "seq_len_warmup=128")
    assert caught.value.hint == "try seq_len_warmup=100"


@pytest.fixture
def run_dir(tmp_path) -> Path:
    settings = new_run("tiny", None, {}, ["n_embd=40", "n_head=4", "out_dir=elsewhere"])
    (tmp_path / "config.json").write_text(json.dumps(settings.to_json()), encoding="utf-8")
    return tmp_path


def test_a_run_goes_on_with_its_own_settings(run_dir):
    resumed = resumed_run(run_dir, None, None, {"train.seed": (9, "--seed")}, ["n_head=5"])

    assert resumed is not None
    assert (resumed.model.n_embd, resumed.model.n_head, resumed.train.seed) == (40, 5, 9)
    assert str(resumed.origins["model.n_embd"]) == "--set"
    assert str(resumed.origins["train.seed"]) == "--seed"
    assert resumed.train.out_dir == str(run_dir)


@pytest.mark.parametrize(
    ("flags", "changes", "place"),
    [
        ({}, [], None),
        ({"train.seed": (9, "--seed")}, ["n_head=5"], None),
        ({"train.out_dir": ("my run", "--out")}, ["n_head=5"], "my run"),
        ({}, ["out_dir=my run", "n_head=5"], "my run"),
    ],
)
def test_the_place_of_a_run_is_known_before_its_settings_are(flags, changes, place):
    """n_head=5 fits no preset, but may fit that run."""
    assert named_place(flags, changes) == (None if place is None else Path(place))


def test_a_settings_file_may_name_the_place(run_dir, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('preset = "tiny"\n[train]\nout_dir = "of file"\n', encoding="utf-8")
    assert named_place({}, [], file) == Path("of file")
    assert named_place({}, ["out_dir=mine"], file) == Path("mine")
    assert named_place({"train.out_dir": ("my run", "--out")}, [], file) == Path("my run")
    assert named_place({}, [], run_dir / "config.json") is None


def test_the_same_command_again_changes_nothing(run_dir, tmp_path):
    again = resumed_run(run_dir, "tiny", None, {}, ["n_embd=40", "n_head=4"])
    file = tmp_path / "mine.toml"
    file.write_text('preset = "gpt2"\nn_layer = 3\n', encoding="utf-8")
    with_file = resumed_run(run_dir, None, file, {}, [])

    assert again == resumed_run(run_dir, None, None, {}, [])
    assert with_file is not None
    assert (with_file.model.n_layer, with_file.model.n_embd) == (3, 40)


def test_another_preset_is_refused(run_dir):
    with pytest.raises(UsageError, match="gpt2"):
        resumed_run(run_dir, "gpt2", None, {}, [])


def test_no_run_and_no_settings(tmp_path):
    assert resumed_run(tmp_path, None, None, {}, []) is None
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(CheckpointError, match="cannot read"):
        resumed_run(tmp_path, None, None, {}, [])


def test_the_settings_of_a_run_are_those_of_its_newest_checkpoint(tmp_path, capsys):
    """Its file beside them is not verified, and must not decide what is trained."""
    train = ["train", "--preset", "tiny", "--source", "builtin", "--limit", "40", "--set"]
    settings = ["n_embd=16", "n_head=2", "data_dir=data", "eval_tokens=64", "sample_prompts=[]"]
    with contextlib.chdir(tmp_path):
        assert main([*train, *settings, "--steps", "1", "--out", "run"]) == 0, capsys.readouterr()
        run = Path("run")
        file = run / "config.json"
        whole = resumed_run(run, None, None, {}, [])
        for content in (b"\0\0\0", b"{" * 10**6, b"", file.read_bytes().replace(b"16", b"24")):
            file.write_bytes(content)
            assert resumed_run(run, None, None, {}, []) == whole
        file.unlink()
        assert resumed_run(run, None, None, {}, []) == whole
        assert whole.model.n_embd == 16
        (run / ".setting-aside").write_text("previous-001", encoding="utf-8")
        assert resumed_run(run, None, None, {}, []) is None


@pytest.mark.parametrize("content", [b"{" * 10**6, b" " * (2 << 20), b'{"a": 1, "a": 2}', b"\xff"])
def test_settings_that_cannot_be_any(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match="config.json"):
        resumed_run(tmp_path, None, None, {}, [])


def test_steps_clear_the_clock_and_minutes_leave_the_steps():
    assert length_flags(5, None) == {
        "train.max_steps": (5, "--steps"),
        "train.max_minutes": (None, "--steps"),
    }
    assert length_flags(None, 1.5) == {"train.max_minutes": (1.5, "--minutes")}
    assert length_flags(None, None) == {}
    with pytest.raises(UsageError, match="--minutes"):
        length_flags(5, 1.5)
