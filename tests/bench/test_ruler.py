"""The ruler's table: what is measured once, and what each time."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import ruler

import slm
from tests.conftest import tell_stories


@pytest.fixture
def models(data_dir: Path, tmp_path: Path) -> list[Path]:
    """Two runs of a step; the first has a context that the stories of facts do not fit into."""
    paths = []
    for size in (32, 2048):
        path = tmp_path / f"context-{size}"
        shape = {"block_size": size, "batch_size": 1, "threads": 1, "eval_tokens": 256}
        slm.train(preset="tiny", data=data_dir, out=path, steps=1, progress=False, **shape)
        paths.append(path)
    return paths


@pytest.mark.slow
def test_a_table_grows_by_a_model_at_a_time(
    models: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ruler, "SPEED_TOKENS", 4)
    monkeypatch.setattr("slm.evals.stories.suite.SAMPLES", 2)
    monkeypatch.setattr("slm.evals.stories.suite.MAX_NEW_TOKENS", 8)
    monkeypatch.setattr("slm.evals.facts.PER_KIND", 2)
    Path("text.txt").write_text(tell_stories(120, seed=5), encoding="utf-8")
    pair = {"UID": "p", "field": "syntax", "sentence_good": "A b.", "sentence_bad": "B a."}
    Path("blimp.jsonl").write_text(json.dumps(pair) + "\n", encoding="utf-8")
    words = ["ruler.py", "--text", "text.txt", "--reference", "text.txt", "--blimp", "blimp.jsonl"]

    def table(*more: object) -> list[list[str]]:
        monkeypatch.setattr(sys, "argv", [*words, *map(str, more)])
        ruler.main()
        lines = capsys.readouterr().out.splitlines()
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]

    head, _, first = table(models[0])
    assert head == list(ruler.COLUMNS)
    assert first[0] == "context-32"
    assert first[5] == first[6] == ""  # facts
    assert float(first[3]) > 1.0
    assert 0.0 <= float(first[7]) <= 100.0
    seen: list[str] = []
    evaluate = slm.LanguageModel.evaluate

    def counted(lm: slm.LanguageModel, suite: str, **options: object) -> object:
        seen.append(f"{lm.path.parent.name} {suite}")
        return evaluate(lm, suite, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(slm.LanguageModel, "evaluate", counted)
    _, _, again, second = table(*models)
    assert again[:-1] == first[:-1]
    assert second[0] == "context-2048"
    assert "" not in second
    assert seen == [
        "context-32 facts",
        *(f"context-2048 {s}" for s in ("stories", "facts", "blimp")),
    ]
    seen.clear()
    assert [row[:-1] for row in table("--speed-only", *models)[2:]] == [first[:-1], second[:-1]]
    assert seen == []
