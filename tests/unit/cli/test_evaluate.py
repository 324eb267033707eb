from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import slm as package
from slm.cli import main
from slm.generation import TorchEngine
from slm.server.limits import Limits
from slm.server.requests import ServedModel
from slm.server.tokenizer_routes import tokenizer_routes
from tests.conftest import Slm
from tests.servers import running
from tests.unit.evals.scripted_server import ScriptedServer, scripted


@pytest.fixture(scope="module")
def run_dir(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps."""
    path = tmp_path_factory.mktemp("run") / "tiny"
    settings = ["threads=1", "eval_tokens=256", "sample_prompts=[]"]
    words = ["train", "--preset", "tiny", "--data", str(data_dir), "--out", str(path)]
    assert main([*words, "--steps", "2", "--set", *settings]) == 0
    return path


def test_a_suite_prints_a_table(slm: Slm, run_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "b.jsonl"
    row = {"UID": "p", "field": "syntax", "sentence_good": "A b.", "sentence_bad": "B a."}
    file.write_text(json.dumps(row) + "\n", encoding="utf-8")
    words = ["eval", "--checkpoint", run_dir, "--suite", "blimp", "--source", file]
    code, out, err = slm(*words)
    assert code == 0, err
    assert "95% interval" in out
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["syntax", "blimp"]
    code, out, _ = slm(*words, "--json")
    found = json.loads(out)
    assert found["details"]["pairs"] == 1
    assert found["score"]["value"] in (0.0, 50.0, 100.0)
    assert found["checkpoint"].startswith(str(run_dir))


def test_from_python_it_is_the_same(slm: Slm, run_dir: Path, tmp_path: Path) -> None:
    lm = package.load(run_dir, device="cpu")
    with pytest.raises(package.SlmError, match="unknown suite 'fact'"):
        lm.evaluate(suite="fact")
    file = tmp_path / "b.tsv"
    file.write_text("UID\tsentence_good\tsentence_bad\np\tA b.\tB a.\n", encoding="utf-8")
    result = lm.evaluate(suite="blimp", source=file, progress=False)
    _, out, _ = slm("eval", "--checkpoint", run_dir, "--suite", "blimp", "--source", file, "--json")
    assert json.loads(out)["parts"] == json.loads(json.dumps(result.to_json()))["parts"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--suite", "fact"], "unknown suite 'fact'"),
        (["--suite", "facts", "--source", "builtin"], "the suite facts reads no source"),
        (["--suite", "facts", "--split", "train"], "--split has no effect"),
        (["--suite", "facts", "--dtype", "int8"], "--dtype has no effect"),
        (["--suite", "facts", "--limit", "1"], "limit must be from 2"),
        (["--suite", "facts", "--seed", "-1"], "seed must be an integer"),
        (["--suite", "blimp", "--source", "none.tsv"], "no file or folder none.tsv"),
        (["--source", "builtin", "--limit", "3"], "--limit has no effect"),
        (["--source", "builtin", "--seed", "3"], "--seed has no effect"),
        (["--source", "builtin", "--endpoint", "http://x"], "--checkpoint has no effect"),
        (["--source", "builtin", "--end-of-text", "x"], "--end-of-text has no effect"),
        (["--source", "builtin", "--model", "x"], "--model has no effect"),
        (["--suite", "stories", "--yes"], "--yes has no effect"),
        (["--suite", "facts", "--judge", "http://x"], "--judge has no effect"),
        (["--source", "builtin", "--judge", "http://x"], "--judge has no effect"),
        (["--suite", "stories", "--judge", "x"], "'x' is not the address of a server"),
        (["--suite", "stories", "--judge", "http://x", "--limit", "1"], "limit must be from 2"),
    ],
)
def test_what_does_not_belong_together(
    slm: Slm, run_dir: Path, words: list[str], problem: str
) -> None:
    code, _, err = slm("eval", "--checkpoint", run_dir, *words)
    assert code == 2
    assert problem in err
    assert "hint:" in err


# -- servers ---------------------------------------------------------------------------------------


@pytest.fixture
def served(run_dir: Path) -> Iterator[str]:
    """The address of a server of the run's model."""
    lm = package.load(run_dir, device="cpu")
    models = [ServedModel.of("tiny", lm.tokenizer, lm.config.block_size)]
    routes = tokenizer_routes(models, Limits())
    with running(TorchEngine(lm.model, 4), tokenizer=lm.tokenizer, routes=routes) as server:
        yield server.address


def test_a_served_checkpoint_has_the_figures_of_the_checkpoint(
    slm: Slm, run_dir: Path, served: str, tmp_path: Path
) -> None:
    file = tmp_path / "book.txt"
    file.write_text("A short one.\n<|endoftext|>\n" + "A fox met a bear. " * 60, encoding="utf-8")
    words = ["eval", "--source", file, "--json"]
    code, out, err = slm(*words, "--checkpoint", run_dir)
    assert code == 0, err
    expected = json.loads(out)
    code, out, err = slm(*words, "--endpoint", served)
    assert code == 0, err
    found = json.loads(out)
    for name in ("tokens", "bytes", "stories", "split", "text"):
        assert found[name] == expected[name]
    assert found["bits_per_byte"] == pytest.approx(expected["bits_per_byte"], rel=1e-5)
    assert (found["endpoint"], found["model"]) == (served, "tiny")
    code, out, err = slm(*words[:-1], "--endpoint", served, "--model", "tiny")
    assert code == 0, err
    assert f"bits per byte  {found['bits_per_byte']:.4f}" in out
    assert f"tiny at {served}" in err


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["--source", "none.txt"], 2, "none.txt"),
        ([], 2, "give the text to evaluate on: --source\nhint: for example: --source"),
        (["--source", "builtin", "--split", "x"], 2, "unknown split 'x'"),
        (["--source", "builtin", "--model", "other"], 1, "unknown model 'other'"),
        (["--source", "builtin", "--suite", "facts"], 2, "--suite has no effect"),
        (["--source", "builtin", "--end-of-text", "fox"], 1, "reads 'fox' as 3 tokens"),
    ],
)
def test_what_a_server_cannot_score(
    slm: Slm, served: str, words: list[str], code: int, problem: str
) -> None:
    found, _, err = slm("eval", "--endpoint", served, *words)
    assert (found, problem in err) == (code, True), err
    assert "hint:" in err


@pytest.fixture
def judge() -> Iterator[ScriptedServer]:
    grades = json.dumps({"grammar": 2, "creativity": 4, "consistency": 6, "plot": 8})
    with scripted(lambda asked: {"choices": [{"message": {"content": grades}}]}) as server:
        yield server


@pytest.mark.slow
def test_a_judge_grades_what_the_suite_writes(
    slm: Slm, run_dir: Path, judge: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["eval", "--checkpoint", run_dir, "--suite", "stories", "--limit", "2"]
    words += ["--judge", judge.address]
    code, out, err = slm(*words)
    assert code == 2
    assert "judge: scripted at http://127.0.0.1" in err
    assert "96 requests, about" in err
    assert "add --yes" in err
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, out, err = slm(*words)
    assert (code, out) == (1, "")
    assert "nothing was done" in err
    assert judge.bodies("/v1/chat/completions") == []
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    code, out, err = slm(*words)
    assert code == 0, err
    grades = [line.split() for line in out.splitlines()[-4:]]
    assert [row[:2] for row in grades] == [
        ["grammar", "20.0"],
        ["creativity", "40.0"],
        ["consistency", "60.0"],
        ["plot", "80.0"],
    ]
    assert "the grades of scripted (10 is 100)" in err
    code, out, err = slm(*words, "--yes", "--json")
    assert code == 0, err
    found = json.loads(out)["judge"]
    assert (found["graded"], found["model"]) == (96, "scripted")
    assert len(judge.bodies("/v1/chat/completions")) == 2 * 96


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True
