"""Datasets of the hub, through a loopback server that speaks its protocol; and no network."""

from __future__ import annotations

import gzip
import importlib.util
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slm.data.shards import DataDirectory
from tests.packing import PACK


def _load_server() -> ModuleType:
    path = Path(__file__).with_name("hub_server.py")
    spec = importlib.util.spec_from_file_location("hub_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hub_server"] = module
    spec.loader.exec_module(module)
    return module


hub_server = _load_server()

PROGRAM = """
import sys
from slm.data.prepare import prepare
from slm.errors import SlmError
try:
    data = prepare(
        sys.argv[1], "bytes", sys.argv[2], force="--force" in sys.argv,
        limit=5 if "--limit" in sys.argv else None,
        log=lambda sentence: print("note:", sentence),
    )
except SlmError as error:
    print(f"{type(error).__name__}: {error.message}")
    print("hint:", error.hint)
    sys.exit(error.exit_code)
print("prepared", data.split("train").stories, data.split("validation").stories)
"""


PLANNING = """
import sys
from slm.config import DataConfig
from slm.planning.dataset_size import text_of
print(text_of(DataConfig(source=sys.argv[1], tokenizer="bytes")).story_bytes)
"""


def parquet(texts: list[str], column: str = "text", other: str = "id") -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({column: texts, other: [f"no {i}" for i in texts]}), buffer)
    return buffer.getvalue()


def arrow(texts: list[str]) -> bytes:
    table = pa.table({"text": pa.array(texts).cast(pa.string_view())})
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


TRAIN = [f"Story number {i}, with a café." for i in range(30)]
VALIDATION = ["Held out one.", "Held out two."]
LINES = b"".join(json.dumps({"text": text}).encode() + b"\n" for text in TRAIN)
DATA_SETS = {
    "owner/tiny": {
        "README.md": b"---\nlicense: mit\n---\n# Tiny\n",
        "data/train-00000-of-00002.parquet": parquet(TRAIN[:20]),
        "data/train-00001-of-00002.parquet": parquet(TRAIN[20:]),
        "data/validation-00000-of-00001.parquet": parquet(VALIDATION),
    },
    "owner/lines": {
        "train.jsonl": b"".join(json.dumps({"story": text}).encode() + b"\n" for text in TRAIN),
    },
    "owner/configured": {
        "README.md": b"---\nconfigs:\n- config_name: default\n  data_files:\n"
        b"  - split: train\n    path: a.txt\n  - split: validation\n    path: b.txt\n---\n",
        "a.txt": b"one\n<|endoftext|>\ntwo\nlines\n<|endoftext|>\n",
        "b.txt": b"held out",
        "unrelated.txt": b"never asked for",
    },
    "owner/packed": {"train.jsonl.gz": gzip.compress(LINES)},
    "owner/zstd": {"train.jsonl.zst": PACK["zstd"](LINES, "")},
    "owner/ndjson": {"train.ndjson": LINES},
    "owner/list": {"train.json": json.dumps([{"text": text} for text in TRAIN]).encode()},
    "owner/semicolons": {
        "train.csv": b"id;text\n" + b"".join(f'1;"{text}"\n'.encode() for text in TRAIN)
    },
    "owner/tabs": {"train.tsv": b"id\ttext\n" + b"".join(f"1\t{t}\n".encode() for t in TRAIN)},
    "owner/arrow": {"train.arrow": arrow(TRAIN)},
    "owner/windows": {"train.txt": b"It\x92s a day.\n" * 10},
    "owner/columns": {"train.parquet": parquet(["x"], column="body", other="title")},
    "owner/nothing": {"README.md": b"# Nothing\n"},
}


@pytest.fixture(scope="module")
def hub() -> Iterator[hub_server.Hub]:
    with hub_server.serve_hub(DATA_SETS) as hub:
        yield hub


@pytest.fixture(autouse=True)
def _fresh_log(hub: hub_server.Hub) -> None:
    hub.requests.clear()


class Runs:
    """Runs the program with a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        endpoint: str,
        name: str,
        *flags: str,
        out: str = "out",
        offline: bool = False,
        program: str = PROGRAM,
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("HF_", "HUGGING")) and not key.lower().endswith("_proxy")
        }
        environment |= {
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(self.folder / "cache"),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        if offline:
            environment["HF_HUB_OFFLINE"] = "1"
        return subprocess.run(
            [sys.executable, "-c", program, name, str(self.folder / out), *flags],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )


@pytest.fixture
def run(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def stories(data: DataDirectory, split: str) -> list[str]:
    found: list[list[int]] = [[]]
    for token in data.tokens(split).tolist():
        if token == data.meta.tokenizer.eot_id:
            found.append([])
        else:
            found[-1].append(token)
    assert found.pop() == []
    return [data.tokenizer.decode(story) for story in found]


@pytest.mark.slow
def test_a_data_set_is_fetched_once_and_then_kept(hub: hub_server.Hub, run: Runs) -> None:
    first = run(hub.endpoint, "owner/tiny")
    assert (first.returncode, first.stderr) == (0, "")
    assert "prepared 30 2" in first.stdout
    data = DataDirectory.open(run.folder / "out")
    assert stories(data, "train") == TRAIN
    assert stories(data, "validation") == VALIDATION
    assert data.meta.source["name"] == "owner/tiny"
    assert data.meta.details == {"commit": hub.commit("owner/tiny")}

    hub.requests.clear()
    again = run(hub.endpoint, "owner/tiny")
    assert (again.returncode, hub.requests) == (0, [])  # nothing changed: no question asked

    other = run(hub.endpoint, "owner/tiny", out="other")
    assert (other.returncode, other.stderr) == (0, "")
    assert not any(hub.downloads(path) for path in DATA_SETS["owner/tiny"])

    forced = run(hub.endpoint, "owner/tiny", "--force")
    assert (forced.returncode, forced.stderr) == (0, "")
    assert hub.downloads("data/train-00000-of-00002.parquet") == 1
    assert hub.downloads("data/validation-00000-of-00001.parquet") == 1


@pytest.mark.slow
def test_a_plan_measures_the_stories_of_a_data_set(hub: hub_server.Hub, run: Runs) -> None:
    found = run(hub.endpoint, "owner/tiny", program=PLANNING)
    assert (found.returncode, found.stderr) == (0, "")
    mean = sum(len(text.encode("utf-8")) for text in TRAIN) / len(TRAIN)
    assert float(found.stdout) == pytest.approx(mean)
    hub.requests.clear()
    known = run(hub.endpoint, "roneneldan/TinyStories", program=PLANNING)
    assert (known.stdout, hub.requests) == ("830.0\n", [])  # known, so nothing is downloaded


@pytest.mark.slow
def test_without_a_network_the_cache_serves(hub: hub_server.Hub, run: Runs) -> None:
    assert run(hub.endpoint, "owner/tiny").returncode == 0
    hub.requests.clear()
    offline = run(hub.endpoint, "owner/tiny", out="offline", offline=True)
    assert (offline.returncode, offline.stderr) == (0, "")
    assert "using the cached copy" in offline.stdout
    assert "prepared 30 2" in offline.stdout
    assert hub.requests == []
    closed = run(hub_server.closed_endpoint(), "owner/tiny", out="closed")
    assert (closed.returncode, closed.stderr) == (0, "")
    assert "prepared 30 2" in closed.stdout


@pytest.mark.slow
def test_a_limit_fetches_only_what_it_needs(hub: hub_server.Hub, run: Runs) -> None:
    limited = run(hub.endpoint, "owner/tiny", "--limit")
    assert "prepared 5 2" in limited.stdout
    assert hub.downloads("data/train-00001-of-00002.parquet") == 0
    incomplete = run(hub.endpoint, "owner/tiny", out="offline", offline=True)
    assert incomplete.returncode == 1
    assert "not completely" in incomplete.stdout
    assert incomplete.stderr == ""


def test_a_data_set_without_validation_holds_some_out(hub: hub_server.Hub, run: Runs) -> None:
    assert run(hub.endpoint, "owner/lines").returncode == 0
    data = DataDirectory.open(run.folder / "out")
    held_out = stories(data, "validation")
    assert held_out
    assert sorted(stories(data, "train") + held_out) == sorted(TRAIN)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["packed", "zstd", "ndjson", "list", "semicolons", "tabs", "arrow"]
)
def test_a_data_set_of_any_kind_that_a_file_may_have(
    hub: hub_server.Hub, run: Runs, name: str
) -> None:
    done = run(hub.endpoint, f"owner/{name}")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    data = DataDirectory.open(run.folder / "out")
    assert sorted(stories(data, "train") + stories(data, "validation")) == sorted(TRAIN)


def test_a_file_of_the_cache_is_converted_into_the_folder_where_one_is(
    hub: hub_server.Hub, run: Runs
) -> None:
    failed = run(hub.endpoint, "owner/windows")
    assert "DataError: owner/windows/train.txt is not UTF-8" in failed.stdout
    assert failed.stdout.rstrip().endswith(" > train-utf8.txt")


def test_the_cards_choice_of_files_counts(hub: hub_server.Hub, run: Runs) -> None:
    assert run(hub.endpoint, "owner/configured").returncode == 0
    data = DataDirectory.open(run.folder / "out")
    assert stories(data, "train") == ["one", "two\nlines"]
    assert stories(data, "validation") == ["held out"]
    assert hub.downloads("unrelated.txt") == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("owner/absent", "HubError: the hub has no dataset owner/absent"),
        ("owner/nothing", "HubError: the dataset owner/nothing has no readable files"),
        ("owner/columns", "DataError: owner/columns/train.parquet has no text column 'text'"),
    ],
)
def test_data_sets_that_cannot_be_used(
    hub: hub_server.Hub, run: Runs, name: str, message: str
) -> None:
    failed = run(hub.endpoint, name)
    assert failed.returncode == 1
    assert message in failed.stdout
    assert failed.stderr == ""


def expect_one_error(failed: subprocess.CompletedProcess[str]) -> None:
    lines = failed.stdout.splitlines()
    assert failed.returncode == 1
    assert failed.stderr == ""
    assert len(lines) == 2
    assert lines[0].startswith("HubError: cannot download the dataset owner/tiny: ")
    assert "--source builtin" in lines[1]


def test_nothing_listens(run: Runs) -> None:
    expect_one_error(run(hub_server.closed_endpoint(), "owner/tiny"))


def test_nobody_answers_and_we_ask_once(run: Runs) -> None:
    with hub_server.silent_server() as (endpoint, visitors):
        failed = run(endpoint, "owner/tiny")
        expect_one_error(failed)
        assert "did not answer" in failed.stdout
        assert len(visitors) == 1


def test_switched_off_and_not_cached(hub: hub_server.Hub, run: Runs) -> None:
    expect_one_error(run(hub.endpoint, "owner/tiny", offline=True))
    assert hub.requests == []
