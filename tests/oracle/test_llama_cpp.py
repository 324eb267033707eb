"""llama.cpp reads our GGUF files: the same ids, the same greedy text."""

from __future__ import annotations

import contextlib
import json
import math
import re
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.interop import gguf, gguf_import
from slm.interop.byte_level_splits import SPLITS, ByteLevelSplit
from slm.interop.export import export
from slm.interop.gguf import GGUFDtype
from slm.interop.tokenizer_json import (
    added_tokens,
    byte_level_definition,
    byte_level_merges,
    byte_level_symbols,
    token_bytes,
)
from slm.model import GPT
from slm.tokenizer import Tokenizer
from slm.tokenizer.byte_pair import BytePairTokenizer
from slm.tokenizer.imported import ImportedTokenizer
from tests.interop_models import (
    SHAPES,
    greedy_text,
    hostile_texts,
    logits_of,
    model_of,
    source_of,
    stories,
    tokenizer,
)

pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")
from consumers.llama_cpp import LlamaCpp

PROMPT = "Once upon a time"
UNASSIGNED = 0x10000
"""llama.cpp's table of letters is older than ours; beyond the basic plane they differ."""


def write(model: GPT, tokenizer: Tokenizer, path: Path, dtype: GGUFDtype = "float32") -> None:
    gguf.write(source_of(model, tokenizer), path, dtype=dtype, log=lambda text: None)


def opened(path: Path) -> Any:
    from slm.bench.baselines.llama_cpp import open_server

    return open_server(path, streams=1, positions=64)


def continuation(server: Any) -> str:
    answer = server.handle_completions({"prompt": PROMPT, "max_tokens": 20, "temperature": 0.0})
    text: str = answer["choices"][0]["text"]
    return text


def ids_of(server: Any, texts: Sequence[str]) -> list[list[int]]:
    found = []
    for text in texts:
        body = {"content": text, "add_special": False, "parse_special": False}
        request = urllib.request.Request(
            f"{server.listening_address}/tokenize",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            found.append(json.load(response)["tokens"])
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_greedy_texts_are_equal(shape: str, tmp_path: Path) -> None:
    words = tokenizer("bpe:600")
    model = model_of(shape, words.vocab_size + 3, norm_eps=1e-5)  # three ids have no token
    write(model, words, tmp_path / "m.gguf")
    assert continuation(opened(tmp_path / "m.gguf")) == greedy_text(model, words, PROMPT, 20)


@pytest.mark.parametrize("spec", ["bpe:600", "gpt2:400", "bytes", "chars"])
def test_ids_are_equal(spec: str, tmp_path: Path) -> None:
    words = tokenizer(spec)
    write(model_of("qwen3", words.vocab_size), words, tmp_path / "m.gguf")
    server = opened(tmp_path / "m.gguf")
    texts = [
        text
        for text in (*stories()[:100], *hostile_texts())
        # SentencePiece's sign for a space stands for a space there.
        if not text or (max(map(ord, text)) < UNASSIGNED and "\u2581" not in text)
    ]
    assert ids_of(server, texts) == [words.encode(text) for text in texts]


def with_split(split: ByteLevelSplit) -> ImportedTokenizer:
    """A tokenizer of another project, with a token that is found before the text is split."""
    words = tokenizer("bpe:600")
    assert isinstance(words, BytePairTokenizer)
    symbols = byte_level_symbols(token_bytes(words))
    merges = [" ".join(pair) for pair in byte_level_merges(words)]
    added = [
        *added_tokens({words.eot_id: "<|endoftext|>"}, special=True),
        *added_tokens({words.eot_id + 1: "<think>"}, special=False),
    ]
    vocabulary = {symbol: token_id for token_id, symbol in enumerate(symbols)}
    definition = byte_level_definition(vocabulary, merges, added, split)
    return ImportedTokenizer("theirs", definition, eot_id=words.eot_id)


@pytest.mark.parametrize("split", SPLITS, ids=[split.name for split in SPLITS])
def test_other_splits_give_the_same_ids(split: ByteLevelSplit, tmp_path: Path) -> None:
    words = with_split(split)
    texts = [
        *stories()[:100],
        *("It's 1234567 o'clock, SHE'LL say.  \n\n  <think> hm </think> \t x", "a\r\n\r\n b 12"),
        *(text for text in hostile_texts() if not text or max(map(ord, text)) < UNASSIGNED),
    ]
    write(model_of("qwen3", words.vocab_size), words, tmp_path / "m.gguf")
    expected = [words.encode(text) for text in texts]
    assert ids_of(opened(tmp_path / "m.gguf"), texts) == expected
    back = gguf_import.read(tmp_path / "m.gguf", "m").tokenizer
    assert [back.encode(text) for text in texts] == expected
    assert expected != [tokenizer("bpe:600").encode(text) for text in texts]  # by <think> at least


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "q8_0"])
def test_other_dtypes_are_close(dtype: GGUFDtype, tmp_path: Path) -> None:
    words = tokenizer("bpe:600")
    model = model_of("qwen3", words.vocab_size)
    write(model, words, tmp_path / "m.gguf", dtype)
    assert continuation(opened(tmp_path / "m.gguf"))
    imported = gguf_import.read(tmp_path / "m.gguf", "m")
    for name, values in model.state_dict().items():
        difference = (imported.weights[name] - values).abs().max()
        assert difference <= {"float16": 1e-3, "bfloat16": 8e-3, "q8_0": 1e-2}[dtype] * max(
            1.0, float(values.abs().max())
        )


@pytest.mark.parametrize("shape", ["qwen3", "gpt2"])
def test_q8_0_costs_less_than_half_a_percent(shape: str, tmp_path: Path) -> None:
    """Bits per byte of a story, by llama.cpp's own log-probabilities, with its defaults."""
    words = tokenizer("bpe:600")
    model = model_of(shape, words.vocab_size)
    text = stories()[0][:160]
    ids = [words.bos_id, *words.encode(text)][:60]
    n_bytes = len(words.decode_bytes(ids))
    found = {}
    for dtype in ("float32", "q8_0"):
        write(model, words, tmp_path / "m.gguf", dtype)
        server = LlamaCpp(
            tmp_path / "m.gguf",
            positions=64,
            vocab_size=words.vocab_size,
            some_letter=words.encode("a")[-1],
            begins_with=words.bos_id,
            settings={},
        )
        with contextlib.closing(server):
            (scores,) = server.scores([ids[:-1]])
        nats = -scores[range(len(ids) - 1), ids[1:]].sum()
        found[dtype] = float(nats) / math.log(2) / n_bytes
    logits = logits_of(model, torch.tensor([ids]))[0, :-1].log_softmax(dim=-1)
    ours = -float(logits[range(len(ids) - 1), ids[1:]].sum()) / math.log(2) / n_bytes
    assert found["float32"] == pytest.approx(ours, rel=1e-3)
    assert found["q8_0"] == pytest.approx(found["float32"], rel=5e-3)


def test_the_file_for_ollama_writes_our_text(tmp_path: Path) -> None:
    words = tokenizer("bpe:600")
    model = model_of("qwen3", words.vocab_size)
    export(source_of(model, words), "ollama", tmp_path / "m", dtype="float32")
    modelfile = (tmp_path / "m" / "Modelfile").read_text("utf-8")
    (named,) = re.findall(r"^FROM \./(.+)$", modelfile, re.MULTILINE)
    found = continuation(opened(tmp_path / "m" / named))
    assert found == greedy_text(model, words, PROMPT, 20)


@pytest.mark.parametrize("spec", ["bpe:600", "bytes", "chars"])
@pytest.mark.parametrize("shape", SHAPES)
def test_our_files_come_back(shape: str, spec: str, tmp_path: Path) -> None:
    words = tokenizer(spec)
    model = model_of(shape, words.vocab_size)
    write(model, words, tmp_path / "m.gguf")
    imported = gguf_import.read(tmp_path / "m.gguf", "m")
    ours = GPT(imported.config).state_dict()
    assert ours.keys() == imported.weights.keys()
    for name, values in model.state_dict().items():
        assert (imported.weights[name] == values).all(), name
    texts = [*stories()[:20], "é \U0001f600 don't   x"]
    expected = [words.encode(text) for text in texts]
    assert [imported.tokenizer.encode(text) for text in texts] == expected
    assert [imported.tokenizer.decode(ids) for ids in expected] == texts
