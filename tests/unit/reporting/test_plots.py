"""The loss plot is a real picture, made without any window or global state."""

from __future__ import annotations

import json
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from slm.reporting.plots import LossPlot, draw_losses
from slm.training.events import EvaluationRecord

RECORDS: list[dict[str, Any]] = [
    {"kind": "train", "step": 1, "loss": 5.0},
    {"kind": "train", "step": 2, "loss": 4.0},
    {"kind": "validation", "step": 2, "loss": 4.2},
    {"kind": "sample", "step": 2, "text": "no loss here"},
    {"kind": "train", "step": 3, "loss": 3.5},
    {"kind": "validation", "step": 3, "loss": 3.7},
]


def check_png(picture: bytes) -> tuple[int, int]:
    """Every chunk whole and of the right CRC, pixels that unpack; returns width and height."""
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    offset, pixels, size = 8, b"", (0, 0)
    while True:
        (length,) = struct.unpack(">I", picture[offset : offset + 4])
        kind = picture[offset + 4 : offset + 8]
        content = picture[offset + 8 : offset + 8 + length]
        (crc,) = struct.unpack(">I", picture[offset + 8 + length : offset + 12 + length])
        assert crc == zlib.crc32(kind + content)
        offset += 12 + length
        if kind == b"IHDR":
            size = struct.unpack(">II", content[:8])
        elif kind == b"IDAT":
            pixels += content
        elif kind == b"IEND":
            break
    assert offset == len(picture)
    assert len(zlib.decompress(pixels)) > size[0] * size[1]
    return size


@pytest.mark.parametrize(
    "records",
    [
        RECORDS,
        RECORDS[:1],
        RECORDS[2:3],
        [{"kind": "sample", "step": 1}],
        [{"kind": "train", "step": 1, "loss": None}, *RECORDS],  # a skipped step
        [{"step": 4}, *RECORDS],
    ],
    ids=["all", "one step", "one evaluation", "no losses", "skipped", "foreign line"],
)
def test_it_is_a_whole_png(records: list[dict[str, Any]]) -> None:
    width, height = check_png(draw_losses(records))
    assert width >= 600
    assert height >= 300


def test_it_shows_what_the_records_say() -> None:
    assert draw_losses(RECORDS) == draw_losses(RECORDS)
    assert draw_losses(RECORDS) != draw_losses(RECORDS[:-1])


def test_it_is_drawn_at_each_evaluation_and_at_the_end(tmp_path: Path) -> None:
    metrics, picture = tmp_path / "metrics.jsonl", tmp_path / "losses.png"
    plot = LossPlot(metrics, picture)
    plot.on_end(None)
    assert not picture.exists()  # nothing to show
    metrics.write_text("".join(json.dumps(r) + "\n" for r in RECORDS[:3]), encoding="utf-8")
    plot.on_evaluation(EvaluationRecord(2, 4.2, 1.0, 9, 4.0, True, 1.0))
    check_png(first := picture.read_bytes())
    metrics.write_text("".join(json.dumps(r) + "\n" for r in RECORDS), encoding="utf-8")
    plot.on_end(None)
    check_png(picture.read_bytes())
    assert picture.read_bytes() != first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["losses.png", "metrics.jsonl"]


def test_pyplot_is_never_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it is an error now
    check_png(draw_losses(RECORDS))
