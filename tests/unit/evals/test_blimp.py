from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slm.data import hub
from slm.errors import ConfigError, DataError, HubError, UsageError
from slm.evals import blimp
from slm.evals.blimp import BlimpSuite, first_of_each
from slm.evals.likelihood import encode_request
from slm.evals.suite import Request
from slm.tokenizer.byte_level import BytesTokenizer
from tests.unit.evals.subjects import Judge

ROWS = [
    ("agreement", "morphology", "The cats sleep.", "The cats sleeps."),
    ("agreement", "morphology", "A dog barks.", "A dog bark."),
    ("island", "syntax", "Who did Ann see?", "Who did Ann see Ben?"),
    ("island", "syntax", "Same here.", "Same here."),
    ("island", "syntax", "What is it?", "What it is it?"),
]
COLUMNS = ("UID", "field", "sentence_good", "sentence_bad")


def tsv(rows: list[tuple[str, ...]] = ROWS) -> str:
    return "".join("\t".join(row) + "\n" for row in (COLUMNS, *rows))


def jsonl(rows: list[tuple[str, ...]] = ROWS) -> str:
    return "".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in rows)


def short_is_good(request: Request) -> float:
    return -float(len(request.continuation))


@pytest.mark.parametrize(("name", "content"), [("b.tsv", tsv()), ("b.jsonl", jsonl())])
def test_accuracy_by_field_and_by_paradigm(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    result = BlimpSuite(tmp_path / name).run(Judge(short_is_good), seed=0)
    assert {part.name: part.value for part in result.parts} == {
        "morphology": 50.0,  # `barks` is longer
        "syntax": pytest.approx(250 / 3),  # equal ones count half
    }
    assert result.details["paradigms"] == {"agreement": 50.0, "island": pytest.approx(250 / 3)}
    assert result.score is not None
    assert result.score.value == pytest.approx((50 + 250 / 3) / 2)  # the mean over paradigms


def test_a_line_break_of_unicode_is_part_of_a_sentence(tmp_path: Path) -> None:
    row = {"sentence_good": "It\u2028rains.", "sentence_bad": "It rain\u0085rains."}
    content = "\r\n".join([json.dumps(row, ensure_ascii=False)] * 2)
    (tmp_path / "one.jsonl").write_text(content, encoding="utf-8", newline="")
    result = BlimpSuite(tmp_path / "one.jsonl").run(Judge(short_is_good), seed=0)
    assert result.details["pairs"] == 2


def test_a_folder_of_files_named_after_their_paradigms(tmp_path: Path) -> None:
    for name in ("one", "two"):
        row = {"sentence_good": "It rains.", "sentence_bad": "It rain rains."}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n\n", encoding="utf-8")
    result = BlimpSuite(tmp_path).run(Judge(short_is_good), seed=0)
    assert result.details["paradigms"] == {"one": 100.0, "two": 100.0}


def test_a_limit_takes_the_first_of_each_paradigm(tmp_path: Path) -> None:
    rows = [blimp.BlimpPair("a", "f", str(n), "") for n in range(3)]
    rows += [blimp.BlimpPair("b", "f", "x", "")]
    assert [pair.good for pair in first_of_each(rows, 2)] == ["0", "1", "x"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("b.txt", b"x", "is not a"),
        ("b.tsv", b"", "contains no pairs"),
        ("b.tsv", b"UID\tsentence_good\na\tIt rains.\n", "sentence_bad is None"),
        ("b.jsonl", b"{]", "line 1 is not valid JSON"),
        ("b.jsonl", b"[1]", "not a JSON object"),
        ("b.jsonl", b'{"sentence_good": 3, "sentence_bad": "x"}', "sentence_good is 3"),
        ("b.jsonl", b"\xff\xfe\xfa", "not UTF-8"),
    ],
)
def test_files_that_are_no_pairs(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        BlimpSuite(tmp_path / name).run(Judge(short_is_good), seed=0)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file or folder"):
        BlimpSuite(tmp_path / "none").run(Judge(short_is_good), seed=0)
    with pytest.raises(DataError, match=r"contains no \.tsv"):
        BlimpSuite(tmp_path).run(Judge(short_is_good), seed=0)


def test_the_hubs_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    def load_dataset(name: str, paradigm: str, *, split: str) -> list[dict[str, Any]]:
        assert (name, split) == ("nyu-mll/blimp", "train")
        rows = [row for row in ROWS if row[0] == paradigm]
        return [dict(zip(COLUMNS, row, strict=True)) for row in rows]

    library = SimpleNamespace(
        get_dataset_config_names=lambda name: ["agreement", "island"], load_dataset=load_dataset
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(blimp, "unreachable", lambda endpoint: None)
    monkeypatch.setattr(blimp, "quiet_datasets", lambda: library)
    monkeypatch.setattr(hub, "quiet_datasets", lambda: library)
    result = BlimpSuite().run(Judge(short_is_good), seed=0)
    assert result.details["pairs"] == len(ROWS)
    monkeypatch.setattr(blimp, "unreachable", lambda endpoint: "no network")
    with pytest.raises(HubError, match="no network"):
        BlimpSuite().run(Judge(short_is_good), seed=0)


# -- the LM Evaluation Harness ---------------------------------------------------------------------


def test_a_sentence_is_scored_as_the_harness_does() -> None:
    """Its rules for this task, of version 0.4.13: `api/task.py`, `construct_requests`, joins the
    default `target_delimiter`, a space, and the sentence; `api/model.py`, `loglikelihood`, scores
    all ids of that after the prefix token, because the context is empty.
    """
    seen: list[Request] = []
    suite = BlimpSuite(limit=1)
    pairs = [blimp.BlimpPair(*row) for row in ROWS]
    judge = Judge(lambda request: seen.append(request) or 0.0)  # type: ignore[func-returns-value]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blimp, "_from_hub", lambda log: iter(pairs))
        suite.run(judge, seed=0)
    assert seen[0] == Request("", " The cats sleep.")
    tokenizer = BytesTokenizer()
    encoded = encode_request(tokenizer, seen[0], 64)
    assert encoded.ids == [tokenizer.bos_id, *b" The cats sleep."]
    assert encoded.n_scored == len(" The cats sleep.")


@pytest.mark.parametrize("limit", [0, -1, 1.5])
def test_a_limit_out_of_range_is_refused(limit: Any) -> None:
    with pytest.raises(ConfigError, match="at least 1 pair of each paradigm"):
        BlimpSuite(limit=limit)
