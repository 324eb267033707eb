"""TransformerLens boots our exported folders and computes our logits, with hooks on the way.

It is not a development dependency, because of its size; these tests run where it is installed.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from slm.interop import hugging_face
from tests.interop_models import logits_of, model_of, source_of, tokenizer

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("transformer_lens") is None, reason="needs transformer-lens"
)

BOOT = """
import sys
import numpy as np, torch
from transformer_lens.model_bridge import TransformerBridge

ids = torch.tensor([[5, 17, 400, 3, 250, 99]])
for folder in sys.argv[1:]:
    bridge = TransformerBridge.boot_transformers(folder, device="cpu", dtype=torch.float32)
    with torch.inference_mode():
        logits, cache = bridge.run_with_cache(ids)
    assert cache["blocks.1.hook_resid_post"].shape[:2] == ids.shape
    assert bridge.tokenizer("Once upon a time").input_ids[1:] == [
        int(number) for number in open(f"{folder}/expected_ids").read().split()
    ]
    np.save(f"{folder}/logits.npy", logits.numpy())
"""


@pytest.mark.slow
def test_the_bridge_has_our_logits(tmp_path: Path) -> None:
    words = tokenizer("bpe:600")
    models = {shape: model_of(shape, words.vocab_size) for shape in ("qwen3", "llama", "gpt2")}
    for shape, model in models.items():
        source, folder = source_of(model, words), tmp_path / shape
        hugging_face.write(source, folder, dtype="float32", card="# Mia\n", log=lambda text: None)
        prompt = words.encode("Once upon a time")
        (folder / "expected_ids").write_text(" ".join(map(str, prompt)))
    # In its own process: it warns of much while it is imported.
    done = subprocess.run(
        [sys.executable, "-c", BOOT, *(str(tmp_path / shape) for shape in models)],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    ids = torch.tensor([[5, 17, 400, 3, 250, 99]])
    for shape, model in models.items():
        found = np.load(tmp_path / shape / "logits.npy")
        assert np.abs(found - logits_of(model, ids).numpy()).max() < 1e-4, shape
