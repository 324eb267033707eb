"""A model here compared with one elsewhere: what is equal and what is not is reported."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import interop
import numpy as np
import pytest
import torch

from slm.interop import gguf
from tests.interop_models import model_of, source_of, stories, tokenizer

TEXTS = interop.Texts(stories()[:20], stories()[:3], 80)


def model(spec: str = "bpe:600") -> interop.Model:
    words = tokenizer(spec)
    return interop.Model("mia", model_of("qwen3", words.vocab_size), words)


class Twin:
    """A consumer that is the model itself, with faults."""

    name = "twin 1.0"
    scores_are_normalized = False
    text_prefix = ""
    n_reserved = 0

    def __init__(self, model: interop.Model, *, error: float = 0.0, lost: int = 0) -> None:
        self.model, self.error, self.lost = model, error, lost

    def ids(self, texts: Any) -> list[list[int] | None]:
        found = self.model.ids(texts)
        return [None, *([] for _ in range(self.lost)), *found[self.lost + 1 :]]

    def scores(self, windows: Any) -> Iterator[Any]:
        for window in windows:
            logits = self.model.logits(window).numpy()
            logits[-1, 3] += self.error
            yield logits

    def continuation(self, prompt: str, n_tokens: int) -> str:
        return self.model.continuation(prompt, n_tokens) + "!" * self.lost


def row() -> interop.Row:
    return interop.Row("mia", "hf", "", 1.0)


def test_an_equal_model_is_equal() -> None:
    ours, found = model(), row()
    interop.compare(ours, Twin(ours), TEXTS, found)
    assert (found.ids_equal, found.largest_difference, found.greedy_equal) == ("19 of 19", 0, True)
    assert found.bits_per_byte[0] == found.bits_per_byte[1] > 0
    (_, _, line) = interop.table([found])
    assert line == "| mia | hf | twin 1.0 | 0 | 19 of 19 | yes | 1.0 MB |"


def test_faults_are_reported() -> None:
    ours, found = model(), row()
    interop.compare(ours, Twin(ours, error=0.25, lost=2), TEXTS, found)
    assert (found.ids_equal, found.greedy_equal) == ("17 of 19", False)
    assert found.largest_difference == pytest.approx(0.25, abs=1e-4)
    assert found.bits_per_byte[0] != found.bits_per_byte[1]


def test_windows_are_of_whole_stories() -> None:
    windows, n_bytes = model().scored(TEXTS)
    n_scored = sum(window.n_scored for window in windows)
    lengths = [len(ids) + 1 for ids in model().ids(TEXTS.scored)]
    counts = [sum(lengths[:count]) for count in (1, 2, 3)]
    assert n_scored == next((count for count in counts if count >= 80), counts[-1])
    assert n_bytes == sum(len(t.encode()) for t in TEXTS.scored[: 1 + counts.index(n_scored)])


def test_transformers_agrees(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from consumers.hugging_face import Transformers

    from slm.interop import hugging_face

    ours, found = model(), row()
    source = source_of(ours.gpt, ours.tokenizer)
    hugging_face.write(source, tmp_path / "m", dtype="float32", card="", log=lambda text: None)
    interop.compare(ours, Transformers(tmp_path / "m", ours.tokenizer.bos_id), TEXTS, found)
    assert (found.ids_equal, found.greedy_equal) == ("20 of 20", True)
    assert found.largest_difference < 1e-4


def test_llama_cpp_reports_probabilities_after_half_a_character(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    from consumers.llama_cpp import EXACT, LlamaCpp

    ours = model("bytes")
    source = source_of(ours.gpt, ours.tokenizer)
    gguf.write(source, tmp_path / "m.gguf", dtype="float32", log=lambda text: None)
    server = LlamaCpp(
        tmp_path / "m.gguf",
        positions=64,
        vocab_size=ours.tokenizer.vocab_size,
        some_letter=ours.some_letter,
        begins_with=ours.tokenizer.bos_id,
        settings=EXACT,
    )
    window = [ours.tokenizer.bos_id, *ours.tokenizer.encode("Once upon a time there was")]
    expected = ours.logits(window).log_softmax(dim=-1)
    likely = expected.argmax(dim=-1)
    assert ((likely >= 0xC2) & (likely < 0xF5)).any()  # the first byte of a longer character
    with contextlib.closing(server):
        (found,) = server.scores([window])
    assert interop.difference(expected.numpy(), found, interop.LIKELY) < 1e-3
    assert np.isfinite(found).all()
    torch.testing.assert_close(torch.from_numpy(found).argmax(dim=-1), likely)
