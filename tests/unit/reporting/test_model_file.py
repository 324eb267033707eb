"""`best_model.pt`: written whole, read without trust."""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.errors import CheckpointError, NoSpaceError, UsageError
from slm.interop import model_file as best_model_file
from slm.interop.model_file import load_model_file, load_weights
from slm.model import GPT
from slm.reporting.model_file import BestModelFile
from slm.tokenizer import build_tokenizer
from slm.training.events import EvaluationRecord

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
    with pytest.raises(CheckpointError, match="best_model.pt is not a file of plain tensors"):
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


# -- what a stranger may have made of it -----------------------------------------------------------


def saved(path: Path, trained: GPT, **changes: Any) -> None:
    """A model file with some of its parts changed."""
    write(path, trained)
    content = torch.load(path, weights_only=True)
    torch.save({**content, **changes}, path)


@pytest.mark.parametrize("change", [{"n_embd": 65536}, {"n_layer": 1024}, {"vocab_size": 2**24}])
def test_a_small_file_never_asks_for_a_large_model(
    path: Path, tiny_model: MakeModel, change: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever builds the model that a file describes may rely on its having these weights."""
    model = tiny_model("modern", vocab_size=257)
    saved(path, model, config={**model.config.__dict__, **change, "mlp_dim": 48, "head_dim": 8})
    before = torch.nn.Module.__init__

    def watched(self: Any, *args: Any) -> None:
        assert torch.empty(1).device.type == "meta"
        before(self, *args)

    monkeypatch.setattr(torch.nn.Module, "__init__", watched)
    with pytest.raises(CheckpointError, match="does not fit its own settings|lacks weights"):
        load_model_file(path)


def test_weights_that_claim_more_than_the_file_has(path: Path, tiny_model: MakeModel) -> None:
    """One number, shown a thousand million times."""
    model = tiny_model("modern", vocab_size=257)
    weights = dict(model.state_dict())
    weights["token_embedding.weight"] = torch.zeros(1).expand(2**20, 1000)
    saved(path, model, model=weights)
    assert path.stat().st_size < 10**6
    with pytest.raises(CheckpointError, match="claims weights of more bytes"):
        load_model_file(path)


def test_tied_weights_of_a_bare_state_dict_count_once(path: Path, tiny_model: MakeModel) -> None:
    weights = dict(tiny_model("gpt2").state_dict())
    weights["lm_head.weight"] = weights["token_embedding.weight"]
    torch.save(weights, path)
    assert load_model_file(path).weights.keys() == weights.keys()


def test_compressed_records(path: Path, tiny_model: MakeModel) -> None:
    """A zip bomb is refused before a record is unpacked."""
    write(path, tiny_model("modern", vocab_size=257))
    with zipfile.ZipFile(path) as archive:
        records = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in records.items():
            archive.writestr(name, content)
    with pytest.raises(CheckpointError, match="is not a file of plain tensors: it is compressed"):
        load_model_file(path)


@pytest.mark.parametrize("value", [bytearray(10), {1, 2}, torch.Size([3]), torch.float32])
def test_more_than_plain_values(path: Path, value: Any) -> None:
    """PyTorch would make these, a bytearray of any length for one, without a question."""
    torch.save({"a": torch.ones(1), "b": value}, path)
    with pytest.raises(CheckpointError, match="more than plain tensors"):
        load_model_file(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite(path: Path, tiny_model: MakeModel, value: float) -> None:
    model = tiny_model("modern", vocab_size=257)
    with torch.no_grad():
        model.final_norm.weight[3] = value
    write(path, model)
    with pytest.raises(CheckpointError, match=r"final_norm\.weight has values .* not finite"):
        load_model_file(path)


def test_weights_of_whole_numbers(path: Path) -> None:
    torch.save({"a": torch.ones(2, dtype=torch.int64)}, path)
    with pytest.raises(CheckpointError, match="int64"):
        load_model_file(path)


def test_another_version(path: Path, tiny_model: MakeModel) -> None:
    saved(path, tiny_model("modern", vocab_size=257), format="slm-model-2")
    with pytest.raises(CheckpointError, match="slm-model-2.*reads slm-model-1") as caught:
        load_model_file(path)
    assert caught.value.hint == "use the version of slm that wrote it"


class Full:
    """Takes some bytes, and then the disk is full."""

    def __init__(self, stream: Any, left: int) -> None:
        self.stream = stream
        self.left = left

    def write(self, content: Any) -> int:
        self.left -= len(content)
        if self.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return int(self.stream.write(content))


@pytest.mark.parametrize("room", [0, 10, 5_000, 30_000])
def test_a_full_disk_leaves_the_older_file(
    path: Path, tiny_model: MakeModel, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, tiny_model("modern", vocab_size=257))
    older = path.read_bytes()
    assert len(older) > 30_000
    plain = best_model_file._Output
    monkeypatch.setattr(best_model_file, "_Output", lambda stream: plain(Full(stream, room)))
    with pytest.raises(NoSpaceError, match=r"best_model\.pt"):
        write(path, tiny_model("modern", vocab_size=257, seed=1))
    assert path.read_bytes() == older
    assert [p.name for p in path.parent.iterdir()] == [path.name]
