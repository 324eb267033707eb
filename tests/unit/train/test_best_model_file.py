"""`best_model.pt`: written whole, read without trust."""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.errors import CheckpointError, UsageError
from slm.model import GPT
from slm.tokenizer import build_tokenizer
from slm.train.best_model_file import BestModelFile, load_model_file, load_weights
from slm.train.events import EvaluationRecord

MakeModel = Callable[..., GPT]


def evaluation(step: int, *, is_best: bool) -> EvaluationRecord:
    return EvaluationRecord(step, 2.5, 1.2, 99, 2.4, is_best, 3.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "best_model.pt"


def write(path: Path, model: GPT) -> None:
    writer = BestModelFile(path, model, lambda: build_tokenizer("bytes", []))
    writer.on_evaluation(evaluation(7, is_best=True))


def test_round_trip(path: Path, tiny_model: MakeModel) -> None:
    model = tiny_model("modern", vocab_size=257)
    write(path, model)
    content = torch.load(path, weights_only=True)
    assert content.keys() == {
        "format",
        "model",
        "config",
        "tokenizer",
        "step",
        "validation_loss",
    }
    assert content["step"] == 7
    assert content["validation_loss"] == 2.5
    loaded = load_model_file(path)
    assert loaded.config == model.config
    assert loaded.tokenizer is not None
    assert loaded.tokenizer.fingerprint == build_tokenizer("bytes", []).fingerprint
    other = tiny_model("modern", vocab_size=257, seed=1)
    load_weights(other, loaded.weights, where=path, config=loaded.config)
    for name, weights in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], weights)


def test_it_is_written_for_the_best_only(path: Path, tiny_model: MakeModel) -> None:
    model = tiny_model("modern", vocab_size=257)
    writer = BestModelFile(path, model, lambda: build_tokenizer("bytes", []))
    writer.on_evaluation(evaluation(1, is_best=False))
    assert not path.exists()
    writer.on_evaluation(evaluation(2, is_best=True))
    best = path.read_bytes()
    with torch.no_grad():
        model.token_embedding.weight.zero_()
    writer.on_evaluation(evaluation(3, is_best=False))
    assert path.read_bytes() == best
    assert [p.name for p in path.parent.iterdir()] == ["best_model.pt"]


def test_a_bare_state_dict(path: Path, tiny_model: MakeModel) -> None:
    model = tiny_model("gpt2")
    torch.save(model.state_dict(), path)
    loaded = load_model_file(path)
    assert loaded.config is None
    assert loaded.tokenizer is None
    load_weights(tiny_model("gpt2", seed=1), loaded.weights, where=path)


def test_a_missing_file(path: Path) -> None:
    with pytest.raises(UsageError, match="best_model"):
        load_model_file(path)
    with pytest.raises(UsageError):
        load_model_file(path.parent)


class Malicious:
    """Unpickling it would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrap", [lambda evil: evil, lambda evil: {"model": evil, "format": "x"}])
def test_nothing_in_it_is_ever_executed(path: Path, legacy: bool, wrap: Any) -> None:
    folder = path.parent / "pwned"
    torch.save(wrap(Malicious(folder)), path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match="best_model.pt is not a model file"):
        load_model_file(path)
    path.write_bytes(pickle.dumps(wrap(Malicious(folder))))
    with pytest.raises(CheckpointError):
        load_model_file(path)
    assert not folder.exists()


@pytest.mark.parametrize(
    "content",
    [[1, 2], "text", None, {}, {"model": 3}, {"a": torch.ones(1), 5: torch.ones(1)}]
    + [{"format": "slm-model-1"}, {"format": "slm-model-1", "model": {"a": [1.0]}}]
    + [{"format": "slm-model-1", "model": {}}]
    + [{"format": "slm-model-1", "model": {}, "config": {"n_layer": "x"}, "tokenizer": {}}]
    + [{"format": "slm-model-1", "model": {}, "config": 5, "tokenizer": None}],
    ids=lambda content: str(content)[:40],
)
def test_other_content(path: Path, content: Any, tiny_model: MakeModel) -> None:
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="best_model"):
        load_weights(tiny_model("gpt2"), load_model_file(path).weights, where=path)


def test_damage_is_an_error_of_ours_wherever_it_is(path: Path, tiny_model: MakeModel) -> None:
    """Cut off, or with a few bytes changed, in the part of the file that is not plain weights."""
    write(path, tiny_model("modern", vocab_size=257, n_layer=1))
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        info = next(i for i in archive.infolist() if i.filename.endswith("data.pkl"))
    chance = random.Random(0)
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            damaged[info.header_offset + chance.randrange(info.file_size + 60)] = chance.randrange(
                256
            )
        path.write_bytes(damaged)
        with contextlib.suppress(CheckpointError):  # a changed number may still make sense
            load_model_file(path)
    for length in [0, 1, 100, info.file_size, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"best_model\.pt"):
            load_model_file(path)


def test_a_shape_that_does_not_fit_is_named_and_nothing_changes(
    path: Path, tiny_model: MakeModel
) -> None:
    weights = tiny_model("gpt2", vocab_size=60).state_dict()
    model = tiny_model("gpt2")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_weights(model, weights, where=path)
    assert "token_embedding.weight is (60, 32) there, (97, 32) here" in str(caught.value)
    assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())


def test_missing_and_unknown_names(path: Path, tiny_model: MakeModel) -> None:
    model = tiny_model("gpt2")
    weights = dict(model.state_dict())
    with pytest.raises(CheckpointError, match="extra.weight is .*there, absent here"):
        load_weights(model, {**weights, "extra.weight": torch.ones(1)}, where=path)
    del weights["final_norm.bias"]
    with pytest.raises(CheckpointError, match="final_norm.bias is missing there"):
        load_weights(model, weights, where=path)


@pytest.mark.parametrize(
    "change", [{"n_head": 2, "n_kv_head": 2, "head_dim": 16}, {"rope_theta": 500.0}]
)
def test_settings_that_no_shape_shows(
    path: Path, tiny_model: MakeModel, change: dict[str, Any]
) -> None:
    """The same tensors cut into other heads are another model."""
    trained = tiny_model("modern", n_kv_head=4)
    other = tiny_model("modern", **{"n_kv_head": 4, "qk_norm": True, **change})
    if "n_head" in change:
        trained, other = (
            tiny_model("modern", qk_norm=False, n_kv_head=4),
            tiny_model("modern", qk_norm=False, **change),
        )
    weights = dict(trained.state_dict())
    load_weights(other, weights, where=path)  # nothing to compare: the shapes are the same
    with pytest.raises(CheckpointError, match=f"{next(iter(change))} is .* there"):
        load_weights(other, weights, where=path, config=trained.config)


def test_dropout_and_context_may_differ(path: Path, tiny_model: MakeModel) -> None:
    trained = tiny_model("modern", dropout=0.2, n_kv_head=None)
    other = tiny_model("modern", seed=1, dropout=0.0, block_size=64, n_kv_head=4)
    load_weights(other, dict(trained.state_dict()), where=path, config=trained.config)
