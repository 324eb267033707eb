"""What is printed of runs that have ended: bits per byte at shares of their time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import run_curves


def run(path: Path, *evaluations: tuple[float, float]) -> Path:
    path.mkdir()
    records = [{"kind": "train", "step": 1, "loss": 2.0, "elapsed_seconds": 1.0}]
    records += [
        {"kind": "validation", "step": n, "bits_per_byte": bits, "elapsed_seconds": seconds}
        for n, (seconds, bits) in enumerate(evaluations)
    ]
    lines = "".join(f"{json.dumps(record)}\n" for record in records)
    (path / "metrics.jsonl").write_text(lines)
    return path


def test_the_table_reads_between_evaluations(tmp_path: Path) -> None:
    curve = run_curves.curve_of(run(tmp_path / "tea", (20, 2.0), (60, 1.0), (100, 0.5)))
    assert run_curves.table({"tea": curve}) == [
        "| run | 10% | 25% | 50% | 75% | 90% | 100% |",
        "|---|---|---|---|---|---|---|",
        "| tea |  | 1.88 | 1.25 | 0.81 | 0.62 | 0.50 |",
    ]


def test_a_picture_of_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [run(tmp_path / name, (60, 1.5), (600, 0.7)) for name in ("tea", "lunch")]
    picture = tmp_path / "curves.png"
    monkeypatch.setattr("sys.argv", ["run_curves.py", *map(str, runs), "--plot", str(picture)])
    run_curves.main()
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_run_without_evaluations_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"tea has no evaluations"):
        run_curves.curve_of(run(tmp_path / "tea"))
