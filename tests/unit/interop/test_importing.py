from __future__ import annotations

import json
from pathlib import Path

import pytest

from slm.checkpoint import load_checkpoint
from slm.errors import CheckpointError, ConfigError, SlmError, TokenizerError, UsageError
from slm.interop.export import export
from slm.interop.importing import import_model, write_checkpoint
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
    with pytest.raises(UsageError, match="not the name of a model"):
        import_model("hf:mia")


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


def test_a_damaged_gguf_file_is_refused(tmp_path: Path) -> None:
    exported("gguf", tmp_path / "m.gguf")
    whole = (tmp_path / "m.gguf").read_bytes()
    for size in (4, 30, 400, len(whole) // 2):
        (tmp_path / "cut.gguf").write_bytes(whole[:size])
        with pytest.raises(SlmError):
            import_model(str(tmp_path / "cut.gguf"))
