from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import slm as package
from slm.cli import main

Slm = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def run_dir(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps."""
    path = tmp_path_factory.mktemp("run") / "tiny"
    settings = ["threads=1", "eval_tokens=256", "sample_prompts=[]"]
    words = ["train", "--preset", "tiny", "--data", str(data_dir), "--out", str(path)]
    assert main([*words, "--steps", "2", "--set", *settings]) == 0
    return path


@pytest.fixture
def slm(capsys: pytest.CaptureFixture[str]) -> Slm:
    def call(*words: Any) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


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
    ],
)
def test_what_does_not_belong_together(
    slm: Slm, run_dir: Path, words: list[str], problem: str
) -> None:
    code, _, err = slm("eval", "--checkpoint", run_dir, *words)
    assert code == 2
    assert problem in err
    assert "hint:" in err
