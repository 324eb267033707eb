"""Users' mistakes: an `error:` line, a `hint:` line, the promised exit code, and no traceback."""

from __future__ import annotations

import json
import shutil

import pytest

from slm.errors import Interrupted, NoSpaceError
from slm.storage.locks import directory_lock


@pytest.fixture
def fails(slm):
    """Runs `slm`, checks code and form of the error, and returns the error and the hint."""

    def run(code: int, *words: object) -> tuple[str, str]:
        found, out, err = slm(*words)
        assert found == code, err
        assert "Traceback" not in err
        assert out == ""
        error, hint = err.strip().splitlines()[-2:]
        assert error.startswith("error: ")
        assert hint.startswith("hint: ")
        return error, hint

    return run


def test_unknown_option(fails):
    error, hint = fails(2, "generate", "--checkpoint", "runs/x", "Hello", "--topk", "3")
    assert "--topk" in error
    assert "did you mean --top-k" in hint


def test_unknown_command(fails):
    assert "did you mean train" in fails(2, "trian")[1]


def test_no_command(fails):
    assert "prepare" in fails(2)[1]


def test_missing_argument(fails):
    assert "TEXT" in fails(2, "inspect", "--checkpoint", "runs/x")[0]


def test_value_of_the_wrong_kind(fails):
    assert "--steps" in fails(2, "train", "--steps", "many")[0]


def test_unknown_setting(fails):
    error, hint = fails(2, "train", "--preset", "tiny", "--set", "n_lyer=3")
    assert "n_lyer" in error
    assert "n_layer" in hint


def test_impossible_setting(fails):
    error, hint = fails(2, "train", "--preset", "tiny", "--set", "n_head=3", "n_embd=64")
    assert "64" in error
    assert "n_head" in hint


def test_unknown_preset(fails):
    assert "did you mean tiny" in fails(2, "train", "--preset", "tinny")[1]


def test_contradictions(fails, tmp_path, data_dir):
    assert "--fresh" in fails(2, "train", "--resume", "--fresh")[0]
    assert "--minutes" in fails(2, "train", "--steps", 3, "--minutes", 1)[0]
    assert "--source" in fails(2, "train", "--data", data_dir, "--source", "builtin")[0]
    assert "--source" in fails(2, "eval", "--checkpoint", tmp_path)[0]


def test_missing_text_file(fails, tmp_path):
    error, _ = fails(2, "prepare", "--source", tmp_path / "none.txt", "--out", tmp_path / "d")
    assert "none.txt" in error


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.jsonl", b'{"text": "cut'),
        ("number.jsonl", b'{"text": 5}'),
        ("surrogate.jsonl", b'{"text": "\\ud800"}'),
        ("windows.jsonl", b'{"text": "caf\xe9"}'),
        ("zero.txt", b"words\0words"),
        ("windows.txt", b"It\x92s a day."),
        ("empty.csv", b""),
        ("empty.txt", b""),
        ("row.csv", b"id,text\n1\n"),
        ("data.parquet", b"PAR1"),
        ("data.arrow", b"ARROW1\0\0"),
        ("json.txt", b'{"text": "words"}\n'),
        ("data.txt.gz", b"\x1f\x8bdamaged and more"),
        ("data.zip", b"PK\3\4"),
        ("name.log", b"words"),
    ],
)
def test_a_fault_in_a_file_of_text_names_it_and_a_way_to_mend_it(fails, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    error, hint = fails(1, "prepare", "--source", tmp_path / name, "--out", tmp_path / "data")
    assert name in error
    assert "SLM_DEBUG" not in hint
    assert "--help" not in hint


def test_how_a_file_is_understood_is_noted_once(slm, tmp_path):
    (tmp_path / "a.csv").write_text("Mia ran home.\nTom ran too.\nSam sat.\n", encoding="utf-8")
    words = ["--source", tmp_path / "a.csv", "--out", tmp_path / "data", "--tokenizer", "bytes"]
    code, _, err = slm("prepare", *words)
    assert code == 0
    assert err.count("no column names; the first row is read as a story too") == 1


def test_bounds_name_the_flag_and_both_ends(fails, corpus, tmp_path):
    error, _ = fails(2, "train", "--preset", "tiny", "--limit", 0)
    assert error == "error: --limit: must be from 1 to 2,147,483,647, found 0"
    words = ["--source", corpus, "--out", tmp_path / "data", "--validation-fraction", 1]
    error, _ = fails(2, "prepare", *words)
    assert error == "error: --validation-fraction: must be above 0 and below 1, found 1.0"
    words = ["generate", "--checkpoint", tmp_path, "Hello"]
    for flag, problem in (
        ("--top-k", "must be an integer from 0 to 16777216, found -1"),
        ("--temperature", "must be from 0 to 100, found -1.0"),
        ("--samples", "must be an integer from 1 to 1048576, found -1"),
    ):
        assert fails(2, *words, flag, -1)[0] == f"error: {flag} {problem}"


def test_a_mistyped_choice_gets_a_suggestion(fails):
    error, hint = fails(2, "train", "--preset", "tiny", "--set", "compile=onn")
    assert error == ("error: --set compile: input should be 'auto', 'on' or 'off', found 'onn'")
    assert hint == "hint: did you mean on?"


@pytest.mark.parametrize(
    "source", ["~nosuchuser/x.txt", "x" * 5000, "x" * 300 + ".txt", "a\0.txt", ""]
)
def test_sources_that_no_system_knows(fails, run_dir, tmp_path, source):
    fails(2, "prepare", "--source", source, "--out", tmp_path / "data")
    fails(2, "train", "--preset", "tiny", "--source", source, "--out", tmp_path / "run")
    fails(2, "eval", "--checkpoint", run_dir, "--source", source)


def test_neither_data_nor_a_checkpoint(fails, tmp_path):
    error, _ = fails(2, "info", tmp_path)
    assert "no prepared data" in error
    assert "no checkpoint" in error
    assert "does not exist" in fails(2, "info", tmp_path / ("x" * 300))[0]
    fails(2, "generate", "--checkpoint", "x" * 300, "Hello")


def test_resuming_with_another_shape(fails, run_dir):
    changes = ["--set", "n_layer=3", "dropout=0.5"]
    error, _ = fails(1, "train", "--out", run_dir, "--resume", *changes)
    assert error.endswith("has a model with n_layer 2, not 3")  # dropout may change


def test_more_memory_than_any_machine_has(fails, data_dir, tmp_path):
    sizes = ["--preset", "tiny", "--set", "n_layer=1024", "n_embd=65536", "n_head=4"]
    out = ["--data", data_dir, "--out", tmp_path / "run"]
    for command in (["bench", "train"], ["train", *out]):
        assert "GB of memory" in fails(2, *command, *sizes)[0]
    error, hint = fails(2, "train", *out, *sizes[:3], "batch_size=2147483647")
    assert "for a micro-batch" in error
    assert "batch_size below" in hint


def test_missing_settings_file(fails, tmp_path):
    assert "none.toml" in fails(2, "train", "--config", tmp_path / "none.toml")[0]


def test_missing_checkpoint(fails, tmp_path):
    assert "nothing" in fails(2, "generate", "--checkpoint", tmp_path / "nothing", "Hello")[0]


def test_missing_data(fails, tmp_path):
    words = ["train", "--preset", "tiny", "--data", tmp_path / "none", "--out", tmp_path / "run"]
    assert "none" in fails(1, *words)[0]


def test_empty_corpus(fails, tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("", encoding="utf-8")
    assert "no text" in fails(1, "prepare", "--source", empty, "--out", tmp_path / "data")[0]


def test_corpus_shorter_than_one_block(fails, tmp_path):
    short = tmp_path / "short.txt"
    short.write_text("A cat.\n<|endoftext|>\nA dog.\n", encoding="utf-8")
    words = ["--source", short, "--tokenizer", "bytes", "--out", tmp_path / "run"]
    error, hint = fails(
        1, "train", "--preset", "tiny", *words, "--set", f"data_dir={(tmp_path / 'd').as_posix()}"
    )
    assert "at least 65" in error
    assert "block_size" in hint


def test_wrong_tokenizer_for_the_data(fails, tmp_path, corpus, run_dir, data_dir):
    other = tmp_path / "chars"
    words = ["--source", corpus, "--tokenizer", "chars", "--out", other]
    from slm.cli import main

    assert main(["prepare", *map(str, words)]) == 0
    assert "chars" in fails(1, "eval", "--checkpoint", run_dir, "--data", other)[0]
    words = ["train", "--preset", "tiny", "--data", data_dir, "--tokenizer", "chars"]
    assert "bytes" in fails(2, *words, "--out", tmp_path / "run")[0]


def test_resuming_with_other_data(fails, tmp_path, run_dir, corpus):
    from slm.cli import main

    other = tmp_path / "other"
    words = ["--source", corpus, "--tokenizer", "bytes", "--seed", 1, "--out", other]
    assert main(["prepare", *map(str, words)]) == 0
    copy = tmp_path / "run"
    shutil.copytree(run_dir, copy)
    assert "other data" in fails(1, "train", "--out", copy, "--resume", "--data", other)[0]


def test_ids_above_the_vocabulary(fails, tmp_path, data_dir):
    copy = tmp_path / "data"
    shutil.copytree(data_dir, copy)
    words = ["train", "--preset", "tiny", "--data", copy, "--out", tmp_path / "run"]
    error, hint = fails(1, *words, "--set", "vocab_size=100")
    assert "256" in error
    assert "vocab_size=257" in hint


def test_damaged_token_file(fails, tmp_path, data_dir):
    copy = tmp_path / "data"
    shutil.copytree(data_dir, copy)
    content = bytearray((copy / "train.bin").read_bytes())
    content[5] ^= 1
    (copy / "train.bin").write_bytes(content)
    assert "checksum" in fails(1, "info", copy)[0]


def test_folder_that_cannot_be_made(fails, tmp_path, corpus, data_dir):
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    inside = tmp_path / "file" / "inside"
    assert "cannot write" in fails(1, "prepare", "--source", corpus, "--out", inside)[0]
    words = ["train", "--preset", "tiny", "--data", data_dir, "--out", inside]
    assert "cannot write" in fails(1, *words)[0]


def test_checkpoint_of_another_version(fails, tmp_path, run_dir):
    copy = tmp_path / "run"
    shutil.copytree(run_dir, copy)
    manifest = copy / "best" / "MANIFEST.json"
    content = json.loads(manifest.read_text("utf-8"))
    manifest.write_text(json.dumps({**content, "version": 99}), encoding="utf-8")
    assert "99" in fails(1, "generate", "--checkpoint", copy, "Hello")[0]


def test_damaged_checkpoint(fails, tmp_path, run_dir):
    copy = tmp_path / "run"
    shutil.copytree(run_dir, copy)
    weights = copy / "best" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert "model.safetensors" in fails(1, "eval", "--checkpoint", copy, "--source", "builtin")[0]


def test_a_run_that_is_there_already(fails, run_dir, data_dir):
    words = ["train", "--preset", "tiny", "--data", data_dir, "--out", run_dir]
    assert "--resume" in fails(2, *words)[1]


def test_resuming_where_nothing_is(fails, tmp_path):
    assert "no run" in fails(2, "train", "--out", tmp_path / "none", "--resume")[0]


def test_resuming_with_another_preset(fails, run_dir):
    assert "demo" in fails(2, "train", "--out", run_dir, "--resume", "--preset", "demo")[0]


def test_another_process_holds_the_run(fails, tmp_path, data_dir):
    words = ["train", "--preset", "tiny", "--data", data_dir, "--out", tmp_path / "run"]
    with directory_lock(tmp_path / "run"):
        assert "in use" in fails(3, *words)[0]


def test_unknown_device(fails, run_dir):
    words = ["generate", "--checkpoint", run_dir, "Hello"]
    assert "cuda:77" in fails(2, *words, "--device", "cuda:77")[0]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NoSpaceError("no space left", hint="free some"), 4),
        (Interrupted("stopped", signal_number=2, hint="--resume"), 130),
        (Interrupted("stopped", signal_number=15, hint="--resume"), 143),
    ],
)
def test_codes_that_are_hard_to_provoke(fails, monkeypatch, corpus, tmp_path, error, code):
    def fail(*arguments, **settings):
        raise error

    monkeypatch.setattr("slm.data.prepare.prepare", fail)
    fails(code, "prepare", "--source", corpus, "--out", tmp_path / "data")
