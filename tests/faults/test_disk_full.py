"""A disk that is full in the middle of a run: what was saved stays, and nothing is left beside it.

The limit comes once the run has begun, so that it is not the look ahead at its start that stops it.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from slm.checkpoint import load_checkpoint, newest_checkpoint, resolve_checkpoint
from tests.conftest import tell_stories
from tests.faults.forked import Nursery, needs_fork

pytestmark = [
    needs_fork,
    pytest.mark.skipif(os.name == "nt", reason="Windows knows no limits of file sizes"),
]

N_SIZES = 20


def files_below(folder: Path) -> dict[str, int]:
    """All files of a folder, and their sizes."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.stat().st_size for path in paths}


def test_at_20_sizes(children: Nursery, tmp_path: Path, soak: bool) -> None:
    source = tmp_path / "stories.txt"
    source.write_text(tell_stories(100, seed=0), encoding="utf-8", newline="\n")
    data, run = tmp_path / "data", tmp_path / "run"
    children.succeed("prepare_data", source=source, out_dir=data)
    children.succeed("start_run", out_dir=run, data_dir=data, steps=3)
    last = run / "checkpoints" / "step-000003"
    largest = max(path.stat().st_size for path in last.iterdir())
    smallest = 16 << 10  # beyond the metrics of so few steps
    n_sizes = 10 * N_SIZES if soak else N_SIZES
    before = files_below(run / "checkpoints")
    named = set()
    for number in range(n_sizes):
        limit = smallest + (largest - 1 - smallest) * number // (n_sizes - 1)
        copy = tmp_path / f"full-{number}"
        shutil.copytree(run, copy)
        outcome = children.run(
            "train_on_a_full_disk", out_dir=copy, data_dir=data, largest_file=limit
        )
        assert outcome.status == 4, (limit, outcome.errors)
        path = re.search(rf"{re.escape(str(copy))}/\S+", outcome.errors)
        assert path is not None, outcome.errors
        named.add(Path(path[0].rstrip(":;,")).name)
        needed = re.search(r"([\d,.]+) (bytes|kB|MB|GB)", outcome.errors)
        assert needed is not None, outcome.errors
        assert files_below(copy / "checkpoints") == before
        assert not list(copy.rglob(".partial-*"))
        newest = newest_checkpoint(copy)
        assert newest is not None
        assert newest.state.step == 3
        best = load_checkpoint(resolve_checkpoint(copy))
        assert best.state.step in (2, 4)  # a smaller file than the checkpoint's may have fitted
        shutil.rmtree(copy)
    print(f"{n_sizes} sizes from {smallest:,} to {largest - 1:,} bytes; refused: {sorted(named)}")
