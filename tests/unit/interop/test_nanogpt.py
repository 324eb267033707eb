from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from slm.errors import CheckpointError, ConfigError, TokenizerError, UsageError
from slm.interop import nanogpt
from slm.interop.plain_pickle import dumps
from slm.model import GPT
from tests.interop_models import logits_of, model_of, source_of, tokenizer


def write(spec: str, out: Path, shape: str = "gpt2", **changes: object) -> GPT:
    words = tokenizer(spec)
    model = model_of(shape, words.vocab_size, **changes)
    nanogpt.write(source_of(model, words), out, log=lambda text: None)
    return model


@pytest.mark.parametrize("spec", ["gpt2", "chars"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_model_comes_back(spec: str, bias: bool, tmp_path: Path) -> None:
    model, words = write(spec, tmp_path / "m", bias=bias), tokenizer(spec)
    imported = nanogpt.read(tmp_path / "m" / "ckpt.pt", "m")
    assert imported.tokenizer.fingerprint == words.fingerprint
    back = GPT(imported.config.changed(mlp="gelu")).eval()
    back.load_state_dict(dict(imported.weights))
    ids = torch.randint(0, words.vocab_size, (1, 40))
    assert (logits_of(back, ids) - logits_of(model, ids)).abs().max() < 1e-4


def test_a_character_model_of_nanogpt_gets_bytes_and_an_end(tmp_path: Path) -> None:
    model = model_of("gpt2", 5)
    named = nanogpt.to_gpt2(
        source_of(model, tokenizer("bytes")).weights(), model.config, transposed=False
    )
    content = {
        "model": {f"_orig_mod.{name}": torch.from_numpy(values) for name, values in named.items()},
        "model_args": {
            **{"n_layer": 2, "n_head": 4, "n_embd": 64, "block_size": 64, "bias": True},
            **{"vocab_size": 5, "dropout": 0.0},
        },
    }
    torch.save(content, tmp_path / "ckpt.pt")
    stoi = {"\n": 0, " ": 1, "a": 2, "b": 3, "é": 4}
    (tmp_path / "meta.pkl").write_bytes(dumps({"stoi": stoi}))
    imported = nanogpt.read(tmp_path / "ckpt.pt", "m")
    assert imported.tokenizer.vocab_size == 5 + 256 + 1
    assert imported.tokenizer.encode("a é") == [2, 1, 4]
    back = GPT(imported.config.changed(mlp="gelu")).eval()
    back.load_state_dict(dict(imported.weights))
    ids = torch.randint(0, 5, (1, 40))
    assert (logits_of(back, ids)[..., :5] - logits_of(model, ids)).abs().max() < 1e-4
    (tmp_path / "meta.pkl").write_bytes(dumps({"stoi": {**stoi, "ab": 5}}))
    with pytest.raises(TokenizerError, match="6 characters"):
        nanogpt.read(tmp_path / "ckpt.pt", "m")


@pytest.mark.parametrize(
    ("spec", "shape", "named"),
    [("bpe:600", "gpt2", "bpe:600"), ("chars", "qwen3", "norm"), ("bytes", "gpt2", "bytes")],
)
def test_what_it_cannot_hold_is_refused(spec: str, shape: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=named):
        write(spec, tmp_path / "m", shape)
    assert not any(tmp_path.iterdir())


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ckpt.pt"
    torch.save({"model": {}}, path)
    with pytest.raises(CheckpointError, match="not a checkpoint of nanoGPT"):
        nanogpt.read(path, "m")
    torch.save({"model": {}, "model_args": {"n_layer": 10**9}}, path)
    with pytest.raises(CheckpointError, match="model_args"):
        nanogpt.read(path, "m")
    path.write_bytes(b"PK\3\4 nothing")
    with pytest.raises(CheckpointError, match="plain tensors"):
        nanogpt.read(path, "m")


def test_sample_py_writes_the_prompt_and_more(tmp_path: Path) -> None:
    checkout = os.environ.get("SLM_NANOGPT")
    if checkout is None:
        pytest.skip("SLM_NANOGPT names no checkout of nanoGPT")
    write("chars", tmp_path / "m")
    data = tmp_path / "data" / "mia"  # the name of the run
    data.mkdir(parents=True)
    (tmp_path / "m" / "meta.pkl").rename(data / "meta.pkl")
    for file in ("sample.py", "model.py", "configurator.py"):
        shutil.copy(Path(checkout) / file, tmp_path)
    options = ["--device=cpu", "--num_samples=1", "--max_new_tokens=20", "--dtype=float32"]
    ran = subprocess.run(
        [sys.executable, "sample.py", "--out_dir=m", "--start=Once", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\nOnce" in ran.stdout


def test_a_named_tokenizer_is_used_or_refused(tmp_path: Path) -> None:
    write("chars", tmp_path / "m")
    data = tmp_path / "data"
    data.mkdir()
    shutil.move(tmp_path / "m" / "meta.pkl", data / "meta.pkl")
    for named in (data, data / "meta.pkl"):
        imported = nanogpt.read(tmp_path / "m" / "ckpt.pt", "m", tokenizer_path=named)
        assert imported.tokenizer.fingerprint == tokenizer("chars").fingerprint
    for named in (tmp_path / "missing" / "meta.pkl", Path("bytes"), tmp_path):
        with pytest.raises(UsageError, match="is not a tokenizer of nanoGPT"):
            nanogpt.read(tmp_path / "m" / "ckpt.pt", "m", tokenizer_path=named)
    with pytest.raises(TokenizerError, match="fewer than GPT-2"):
        nanogpt.read(tmp_path / "m" / "ckpt.pt", "m", tokenizer_path=Path("gpt2"))
