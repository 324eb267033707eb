from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from slm.checkpoint import load_checkpoint
from slm.errors import CheckpointError, ConfigError, SlmError, TokenizerError, UsageError
from slm.interop.export import export
from slm.interop.importing import import_model, write_checkpoint
from slm.interop.sentencepiece import sentencepiece_tokenizer
from tests.interop_models import model_of, source_of, tokenizer


def exported(target: str, out: Path, shape: str = "llama-tied", spec: str = "bytes") -> None:
    words = tokenizer(spec)
    export(source_of(model_of(shape, words.vocab_size), words), target, out)


@pytest.mark.parametrize(
    ("target", "file"),
    [("hf", ""), ("gguf", ""), ("llama2c", "model.bin"), ("ollama", "model.gguf")],
)
def test_the_kind_is_found_by_content(target: str, file: str, tmp_path: Path) -> None:
    exported(target, tmp_path / "m")
    model = import_model(str(tmp_path / "m" / file if file else tmp_path / "m"))
    write_checkpoint(model, tmp_path / "ours")
    checkpoint = load_checkpoint(tmp_path / "ours")
    assert checkpoint.tokenizer.encode("Mia é")[-3:] == model.tokenizer.encode("Mia é")[-3:]
    assert checkpoint.build_model().config == model.config


def test_a_tokenizer_can_be_given(tmp_path: Path) -> None:
    exported("hf", tmp_path / "m", "gpt2", "gpt2")
    (tmp_path / "m" / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    with pytest.raises(TokenizerError, match=r"no tokenizer\.json") as caught:
        import_model(str(tmp_path / "m"))
    assert "--tokenizer" in str(caught.value.hint)
    model = import_model(str(tmp_path / "m"), tokenizer="gpt2")
    assert model.tokenizer.encode("Mia é") == tokenizer("gpt2").encode("Mia é")
    with pytest.raises(UsageError, match="would have to be trained"):
        import_model(str(tmp_path / "m"), tokenizer="bpe:600")


def test_other_things_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "story.txt").write_text("Once upon a time there was a dog. " * 9)
    with pytest.raises(UsageError, match="not a model that can be imported"):
        import_model(str(tmp_path / "story.txt"))
    with pytest.raises(UsageError, match=r"no config\.json"):
        import_model(str(tmp_path))
    with pytest.raises(UsageError, match="there is no file") as missing:
        import_model("mia/stories")
    assert "hf:mia/stories" in str(missing.value.hint)
    with pytest.raises(UsageError, match="there is no file") as missing:
        import_model("stories")
    assert "hf:owner/name" in str(missing.value.hint)
    with pytest.raises(UsageError, match="not the name of a model"):
        import_model("hf:mia")


@pytest.mark.parametrize("file", ["MANIFEST.json", "best/MANIFEST.json", "checkpoints/x"])
def test_a_model_of_ours_needs_no_import(file: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("{}")
    (tmp_path / "config.json").write_text('{"format": "slm-config"}')
    for name in (str(tmp_path), "builtin"):
        with pytest.raises(UsageError, match="is a model of slm already") as error:
            import_model(name)
        assert f"--checkpoint {name}" in str(error.value.hint)


def test_a_missing_tokenizer_is_one_of_that_format(tmp_path: Path) -> None:
    export(source_of(model_of("llama-tied", 257), tokenizer("bytes")), "llama2c", tmp_path / "m")
    with pytest.raises(TokenizerError, match="cannot read the tokenizer") as error:
        import_model(str(tmp_path / "m" / "model.bin"), tokenizer="gpt2")
    assert "tokenizer.bin" in str(error.value.hint)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"architectures": ["BertModel"]}, "BertModel"),
        ({"rope_scaling": {"rope_type": "yarn"}, "rope_parameters": None}, "yarn"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"attention_bias": True}, "mlp_bias"),
        ({"num_attention_heads": "four"}, "num_attention_heads"),
        ({"hidden_size": 10**9}, "n_embd"),
        ({"use_sliding_window": True}, "use_sliding_window"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": "x"}}, "rope_theta"),
        (
            {"architectures": ["GPTNeoForCausalLM"], "attention_types": [[["local"], 10**12]]},
            "attention_types",
        ),
    ],
)
def test_other_architectures_are_refused_by_name(
    change: dict[str, object], named: str, tmp_path: Path
) -> None:
    exported("hf", tmp_path / "m")
    path = tmp_path / "m" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ConfigError, match=named):
        import_model(str(tmp_path / "m"))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b"[1, 2"),
        ("config.json", b"[]"),
        ("model.safetensors", b"\xff" * 100),
        ("model.safetensors", b"\x02\0\0\0\0\0\0\0{}"),
        ("tokenizer.json", b'{"model": {"type": "Unigram"}}'),
        (
            "tokenizer.json",
            b'{"model": {"type": "BPE", "vocab": 5, "merges": []}, "decoder": '
            b'{"type": "ByteLevel"}}',
        ),
    ],
)
def test_damage_is_found(file: str, content: bytes, tmp_path: Path) -> None:
    exported("hf", tmp_path / "m")
    (tmp_path / "m" / file).write_bytes(content)
    with pytest.raises((CheckpointError, TokenizerError)):
        import_model(str(tmp_path / "m"))


def test_a_list_of_merges_that_is_no_text(tmp_path: Path) -> None:
    exported("hf", tmp_path / "m", "gpt2")
    (tmp_path / "m" / "tokenizer.json").unlink()
    (tmp_path / "m" / "vocab.json").write_text("{}")
    (tmp_path / "m" / "merges.txt").write_bytes(b"#version: 0.2\n\xff\xfe\n")
    with pytest.raises(TokenizerError, match=r"cannot read .*merges\.txt"):
        import_model(str(tmp_path / "m"))


def changed(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def token(token_id: int, content: str, *, special: bool = True) -> dict[str, object]:
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": token_id, "content": content, "special": special, **plain}


def test_a_token_for_padding_that_the_model_lacks_is_left_out(tmp_path: Path) -> None:
    exported("hf", tmp_path / "m")
    path = tmp_path / "m" / "tokenizer.json"
    changed(path, added_tokens=[*json.loads(path.read_text())["added_tokens"], token(257, "[PAD]")])
    assert import_model(str(tmp_path / "m")).tokenizer.vocab_size == 257


def test_larger_vocabularies_and_odd_added_tokens_are_refused(tmp_path: Path) -> None:
    exported("hf", tmp_path / "m")
    path = tmp_path / "m" / "tokenizer.json"
    whole = json.loads(path.read_text())
    larger = {**whole["model"], "vocab": {**whole["model"]["vocab"], "more": 300}}
    for change, message in (
        ({"model": larger}, "its tokenizer has 301 ids, and the model only 257"),
        ({"added_tokens": [7]}, "added_tokens are not a list"),
        ({"added_tokens": [{"id": 256, "content": ["x"]}]}, "added_tokens are not a list"),
        ({"added_tokens": {"id": 7}}, "added_tokens are not a list"),
    ):
        path.write_text(json.dumps(whole))
        changed(path, **change)
        with pytest.raises(TokenizerError, match=message) as caught:
            import_model(str(tmp_path / "m"))
        assert "--tokenizer" in str(caught.value.hint)


def test_an_end_of_text_is_needed(tmp_path: Path) -> None:
    exported("hf", tmp_path / "m")
    (tmp_path / "m" / "generation_config.json").unlink()
    for eos, message in ((None, "no eos_token_id"), (999, "ids are 0 to 256")):
        changed(tmp_path / "m" / "config.json", eos_token_id=eos, bos_token_id=None)
        with pytest.raises(TokenizerError, match=message):
            import_model(str(tmp_path / "m"))


def test_weights_in_several_files(tmp_path: Path) -> None:
    exported("hf", tmp_path / "m")
    whole = tmp_path / "m" / "model.safetensors"
    expected = import_model(str(tmp_path / "m")).weights
    weights = load_file(whole)
    parts = {f"model-0000{n}-of-00002.safetensors": sorted(weights)[n - 1 :: 2] for n in (1, 2)}
    for name, names in parts.items():
        save_file({name: weights[name] for name in names}, tmp_path / "m" / name)
    whole.unlink()
    index = tmp_path / "m" / "model.safetensors.index.json"
    listed = {weight: name for name, names in parts.items() for weight in names}
    index.write_text(json.dumps({"weight_map": listed}))
    found = import_model(str(tmp_path / "m")).weights
    assert all((found[name] == expected[name]).all() for name in expected)

    for other in ("..", "../model.safetensors", "/etc/passwd", ""):
        index.write_text(json.dumps({"weight_map": {**listed, "x": other}}))
        with pytest.raises(CheckpointError, match="other than weight files"):
            import_model(str(tmp_path / "m"))
    index.write_text(json.dumps({"weight_map": listed}))
    (tmp_path / "m" / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"00002\.safetensors is missing") as caught:
        import_model(str(tmp_path / "m"))
    assert "get it again" in str(caught.value.hint)


def test_weights_have_a_dtype_that_a_checkpoint_holds(tmp_path: Path) -> None:
    exported("hf", tmp_path / "m")
    path = tmp_path / "m" / "model.safetensors"
    weights = load_file(path)
    norm = weights["model.norm.weight"]
    save_file({**weights, "model.norm.weight": norm.double()}, path)
    write_checkpoint(import_model(str(tmp_path / "m")), tmp_path / "ours")
    assert (load_checkpoint(tmp_path / "ours").weights()["final_norm.weight"] == norm.numpy()).all()
    save_file({**weights, "model.norm.weight": norm.long()}, path)
    with pytest.raises(CheckpointError, match="has the dtype int64"):
        import_model(str(tmp_path / "m"))


def test_a_damaged_gguf_file_is_refused(tmp_path: Path) -> None:
    exported("gguf", tmp_path / "m.gguf")
    whole = (tmp_path / "m.gguf").read_bytes()
    for size in (4, 30, 400, len(whole) // 2):
        (tmp_path / "cut.gguf").write_bytes(whole[:size])
        with pytest.raises(SlmError):
            import_model(str(tmp_path / "cut.gguf"))


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("<4sIQQ", b"GGUF", 3, 2**60, 0),
        struct.pack("<4sIQQ", b"GGUF", 3, 0, 2**60),
        struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, 2**62),
        # An array of 2^60 bytes: readers that look at each one take all memory.
        struct.pack("<4sIQQQsIIQ", b"GGUF", 3, 0, 1, 1, b"k", 9, 0, 2**60),
        struct.pack("<4sIQQQsI4Q", b"GGUF", 3, 1, 0, 1, b"k", 4, *[2**62] * 4) + bytes(12),
    ],
)
def test_sizes_of_a_gguf_file_are_checked_before_anything_is_made(
    header: bytes, tmp_path: Path
) -> None:
    (tmp_path / "m.gguf").write_bytes(header + bytes(64))
    with pytest.raises(SlmError):
        import_model(str(tmp_path / "m.gguf"))


def test_equal_scores_are_refused() -> None:
    specials = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0)]
    letters = [(letter, 0.0) for letter in "abcd"]
    ordered = [*specials, *letters, ("ab", -1.0), ("bc", -2.0), ("abc", -3.0)]
    tokenizer = sentencepiece_tokenizer("real", ordered, eot_id=2, add_space=False)
    assert tokenizer.encode("abc") == [9]
    lost = [*specials, *letters, ("ab", -1000.0), ("bc", -1000.0), ("abc", -1000.0)]
    with pytest.raises(TokenizerError, match="3 tokens have only 1 different scores") as caught:
        sentencepiece_tokenizer("made up", lost, eot_id=2)
    assert "transformers folder" in str(caught.value.hint)
