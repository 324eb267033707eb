from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from slm.errors import CheckpointError, ConfigError, TokenizerError
from slm.interop import llama2c
from slm.model import GPT
from tests.interop_models import greedy_text, logits_of, model_of, source_of, tokenizer

SHARED = Path(__file__).parents[4] / "shared" / "models"
TEXT = " Once upon a time there was a dog. It's nice."


def write(shape: str, spec: str, out: Path, version: int = 0) -> GPT:
    words = tokenizer(spec)
    model = model_of(shape, words.vocab_size)
    llama2c.write(source_of(model, words), out, version=version, log=lambda text: None)
    return model


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("spec", ["bpe:600", "bytes", "chars"])
@pytest.mark.parametrize("shape", ["llama", "llama-tied"])
def test_a_model_comes_back(shape: str, spec: str, version: int, tmp_path: Path) -> None:
    words, model = tokenizer(spec), write(shape, spec, tmp_path / "m", version)
    imported = llama2c.read(tmp_path / "m" / "model.bin", "m")
    _, order = llama2c.renumbered(words)
    ours = [words.bos_id, *words.encode(TEXT)]
    # A space is put in front of a text.
    theirs = [imported.tokenizer.bos_id, *imported.tokenizer.encode(TEXT[1:])]
    assert [order[token_id] for token_id in theirs] == ours
    back = GPT(imported.config).eval()
    back.load_state_dict(dict(imported.weights))
    found = logits_of(back, torch.tensor([theirs]))
    assert (found[0, :, 3:] == logits_of(model, torch.tensor([ours]))[0][:, order[3:]]).all()


@pytest.mark.parametrize("shape", ["qwen3", "gpt2", "llama-biases"])
def test_other_shapes_are_refused_before_anything_is_written(shape: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="llama2c does not support a model with") as caught:
        write(shape, "bytes", tmp_path / "m")
    assert "qk_norm=false" in str(caught.value.hint)
    assert not any(tmp_path.iterdir())


def test_damage_is_found(tmp_path: Path) -> None:
    write("llama", "bytes", tmp_path / "m")
    model, words = tmp_path / "m" / "model.bin", tmp_path / "m" / "tokenizer.bin"
    whole, vocabulary = model.read_bytes(), words.read_bytes()
    model.write_bytes(whole[:-4])
    with pytest.raises(CheckpointError, match="its header says"):
        llama2c.read(model, "m")
    model.write_bytes(struct.pack("<7i", 2**30, 1, 1, 1, 1, 2**30, 2**17))
    with pytest.raises(CheckpointError, match="header"):
        llama2c.read(model, "m")
    model.write_bytes(whole)
    for damaged in (vocabulary[:-1], vocabulary[:-9], vocabulary + b"\0\0\0\0\xff\xff\xff\x7f"):
        words.write_bytes(damaged)
        with pytest.raises(TokenizerError):
            llama2c.read(model, "m")
    words.unlink()
    with pytest.raises(TokenizerError, match=r"no tokenizer\.bin"):
        llama2c.read(model, "m")


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the real checkpoint is not here")
def test_the_real_checkpoint_writes_its_known_story() -> None:
    imported = llama2c.read(SHARED / "stories260K.bin", "stories260K")
    model = GPT(imported.config).eval()
    model.load_state_dict(dict(imported.weights))
    story = greedy_text(model, imported.tokenizer, "Once upon a time", 500)
    assert story.startswith(", there was a little girl named Lily. She loved to play outside")
    assert story.endswith('She was so happy and said, "Thank you, Lily! You are a good friend."')


def compiled(tmp_path: Path) -> Path:
    """`run.c` of a checkout of llama2.c that SLM_LLAMA2C names."""
    checkout = os.environ.get("SLM_LLAMA2C")
    if checkout is None or shutil.which("cc") is None:
        pytest.skip("SLM_LLAMA2C names no checkout of llama2.c, or there is no C compiler")
    program = tmp_path / "run"
    subprocess.run(["cc", "-O2", "-o", program, Path(checkout) / "run.c", "-lm"], check=True)
    return program


def test_run_c_writes_our_greedy_text(tmp_path: Path) -> None:
    program, folder = compiled(tmp_path), tmp_path / "m"
    words, model = tokenizer("bpe:600"), write("llama", "bpe:600", folder)
    command = [program, folder / "model.bin", "-z", folder / "tokenizer.bin", "-t", "0", "-n", "30"]
    ran = subprocess.run([*command, "-i", "Once upon a time"], capture_output=True, check=True)
    ids = [words.bos_id, *words.encode(" Once upon a time")]
    out = model.generate(torch.tensor([ids]), 31 - len(ids), temperature=0)[0].tolist()[1:]
    ids = out[: out.index(words.eot_id)] if words.eot_id in out else out
    # run.c prints no control characters and no halves of characters.
    shown = b"".join(
        piece
        for piece in map(words.token_bytes, ids)
        if len(piece) > 1 or piece.isspace() or 0x20 <= piece[0] < 0x7F
    )
    assert ran.stdout.rstrip(b"\n") == shown[1:].rstrip(b"\n")


def test_tokens_of_the_vocabulary_are_found_again() -> None:
    tokens, order = llama2c.renumbered(tokenizer("bpe:600"))
    assert len(tokens) == len(order) == tokenizer("bpe:600").vocab_size + 2
    assert tokens[3 + ord("a")] == b"a"
    assert order[1] == tokenizer("bpe:600").eot_id
    assert np.unique(order[3:]).size == len(order) - 3
