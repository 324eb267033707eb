from __future__ import annotations

import json
import sys

import pytest

from slm.server import run_routes as module
from slm.server.run_routes import describe_run, new_records, run_routes


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def step(number, loss=1.0):
    return {"kind": "train", "step": number, "loss": loss}


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "my-run"
    folder.mkdir()
    return folder


@pytest.fixture
def ask(client_of, run):
    client = client_of(run_routes(run))

    def get(after=None):
        return client.get("/run/records", params={} if after is None else {"after": after})

    return get


def test_only_what_is_new(ask, run):
    metrics = run / "metrics.jsonl"
    metrics.write_bytes(lines(step(1), step(2)))
    first = ask().json()
    assert first["records"] == [step(1), step(2)]
    assert not first["restarted"]
    assert not first["more"]
    assert first["seconds_ago"] >= 0

    with metrics.open("ab") as stream:
        stream.write(lines(step(3)) + b'{"kind": "train", "st')
    second = ask(first["cursor"]).json()
    assert second["records"] == [step(3)]
    with metrics.open("ab") as stream:
        stream.write(b'ep": 4}\n')
    third = ask(second["cursor"]).json()
    assert third["records"] == [{"kind": "train", "step": 4}]
    assert ask(third["cursor"]).json()["records"] == []


@pytest.mark.parametrize("way", ["replaced", "shorter"])
def test_a_file_that_is_written_anew(ask, run, way):
    metrics = run / "metrics.jsonl"
    metrics.write_bytes(lines(step(1), step(2)))
    cursor = ask().json()["cursor"]
    if way == "replaced":
        (run / "new").write_bytes(lines(step(1), step(2, 0.5)))
        (run / "new").replace(metrics)
    else:
        metrics.write_bytes(lines(step(1)))

    again = ask(cursor).json()
    assert again["restarted"]
    assert again["records"][0] == step(1)


def test_before_the_first_step(ask, run):
    answer = ask().json()

    assert answer["records"] == []
    assert answer["seconds_ago"] is None
    (run / "metrics.jsonl").write_bytes(lines(step(1)))
    later = ask(answer["cursor"]).json()
    assert later["records"] == [step(1)]
    assert not later["restarted"]


@pytest.mark.parametrize(
    "cursor", ["x", "1", "1-", "-1-2", "1-2-3", "1-²", "9" * 60 + "-1", "1--1"]
)
def test_invalid_cursors(ask, cursor):
    response = ask(cursor)

    assert response.status_code == 400
    assert response.json()["error"]["param"] == "after"


def test_lines_that_are_no_records(run):
    broken = b'\xff\n[]\n{"step": "x"}\n{"kind": "train"}\n' + b"[" * 100_000 + b"\n"
    (run / "metrics.jsonl").write_bytes(broken + lines(step(1)) + b'{"step": 2, "loss": NaN}\n')

    assert new_records(run, None)["records"] == [step(1), {"step": 2, "loss": None}]


def test_a_file_that_is_read_in_pieces(run, monkeypatch):
    (run / "metrics.jsonl").write_bytes(lines(*map(step, range(1, 9))))
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    found, cursor = [], None
    for _ in range(20):
        answer = new_records(run, module.Cursor.parse(cursor))
        found += answer["records"]
        cursor = answer["cursor"]
        if not answer["more"]:
            break

    assert [record["step"] for record in found] == [*range(1, 9)]


def test_what_is_no_file(run):
    (run / "metrics.jsonl").mkdir()

    assert new_records(run, None)["records"] == []


def test_what_is_told_of_the_settings(client_of, run):
    client = client_of(run_routes(run))
    assert client.get("/run").json() == {"run": {"name": "my-run", "settings": None}}
    (run / "config.json").write_text(
        json.dumps(
            {
                "model": {"n_layer": 4, "dropout": 0.1},
                "train": {"max_minutes": 3.0, "out_dir": "/home/me/secret"},
                "data": {"source": "/home/me/stories.txt", "data_dir": "/home/me/data"},
            }
        )
    )
    told = client.get("/run").json()["run"]["settings"]
    assert told == {
        "model": {"n_layer": 4},
        "train": {"max_minutes": 3.0},
        "data": {"source": "stories.txt"},
    }
    (run / "config.json").write_text('{"model": 3, "train": [], "data": {"source": 5}}')
    assert describe_run(run)["settings"] == {"data": {"source": 5}}
    (run / "config.json").write_text("{")
    assert describe_run(run)["settings"] is None


@pytest.mark.skipif(sys.platform != "linux", reason="names of folders are Unicode")
def test_a_name_that_is_not_unicode(client_of, tmp_path):
    client = client_of(run_routes(tmp_path / "caf\udce9"))
    assert client.get("/run").json()["run"]["name"] == "caf\\udce9"


def test_no_run(client_of):
    client = client_of(run_routes(None))

    assert client.get("/run").json() == {"run": None}
    assert client.get("/run/records").status_code == 404
