"""Models that came in leave again: the tools write the text that we write."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from slm.errors import ConfigError
from slm.interop.export import export
from slm.interop.gguf_import import read as read_gguf
from slm.interop.imported import ImportedModel
from slm.interop.importing import import_model
from slm.interop.source import ExportSource
from slm.model import GPT
from slm.tokenizer.imported import ImportedTokenizer
from tests.interop_models import (
    greedy_text,
    hostile_texts,
    logits_of,
    model_of,
    source_of,
    stories,
    tokenizer,
)

PROMPT = "Once upon a time"


def again(model: ImportedModel) -> tuple[GPT, ExportSource]:
    """The model and what an export of it begins with."""
    built = GPT(model.config).eval()
    built.load_state_dict({name: values.float() for name, values in model.weights.items()})
    return built, source_of(built, model.tokenizer)


def imported(target: str, spec: str, tmp_path: Path, **changes: object) -> ImportedModel:
    shape = "gpt2" if target == "nanogpt" else "llama-tied"
    words = tokenizer(spec)
    source = source_of(model_of(shape, words.vocab_size, **changes), words)
    export(source, target, tmp_path / "theirs", dtype=None if target == "nanogpt" else "float32")
    file = {"llama2c": "theirs/model.bin", "nanogpt": "theirs/ckpt.pt"}.get(target, "theirs")
    return import_model(str(tmp_path / file))


@pytest.mark.parametrize(("target", "spec"), [("hf", "bpe:600"), ("llama2c", "bpe:600")])
def test_llama_cpp_writes_our_text(target: str, spec: str, tmp_path: Path) -> None:
    llama_cpp = pytest.importorskip("tests.oracle.test_llama_cpp")
    model, source = again(imported(target, spec, tmp_path))
    export(source, "gguf", tmp_path / "m.gguf", dtype="float32")
    server = llama_cpp.opened(tmp_path / "m.gguf")
    expected = greedy_text(model, source.tokenizer, PROMPT, 20)
    assert llama_cpp.continuation(server) == expected
    texts = [*stories()[:100], "Mia's hat  \n\n é \U0001f600 ñ"]
    assert llama_cpp.ids_of(server, texts) == [source.tokenizer.encode(text) for text in texts]
    back = read_gguf(tmp_path / "m.gguf", "m")
    assert [back.tokenizer.encode(text) for text in texts] == llama_cpp.ids_of(server, texts)


def test_a_llama_in_a_gguf_file_begins_with_its_own_token(tmp_path: Path) -> None:
    """Most Llamas begin a text with <s> and end it with </s>."""
    model = imported("llama2c", "bpe:600", tmp_path)
    assert isinstance(model.tokenizer, ImportedTokenizer)
    words = ImportedTokenizer("llama", model.tokenizer.definition, eot_id=2, bos_id=1)
    built, source = again(dataclasses.replace(model, tokenizer=words))
    export(source, "gguf", tmp_path / "m.gguf", dtype="float32")
    back = read_gguf(tmp_path / "m.gguf", "m")
    assert (back.tokenizer.bos_id, back.tokenizer.eot_id) == (1, 2)
    llama_cpp = pytest.importorskip("tests.oracle.test_llama_cpp")
    server = llama_cpp.opened(tmp_path / "m.gguf")
    assert llama_cpp.continuation(server) == greedy_text(built, back.tokenizer, PROMPT, 20)


@pytest.mark.parametrize(
    ("target", "spec"),
    [("hf", "chars"), ("llama2c", "bpe:600"), ("gguf", "bpe:600"), ("gguf", "chars")],
)
def test_transformers_writes_our_text(target: str, spec: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    model, source = again(imported(target, spec, tmp_path))
    export(source, "hf", tmp_path / "m")
    fast = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "m").eval()
    assert (fast.bos_token_id, fast.eos_token_id) == (
        source.tokenizer.bos_id,
        source.tokenizer.eot_id,
    )
    texts = [*stories()[:50], *hostile_texts()]
    plain = fast.backend_tokenizer
    plain.encode_special_tokens = True  # as for us, where text never gives an end of text
    found = [plain.encode(text, add_special_tokens=False).ids for text in texts]
    assert found == [source.tokenizer.encode(text) for text in texts]
    ids = torch.tensor([[source.tokenizer.bos_id, *source.tokenizer.encode(PROMPT)]])
    with torch.inference_mode():
        assert (theirs(ids).logits - logits_of(model, ids)).abs().max() < 1e-4
    assert fast(PROMPT).input_ids == ids[0].tolist()  # with the token that begins a text
    prompt = fast(PROMPT, return_tensors="pt")
    written = theirs.generate(**prompt, max_new_tokens=20, do_sample=False)[0].tolist()
    expected = model.generate(ids, 20, temperature=0)[0].tolist()
    assert written == expected[: len(written)]  # theirs stops where the text ends
    assert len(written) == len(expected) or written[-1] == source.tokenizer.eot_id
    assert "converted from" not in (tmp_path / "m" / "README.md").read_text()  # it has steps here


def test_llama2c_comes_back_as_it_was(tmp_path: Path) -> None:
    model, source = again(imported("llama2c", "bpe:600", tmp_path))
    export(source, "llama2c", tmp_path / "m")
    for file in ("model.bin", "tokenizer.bin"):
        ours, theirs = (tmp_path / folder / file for folder in ("m", "theirs"))
        if file == "model.bin":
            assert ours.read_bytes() == theirs.read_bytes()
    back = import_model(str(tmp_path / "m" / "model.bin"))
    texts = [*stories()[:50], *hostile_texts()]
    assert [back.tokenizer.encode(text) for text in texts] == [
        source.tokenizer.encode(text) for text in texts
    ]
    del model


def test_nanogpt_comes_back_as_it_was(tmp_path: Path) -> None:
    for spec in ("gpt2", "chars"):
        folder = tmp_path / spec
        folder.mkdir()
        model, source = again(imported("nanogpt", spec, folder))
        notes: list[str] = []
        export(source, "nanogpt", folder / "m", log=notes.append)
        assert not any("GELU" in note for note in notes)  # both are exact
        back, _ = again(import_model(str(folder / "m" / "ckpt.pt")))
        ids = torch.randint(0, 100, (1, 30))
        assert (logits_of(back, ids) == logits_of(model, ids)).all()
        export(source, "hf", folder / "hf")
        settings = json.loads((folder / "hf" / "config.json").read_text())
        assert settings["activation_function"] == "gelu"
        with pytest.raises(ConfigError, match="mlp=gelu_exact"):
            export(source, "gguf", folder / "m.gguf")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {
                "pre_tokenizer": {
                    "type": "ByteLevel",
                    "add_prefix_space": True,
                    "trim_offsets": True,
                }
            },
            "split",
        ),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "split"),
        ({"normalizer": {"type": "NFC"}}, "split"),
        (
            {
                "added_tokens": [
                    {
                        **{"id": 600, "content": "Mia", "single_word": False, "lstrip": True},
                        **{"rstrip": False, "normalized": False, "special": False},
                    }
                ]
            },
            "added tokens",
        ),
    ],
)
def test_other_tokenizers_are_refused_with_the_reason(
    change: dict[str, object], reason: str, tmp_path: Path
) -> None:
    words = tokenizer("bpe:600")
    source = source_of(model_of("llama-tied", words.vocab_size + 9), words)
    export(source, "hf", tmp_path / "theirs")
    path = tmp_path / "theirs" / "tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    _, odd = again(import_model(str(tmp_path / "theirs")))
    for target in ("gguf", "ollama", "llama2c"):
        with pytest.raises(ConfigError, match=reason) as caught:
            export(odd, target, tmp_path / "m")
        assert "hf" in str(caught.value.hint)
    assert not (tmp_path / "m").exists()
    export(odd, "hf", tmp_path / "m")
