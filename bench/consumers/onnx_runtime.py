"""onnxruntime with a decoder that has a cache, and the tokenizers library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import tokenizers

from consumers.consumer import Array, Windows, package


class OnnxRuntime:
    """A folder with model.onnx and tokenizer.json.

    Args:
        folder: the folder.
        cache_shape: of the keys, and of the values, of a layer: heads and their width.
        eot_id: ends a text.
    """

    scores_are_normalized = False
    text_prefix = ""
    n_reserved = 0

    def __init__(self, folder: Path, cache_shape: tuple[int, int], eot_id: int) -> None:
        self.name = package("onnxruntime")
        self.eot_id = eot_id
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        names = [value.name for value in self.session.get_inputs()]
        self.cached = [name for name in names if name.startswith("past_key_values.")]
        heads, width = cache_shape
        self.empty = [np.zeros((1, heads, 0, width), np.float32)] * len(self.cached)

    def run(self, ids: Sequence[int], past: Sequence[Array]) -> list[Any]:
        """The logits [1, T, vocab_size] of the ids, and the cache with them."""
        length = past[0].shape[2]
        inputs = dict(zip(self.cached, past, strict=True))
        inputs["input_ids"] = np.array([ids])
        inputs["attention_mask"] = np.ones((1, length + len(ids)), np.int64)
        inputs["position_ids"] = np.arange(length, length + len(ids))[None]
        outputs: list[Any] = self.session.run(None, inputs)
        return outputs

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        self.tokenizer.encode_special_tokens = True
        found = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        self.tokenizer.encode_special_tokens = False
        return [encoding.ids for encoding in found]

    def scores(self, windows: Windows) -> Iterator[Array]:
        for window in windows:
            yield self.run(window, self.empty)[0][0]

    def continuation(self, prompt: str, n_tokens: int) -> str:
        """With the cache: each call gets the new token only."""
        ids, past = self.tokenizer.encode(prompt).ids, self.empty
        new = ids
        for _ in range(n_tokens):
            logits, *past = self.run(new, past)
            new = [int(logits[0, -1].argmax())]
            if new == [self.eot_id]:
                break
            ids = ids + new
        text: str = self.tokenizer.decode(ids)
        return text
