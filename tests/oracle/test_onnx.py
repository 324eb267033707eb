"""onnxruntime runs our ONNX files: the same logits, with and without a cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slm.errors import ConfigError
from slm.interop import onnx
from slm.model import GPT
from slm.tokenizer import Tokenizer
from tests.interop_models import greedy_text, logits_of, model_of, source_of, tokenizer

pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

PROMPT = "Once upon a time"


def run(
    session: Any, ids: np.ndarray[Any, Any], past: list[Any], *, padding: int = 0
) -> tuple[Any, list[Any]]:
    n_sequences, n_tokens = ids.shape
    length = past[0].shape[2]
    mask = np.ones((n_sequences, length + n_tokens), np.int64)
    mask[:, :padding] = 0
    positions = np.maximum(np.arange(length, length + n_tokens) - padding, 0)
    names = [value.name for value in session.get_inputs()]
    cached = [name for name in names if name.startswith("past_key_values.")]
    outputs = session.run(
        None,
        {
            "input_ids": ids,
            "attention_mask": mask,
            "position_ids": np.broadcast_to(positions, ids.shape).astype(np.int64),
            **dict(zip(cached, past, strict=True)),
        },
    )
    return outputs[0], outputs[1:]


def empty(model: GPT, n_sequences: int, dtype: type = np.float32) -> list[Any]:
    config = model.config
    shape = (n_sequences, config.kv_heads, 0, config.head_width)
    return [np.zeros(shape, dtype)] * (2 * config.n_layer)


def continuation(session: Any, model: GPT, words: Tokenizer, *, has_cache: bool) -> str:
    ids = [words.bos_id, *words.encode(PROMPT)]
    n_given, past = len(ids), empty(model, 1)
    while len(ids) < n_given + 20 and ids[n_given:][-1:] != [words.eot_id]:
        new = ids[past[0].shape[2] :]
        logits, present = run(session, np.array([new]), past)
        past = present if has_cache else past
        ids.append(int(logits[0, -1].argmax()))
    return words.decode([token_id for token_id in ids[n_given:] if token_id != words.eot_id])


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["qwen3", "llama", "gpt2"])
def test_logits_are_equal(shape: str, tmp_path: Path) -> None:
    words = tokenizer("bpe:600")
    model = model_of(shape, words.vocab_size)
    onnx.write(source_of(model, words), tmp_path / "m", dtype="float32", log=lambda text: None)
    session = onnxruntime.InferenceSession(str(tmp_path / "m" / "model.onnx"))
    for n_sequences, n_tokens in ((1, 1), (3, 40)):
        ids = torch.randint(0, words.vocab_size, (n_sequences, n_tokens))
        expected = logits_of(model, ids).numpy()
        at_once, _ = run(session, ids.numpy(), empty(model, n_sequences))
        past, steps = empty(model, n_sequences), []
        for at in range(n_tokens):
            logits, past = run(session, ids.numpy()[:, at : at + 1], past)
            steps.append(logits)
        assert np.abs(at_once - expected).max() < 1e-4
        assert np.abs(np.concatenate(steps, axis=1) - expected).max() < 1e-4
    for has_cache in (True, False):
        assert continuation(session, model, words, has_cache=has_cache) == greedy_text(
            model, words, PROMPT, 20
        )
    padded = np.concatenate((np.zeros((3, 5), np.int64), ids.numpy()), axis=1)
    logits, _ = run(session, padded, empty(model, 3), padding=5)
    assert np.abs(logits[:, 5:] - expected).max() < 1e-4


def test_weights_that_no_file_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "MOST_BYTES", 1000)
    words = tokenizer("bytes")
    source = source_of(model_of("qwen3", words.vocab_size), words)
    with pytest.raises(ConfigError, match="an ONNX file at most 2 GB"):
        onnx.write(source, tmp_path / "m", dtype="float32", log=lambda text: None)
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["qwen3", "gpt2"])
def test_half_precision_is_close(shape: str, tmp_path: Path) -> None:
    words = tokenizer("bytes")
    model = model_of(shape, words.vocab_size)
    onnx.write(source_of(model, words), tmp_path / "m", dtype="float16", log=lambda text: None)
    assert json.loads((tmp_path / "m" / "config.json").read_text("utf-8"))["dtype"] == "float16"
    session = onnxruntime.InferenceSession(str(tmp_path / "m" / "model.onnx"))
    ids = torch.randint(0, words.vocab_size, (2, 30))
    expected = logits_of(model, ids).numpy()
    past, steps = empty(model, 2, np.float16), []
    for at in range(30):
        logits, past = run(session, ids.numpy()[:, at : at + 1], past)
        steps.append(logits)
    found = np.concatenate(steps, axis=1)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()
