"""A checkpoint comes back exactly, and no damage to any of its files goes unseen."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor

from slm.checkpoint import load_checkpoint, save_checkpoint, verify_checkpoint
from slm.checkpoint.manifest import HashingWriter
from slm.checkpoint.tensors import write_tensors
from slm.config.run_files import MANIFEST_NAME
from slm.errors import CheckpointError
from slm.storage.files import settle_directory
from slm.storage.safe_reading import sealed_json

if TYPE_CHECKING:
    from conftest import Run

FILES = (
    "MANIFEST.json",
    "config.json",
    "model.safetensors",
    "optimizer.safetensors",
    "state.json",
    "tokenizer.json",
)
FLIPS_PER_FILE = 60


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def forge(directory: Path, name: str, content: bytes) -> None:
    """Replace a file and make the manifest say that it is right."""
    (directory / name).write_bytes(content)
    crc32 = [zlib.crc32(content[at : at + 2**20]) for at in range(0, len(content), 2**20)]
    digest = hashlib.sha256(content).hexdigest()
    describe(directory, name, {"bytes": len(content), "sha256": digest, "crc32": crc32})


def describe(directory: Path, name: str, record: dict[str, Any]) -> None:
    """Make the manifest say this about a file."""
    manifest = json.loads((directory / MANIFEST_NAME).read_text("utf-8"))
    del manifest["checksum"]
    manifest["files"][name] = record
    (directory / MANIFEST_NAME).write_bytes(sealed_json(manifest))


def forge_tensors(directory: Path, name: str, tensors: dict[str, Tensor]) -> None:
    place = directory.parent / "forged"
    with place.open("wb") as stream:
        write_tensors(HashingWriter(stream), tensors)
    forge(directory, name, place.read_bytes())


# -- there and back ------------------------------------------------------------------------------


def test_everything_comes_back(checkpoint: Path, tiny_run: Run) -> None:
    assert names(checkpoint) == sorted(FILES)
    loaded = load_checkpoint(checkpoint)
    assert loaded.path == checkpoint
    assert loaded.config == tiny_run.config
    assert loaded.state == tiny_run.state()
    assert loaded.tokenizer.fingerprint == tiny_run.tokenizer.fingerprint
    saved = tiny_run.content()["model_state"]
    assert loaded.model_state.keys() == saved.keys()
    assert all(torch.equal(loaded.model_state[name], saved[name]) for name in saved)
    assert loaded.has_optimizer_state
    assert loaded.optimizer_state.keys() == tiny_run.optimizer_state.keys()
    for name, tensor in tiny_run.optimizer_state.items():
        assert torch.equal(loaded.optimizer_state[name], tensor)


@pytest.mark.parametrize("shape", [{}, {"tie_embeddings": False}, {"position": "rope"}])
def test_the_model_says_the_same_again(
    tmp_path: Path, tiny_run: Run, shape: dict[str, Any]
) -> None:
    from slm.model import GPT

    run = tiny_run.with_shape(**shape)
    model = GPT(run.config.model).eval()
    content = run.content() | {"model_state": model.state_dict()}
    save_checkpoint(tmp_path / "c", **content)
    before = torch.random.get_rng_state()
    rebuilt = load_checkpoint(tmp_path / "c").build_model()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not rebuilt.training
    idx = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        assert torch.equal(rebuilt(idx)[0], model(idx)[0])


def test_equal_content_gives_equal_files(tmp_path: Path, tiny_run: Run) -> None:
    a, b = tiny_run.save(tmp_path / "a"), tiny_run.save(tmp_path / "b")
    assert all((a / name).read_bytes() == (b / name).read_bytes() for name in FILES)


def test_a_checkpoint_without_tokenizer_or_optimizer(tmp_path: Path, tiny_run: Run) -> None:
    save_checkpoint(tmp_path / "c", **(tiny_run.content() | {"tokenizer": None}))
    loaded = load_checkpoint(tmp_path / "c")
    assert not loaded.has_optimizer_state
    with pytest.raises(CheckpointError, match="no tokenizer"):
        _ = loaded.tokenizer
    with pytest.raises(CheckpointError, match="no optimizer state"):
        _ = loaded.optimizer_state
    verify_checkpoint(tmp_path / "c")


def test_unknown_files_are_ignored(checkpoint: Path) -> None:
    (checkpoint / "notes.txt").write_text("mine", "utf-8")
    (checkpoint / "deeper").mkdir()
    verify_checkpoint(checkpoint)


# -- what must not be written --------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_not_saved(
    checkpoint: Path, tiny_run: Run, value: float
) -> None:
    content = tiny_run.content(600)
    content["model_state"]["final_norm.weight"][2] = value
    with pytest.raises(CheckpointError, match=r"final_norm\.weight has non-finite values"):
        save_checkpoint(checkpoint, **content)
    assert load_checkpoint(checkpoint).state.step == 500
    assert names(checkpoint.parent) == ["checkpoint"]


def test_weights_of_another_shape_are_not_saved(tmp_path: Path, tiny_run: Run) -> None:
    content = tiny_run.content()
    content["model_state"]["_orig_mod.x"] = torch.zeros(1)
    with pytest.raises(CheckpointError, match=r"unknown weights '_orig_mod\.x'"):
        save_checkpoint(tmp_path / "c", **content)
    content = tiny_run.content()
    del content["model_state"]["final_norm.weight"]
    with pytest.raises(CheckpointError, match=r"lacks the weights 'final_norm\.weight'"):
        save_checkpoint(tmp_path / "c", **content)
    with pytest.raises(CheckpointError, match="from the settings"):
        save_checkpoint(tmp_path / "c", **tiny_run.with_shape(block_size=9).content())
    assert names(tmp_path) == []


def test_a_tokenizer_with_more_ids_than_the_model_is_not_saved(
    tmp_path: Path, tiny_run: Run
) -> None:
    content = tiny_run.with_shape(vocab_size=256).content()
    weights = content["model_state"]["token_embedding.weight"]
    content["model_state"]["token_embedding.weight"] = weights[:256]
    with pytest.raises(CheckpointError, match="257 ids, the model only 256"):
        save_checkpoint(tmp_path / "c", **content)


# -- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_bit_is_found(
    checkpoint: Path, name: str, flip: Callable[[Path, int], None]
) -> None:
    path = checkpoint / name
    bits = path.stat().st_size * 8
    generator = random.Random(name)
    for bit in [0, bits - 1, *(generator.randrange(bits) for _ in range(FLIPS_PER_FILE))]:
        flip(path, bit)
        with pytest.raises(CheckpointError) as caught:
            verify_checkpoint(checkpoint)
        assert name in caught.value.message
        if name != MANIFEST_NAME:
            assert "chunk 0, bytes 0 to" in caught.value.message
        flip(path, bit)
    verify_checkpoint(checkpoint)


@pytest.mark.parametrize("name", FILES)
def test_every_cut_and_every_addition_is_found(checkpoint: Path, name: str) -> None:
    path = checkpoint / name
    whole = path.read_bytes()
    generator = random.Random(name)
    cuts = [0, 1, 8, len(whole) - 1, *(generator.randrange(len(whole)) for _ in range(10))]
    for content in [*(whole[:cut] for cut in cuts), whole + b"\0", whole + b"}", whole + whole]:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=name):
            verify_checkpoint(checkpoint)
    path.unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        verify_checkpoint(checkpoint)
    path.mkdir()
    with pytest.raises(CheckpointError, match=name):
        verify_checkpoint(checkpoint)


@pytest.mark.parametrize("name", ["model.safetensors", "state.json", MANIFEST_NAME])
def test_files_swapped_between_checkpoints_are_found(
    checkpoint: Path, tiny_run: Run, name: str
) -> None:
    other = tiny_run.save(checkpoint.parent / "other", step=1000)
    shutil.copy(other / name, checkpoint / name)
    with pytest.raises(CheckpointError):
        verify_checkpoint(checkpoint)


def test_files_swapped_within_a_checkpoint_are_found(checkpoint: Path) -> None:
    model, optimizer = checkpoint / "model.safetensors", checkpoint / "optimizer.safetensors"
    aside = checkpoint / "aside"
    model.rename(aside)
    optimizer.rename(model)
    aside.rename(optimizer)
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        verify_checkpoint(checkpoint)


def test_a_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="missing"):
        load_checkpoint(tmp_path / "nowhere")


# -- forgery: the checksums are right, the content is not ----------------------------------------


def test_forged_weights_are_refused(checkpoint: Path, tiny_run: Run) -> None:
    def refused(match: str, **changes: Tensor) -> None:
        state = tiny_run.content()["model_state"]
        renamed = {name.replace("__", "."): tensor for name, tensor in changes.items()}
        forge_tensors(checkpoint, "model.safetensors", state | renamed)
        with pytest.raises(CheckpointError, match=match):
            load_checkpoint(checkpoint)

    refused("non-finite", final_norm__weight=torch.tensor([1.0, float("nan"), 1.0, 1.0]))
    refused("has shape", final_norm__weight=torch.ones(5))
    refused("dtype", final_norm__weight=torch.ones(4, dtype=torch.int64))
    refused("unknown weights", more=torch.ones(1))


def test_a_thousand_layers_are_refused_without_making_them(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slm.model import gpt

    made = []
    original = gpt.Block.__init__

    def counted(self: Any, config: Any) -> None:
        made.append(config)
        original(self, config)

    config = json.loads((checkpoint / "config.json").read_text("utf-8"))
    config["model"] |= {"n_layer": 1024}
    forge(checkpoint, "config.json", json.dumps(config).encode())
    monkeypatch.setattr(gpt.Block, "__init__", counted)
    with pytest.raises(CheckpointError, match=r"model\.safetensors lacks the weights 'blocks\.1"):
        load_checkpoint(checkpoint)
    assert len(made) <= 1


def test_numbers_beyond_a_float_are_damage_like_any_other(checkpoint: Path) -> None:
    state = (checkpoint / "state.json").read_bytes()
    forge(
        checkpoint,
        "state.json",
        state.replace(b'"elapsed_seconds": 1.5', b'"elapsed_seconds": 1e999'),
    )
    with pytest.raises(CheckpointError, match=r"state\.json.*1e999 is too large"):
        load_checkpoint(checkpoint)
    manifest = (checkpoint / MANIFEST_NAME).read_bytes()
    (checkpoint / MANIFEST_NAME).write_bytes(manifest.replace(b'"version": 1', b'"version": 1e999'))
    with pytest.raises(CheckpointError, match=rf"{MANIFEST_NAME}.*1e999 is too large"):
        load_checkpoint(checkpoint)


def test_a_text_will_do_for_a_path(checkpoint: Path) -> None:
    assert load_checkpoint(str(checkpoint)).path == checkpoint
    verify_checkpoint(str(checkpoint))


def test_forged_settings_are_refused_before_memory_is_taken(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text("utf-8"))
    config["model"] |= {"n_embd": 65536, "n_layer": 32, "n_head": 16}
    forge(checkpoint, "config.json", json.dumps(config).encode())
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_checkpoint(checkpoint)
    config["model"]["n_layer"] = -1
    forge(checkpoint, "config.json", json.dumps(config).encode())
    with pytest.raises(CheckpointError, match=r"config\.json.*n_layer"):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize("content", [b"[]", b"{}", b"null", b"[" * 5000, b'{"kind": "pickle"}'])
@pytest.mark.parametrize("name", ["config.json", "state.json", "tokenizer.json"])
def test_forged_json_is_refused(checkpoint: Path, name: str, content: bytes) -> None:
    forge(checkpoint, name, content)
    with pytest.raises(CheckpointError, match=name):
        _ = load_checkpoint(checkpoint).tokenizer


def test_an_enormous_optimizer_state_is_refused(checkpoint: Path) -> None:
    size = 2**33
    with (checkpoint / "optimizer.safetensors").open("wb") as stream:
        stream.truncate(size)  # sparse
    record = {"bytes": size, "sha256": "0" * 64, "crc32": [0] * (size >> 20)}
    describe(checkpoint, "optimizer.safetensors", record)
    with pytest.raises(CheckpointError, match=r"optimizer\.safetensors is too large"):
        verify_checkpoint(checkpoint)


def test_a_pickle_in_any_place_never_runs(checkpoint: Path) -> None:
    import pickle

    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (checkpoint.parent / "ran",))

    payload = pickle.dumps(Payload())
    whole = {name: (checkpoint / name).read_bytes() for name in FILES}
    for name in FILES:
        if name == MANIFEST_NAME:
            (checkpoint / name).write_bytes(payload)
        else:
            forge(checkpoint, name, payload)
        with pytest.raises(CheckpointError):
            verify_checkpoint(checkpoint)
        for restored, content in whole.items():
            (checkpoint / restored).write_bytes(content)
    assert names(checkpoint.parent) == ["checkpoint"]


# -- a reader and a writer at once ---------------------------------------------------------------


def test_a_reader_sees_the_old_or_the_new_while_a_writer_replaces(
    checkpoint: Path, tiny_run: Run
) -> None:
    stop = threading.Event()

    def write() -> None:
        step = 500
        while not stop.is_set():
            step += 1
            tiny_run.save(checkpoint, step)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = set()
        deadline = time.monotonic() + 120.0  # a slow disk takes seconds for a save
        n_loaded = 0
        while n_loaded < 60 or (len(seen) < 2 and time.monotonic() < deadline):
            n_loaded += 1
            loaded = load_checkpoint(checkpoint)
            assert loaded.model_state["final_norm.weight"][0] == loaded.state.step
            assert loaded.tokenizer.vocab_size == 257
            seen.add(loaded.state.step)
    finally:
        stop.set()
        writer.join()
    assert len(seen) > 1


def test_a_reader_finds_what_is_set_aside(checkpoint: Path) -> None:
    checkpoint.rename(checkpoint.with_name(".partial-checkpoint-old"))
    loaded = load_checkpoint(checkpoint)
    assert loaded.path == checkpoint
    _ = loaded.optimizer_state
    settle_directory(checkpoint)
    assert load_checkpoint(checkpoint).state == replace(loaded.state)
