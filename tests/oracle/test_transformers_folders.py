"""Exported folders in transformers itself, and transformers' own models in ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from slm.errors import ConfigError
from slm.interop import hugging_face
from slm.interop.card import readme
from slm.interop.source import ExportDtype
from slm.interop.tokenizer_json import to_tokenizers
from slm.model import GPT, KVCache
from slm.model_card import ModelCard
from slm.tokenizer import tokenizer_from_json
from tests.interop_models import (
    SHAPES,
    TOKENIZERS,
    greedy_text,
    hostile_texts,
    logits_of,
    model_of,
    source_of,
    stories,
    tokenizer,
)

transformers = pytest.importorskip("transformers")


def export(model: GPT, spec: str, out: Path) -> None:
    source = source_of(model, tokenizer(spec))
    hugging_face.write(source, out, dtype="float32", card="# Mia\n", log=lambda text: None)


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_and_greedy_text_are_equal(shape: str, tmp_path: Path) -> None:
    ours, spec = model_of(shape, tokenizer("bpe:600").vocab_size), "bpe:600"
    export(ours, spec, tmp_path / "m")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "m").eval()
    ids = torch.randint(0, ours.config.vocab_size, (2, 60))
    with torch.inference_mode():
        difference = (theirs(ids).logits - logits_of(ours, ids)).abs().max()
    assert difference < 1e-4

    fast = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
    prompt = fast("Once upon a time", return_tensors="pt")
    written = theirs.generate(**prompt, max_new_tokens=20, do_sample=False)[0]
    expected = "Once upon a time" + greedy_text(ours, tokenizer(spec), "Once upon a time", 20)
    assert fast.decode(written, skip_special_tokens=True) == expected


def test_the_pipeline_writes_our_text(tmp_path: Path) -> None:
    ours = model_of("qwen3", tokenizer("bpe:600").vocab_size)
    export(ours, "bpe:600", tmp_path / "m")
    pipeline = transformers.pipeline("text-generation", model=str(tmp_path / "m"))
    found = pipeline("Once upon", max_new_tokens=12, do_sample=False)[0]["generated_text"]
    assert found == "Once upon" + greedy_text(ours, tokenizer("bpe:600"), "Once upon", 12)


@pytest.mark.parametrize("spec", TOKENIZERS)
def test_ids_are_equal(spec: str, tmp_path: Path) -> None:
    ours, texts = tokenizer(spec), [*stories(), *hostile_texts()]
    fast = to_tokenizers(ours)
    fast.encode_special_tokens = True  # as for us, where text never gives an end of text
    found = [encoding.ids for encoding in fast.encode_batch(texts, add_special_tokens=False)]
    expected = [ids.tolist() for ids in ours.encode_batch(texts)]
    assert found == expected
    for ids in expected:
        assert fast.decode(ids, skip_special_tokens=False) == ours.decode(ids)
    assert fast.encode("").ids == [ours.eot_id]

    export(model_of("qwen3", ours.vocab_size), spec, tmp_path / "m")
    auto = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
    begun = [[ours.eot_id, *ids] for ids in expected]
    assert auto(texts, split_special_tokens=True).input_ids == begun
    for text, ids in zip(texts, begun, strict=True):
        assert auto.decode(ids, skip_special_tokens=True) == text
    assert len(auto) == ours.vocab_size
    assert auto.all_special_ids == [ours.eot_id]
    assert {auto.bos_token_id, auto.eos_token_id, auto.pad_token_id} == {ours.eot_id}
    padded = auto(["Once", "Once upon a time"], padding=True)
    assert padded.input_ids[0][0] == ours.eot_id
    assert padded.attention_mask[0][0] == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_have_the_dtype_that_was_asked_for(dtype: ExportDtype, tmp_path: Path) -> None:
    words = tokenizer("bytes")
    ours = model_of("qwen3", words.vocab_size)
    hugging_face.write(
        source_of(ours, words), tmp_path / "m", dtype=dtype, card="", log=lambda text: None
    )
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "m", dtype="auto")
    assert theirs.dtype == getattr(torch, dtype)
    imported = hugging_face.read(tmp_path / "m", "m")
    for name, values in ours.state_dict().items():
        assert (imported.weights[name] == values.to(theirs.dtype)).all()
    again = GPT(imported.config).eval()
    again.load_state_dict({name: values.float() for name, values in imported.weights.items()})
    ids = torch.randint(0, words.vocab_size, (2, 60))
    with torch.inference_mode():
        expected = theirs.float()(ids).logits
    assert (logits_of(again, ids) - expected).abs().max() < 1e-4


SIZES: dict[str, Any] = {"vocab_size": 600, "max_position_embeddings": 64, "bos_token_id": 599}
SIZES |= {"eos_token_id": 599}
LLAMA_SIZES = {
    **SIZES,
    **{"hidden_size": 48, "intermediate_size": 100, "num_hidden_layers": 2},
    **{"num_attention_heads": 4, "num_key_value_heads": 2},
}
GPT2_SIZES = {
    **{key: value for key, value in SIZES.items() if key != "max_position_embeddings"},
    **{"n_positions": 64, "n_embd": 48, "n_head": 3, "n_layer": 2},
}
NEO = {
    **SIZES,
    **{"hidden_size": 48, "num_heads": 3, "num_layers": 4, "window_size": 8},
    "attention_types": [[["global", "local"], 2]],
}
THEIRS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", GPT2_SIZES),
    "gpt2-exact-gelu": (
        *("GPT2LMHeadModel", "GPT2Config"),
        {**GPT2_SIZES, "activation_function": "gelu", "tie_word_embeddings": False},
    ),
    "gpt-neo": ("GPTNeoForCausalLM", "GPTNeoConfig", NEO),
    "llama": ("LlamaForCausalLM", "LlamaConfig", {**LLAMA_SIZES, "rope_theta": 5000.0}),
    "llama-biases": (
        *("LlamaForCausalLM", "LlamaConfig"),
        {
            **{**LLAMA_SIZES, "num_key_value_heads": 4, "head_dim": 20, "attention_bias": True},
            **{"mlp_bias": True, "tie_word_embeddings": True},
        },
    ),
    "qwen3": (
        *("Qwen3ForCausalLM", "Qwen3Config"),
        {**LLAMA_SIZES, "head_dim": 16, "tie_word_embeddings": True},
    ),
}


@pytest.mark.parametrize("is_safe", [True, False], ids=["safetensors", "bin"])
@pytest.mark.parametrize("kind", THEIRS)
def test_their_models_have_their_logits_here(kind: str, is_safe: bool, tmp_path: Path) -> None:
    class_name, config_name, sizes = THEIRS[kind]
    torch.manual_seed(1)
    theirs = getattr(transformers, class_name)(getattr(transformers, config_name)(**sizes)).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    theirs.save_pretrained(tmp_path)
    to_tokenizers(tokenizer("bpe:600")).save(str(tmp_path / "tokenizer.json"))
    if not is_safe:
        weights = hugging_face.read_weights(tmp_path)
        (tmp_path / "model.safetensors").unlink()
        torch.save(weights, tmp_path / "pytorch_model.bin")

    imported = hugging_face.read(tmp_path, "hf:mia/stories")
    ours = GPT(imported.config).eval()
    ours.load_state_dict(dict(imported.weights))
    ids = torch.randint(0, 600, (2, 60))
    cache = KVCache(imported.config, 2)
    with torch.inference_mode():
        expected = theirs(ids).logits
        steps = [ours(ids[:, at : at + 1], cache=cache)[0] for at in range(60)]
    assert (logits_of(ours, ids) - expected).abs().max() < 1e-4
    assert (torch.cat(steps, dim=1) - expected).abs().max() < 1e-4
    assert imported.tokenizer.encode("Once é") == tokenizer("bpe:600").encode("Once é")
    saved = tokenizer_from_json(imported.tokenizer.to_json())
    assert saved.fingerprint == imported.tokenizer.fingerprint


@pytest.mark.parametrize("n_layer", [4, 3])
def test_gpt_neo_leaves_as_it_came(n_layer: int, tmp_path: Path) -> None:
    spec, words = "bpe:600", tokenizer("bpe:600")
    changes = {"local_window": 8, "n_layer": n_layer, "mlp": "gelu_exact"}
    ours = model_of("gpt2", words.vocab_size, **changes)
    with pytest.raises(ConfigError, match=r"blocks\.0\.attention\.q_proj\.bias is not zero"):
        export(ours, spec, tmp_path / "m")
    assert not (tmp_path / "m").exists()
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            if name.endswith(("q_proj.bias", "k_proj.bias", "v_proj.bias")):
                parameter.zero_()
    export(ours, spec, tmp_path / "m")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "m").eval()
    assert type(theirs).__name__ == "GPTNeoForCausalLM"
    card = readme(source_of(ours, words), ModelCard(name="m"), name="m", place="m", sample="")
    assert "| architecture | GPT-Neo |" in card
    ids = torch.randint(0, words.vocab_size, (2, 60))
    with torch.inference_mode():
        assert (theirs(ids).logits - logits_of(ours, ids)).abs().max() < 1e-4
    back = hugging_face.read(tmp_path / "m", "m")
    assert (back.config.local_window, back.config.mlp) == (8, "gelu_exact")
    again = GPT(back.config).eval()
    again.load_state_dict(dict(back.weights))
    assert (logits_of(again, ids) - logits_of(ours, ids)).abs().max() < 1e-4
    without = model_of("gpt2-without-biases", words.vocab_size, local_window=8)
    export(without, spec, tmp_path / "without")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "without").eval()
    with torch.inference_mode():
        assert (theirs(ids).logits - logits_of(without, ids)).abs().max() < 1e-4
