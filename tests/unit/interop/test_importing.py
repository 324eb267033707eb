from __future__ import annotations

import json
import shutil
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from slm.checkpoint import load_checkpoint
from slm.cli import main
from slm.errors import (
    CheckpointError,
    ConfigError,
    TokenizerError,
    UsageError,
    shell_path,
)
from slm.interop.export import export
from slm.interop.importing import import_model, write_checkpoint
from slm.interop.model_file import write_model_file
from slm.tokenizer import save_tokenizer
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
    save_tokenizer(tokenizer("gpt2"), tmp_path / "mine.json")
    # One of slm by any name, and another program's, for which the model says what ends a text.
    for name in ("mine.json", "tokenizer.json"):
        model = import_model(str(tmp_path / "m"), tokenizer=str(tmp_path / name))
        assert model.tokenizer.encode("Mia é") == tokenizer("gpt2").encode("Mia é")
        assert model.tokenizer.eot_id == tokenizer("gpt2").eot_id
        assert str(tmp_path) not in model.tokenizer.name
    shutil.copy(tmp_path / "tokenizer.json", tmp_path / "theirs.json")
    with pytest.raises(UsageError, match="and not named tokenizer.json"):
        import_model(str(tmp_path / "m"), tokenizer=str(tmp_path / "theirs.json"))
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
    for address in ("https://huggingface.co/mia/stories", "hf.co/mia/stories/tree/main"):
        with pytest.raises(UsageError, match="there is no file") as missing:
            import_model(address)
        assert str(missing.value.hint).endswith(" hf:mia/stories")


def test_a_file_of_weights_leads_to_its_folder(tmp_path: Path) -> None:
    exported("hf", tmp_path / "my model")
    weights = tmp_path / "my model" / "model.safetensors"
    torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
    for path in (weights, weights.with_name("pytorch_model.bin")):
        with pytest.raises(UsageError, match="only the weights of a transformers model") as caught:
            import_model(str(path))
        assert shell_path(tmp_path / "my model") in str(caught.value.hint)


def test_names_are_such_as_a_saved_tokenizer_may_have(tmp_path: Path) -> None:
    exported("hf", tmp_path / "m")
    for name in ("long " * 40, "two\nlines"):
        if sys.platform == "win32" and "\n" in name:
            continue
        folder = (tmp_path / "m").rename(tmp_path / name)
        write_checkpoint(import_model(str(folder)), tmp_path / "ours")
        found = load_checkpoint(tmp_path / "ours").tokenizer.name
        assert found[:3] == name[:3]
        assert len(found) <= 100
        shutil.rmtree(tmp_path / "ours")
        folder.rename(tmp_path / "m")


def test_the_file_of_the_original_interface_leads_to_its_run(tmp_path: Path) -> None:
    words = tokenizer("bytes")
    model = model_of("gpt2", words.vocab_size)
    path, weights = tmp_path / "best_model.pt", model.state_dict()
    write_model_file(path, weights, model.config, words, step=7, validation_loss=1.25)
    with pytest.raises(UsageError, match="is a model of slm already") as caught:
        import_model(str(path))
    assert str(caught.value.hint).endswith(shell_path(tmp_path))
    torch.save({"weights": torch.ones(2)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="not a checkpoint of nanoGPT") as other:
        import_model(str(tmp_path / "other.pt"))
    assert "ckpt.pt" in str(other.value.hint)


@pytest.mark.parametrize(
    "file", ["MANIFEST.json", "best/MANIFEST.json", "checkpoints/step-000010/x"]
)
def test_a_model_of_ours_needs_no_import(file: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True, parents=True)
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


def words_in_pieces() -> dict[str, object]:
    """A tokenizer such as those of the SimpleStories models, which are Llamas."""
    pieces = ["[UNK]", "[EOS]", "once", "upon", "a", "time", "##s", ",", ".", "cat", "was", "here"]
    return {
        "version": "1.0",
        "added_tokens": [token(0, "[UNK]"), token(1, "[EOS]")],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            **{"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##"},
            **{"max_input_chars_per_word": 100, "vocab": {p: n for n, p in enumerate(pieces)}},
        },
    }


@pytest.mark.slow
def test_a_model_with_words_in_pieces_works_with_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported("hf", tmp_path / "m")
    (tmp_path / "m" / "tokenizer.json").write_text(json.dumps(words_in_pieces()))
    for name in ("config.json", "generation_config.json"):
        changed(tmp_path / "m" / name, eos_token_id=1, bos_token_id=1)
    ours, stories = str(tmp_path / "ours"), tmp_path / "stories.txt"
    stories.write_text("\n<|endoftext|>\n".join(["Once upon a time, cats.", "A cat was here."] * 9))
    assert main(["import", str(tmp_path / "m"), ours]) == 0
    capsys.readouterr()
    command = ["generate", "--checkpoint", ours, "Once upon", "--temperature", "0", "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)
    assert main(["eval", "--checkpoint", ours, "--source", str(stories), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bits_per_byte"] > 0
    assert main(["inspect", "--checkpoint", ours, "Once upon a time"]) == 0
    assert "upon" in capsys.readouterr().out
    assert main(["info", ours, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tokenizer"]["vocab_size"] == 12
    assert main(["export", ours, "hf", str(tmp_path / "again")]) == 0
    back = import_model(str(tmp_path / "again")).tokenizer
    assert back.encode("Once, cats") == import_model(str(tmp_path / "m")).tokenizer.encode(
        "Once, cats"
    )
    for target in ("gguf", "llama2c"):
        assert main(["export", ours, target, str(tmp_path / target)]) == 2
        assert "it is WordPiece, which is not lossless" in capsys.readouterr().err
        assert not (tmp_path / target).exists()


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
    config, words = tmp_path / "m" / "config.json", tmp_path / "m" / "tokenizer_config.json"
    changed(config, eos_token_id=None, bos_token_id=None)
    for eos in ("<|endoftext|>", {"content": "<|endoftext|>", "lstrip": False}):
        changed(words, eos_token=eos)
        assert import_model(str(tmp_path / "m")).tokenizer.eot_id == 256
    for odd in (None, "</s>", 7, {"content": ["x"]}):
        changed(words, eos_token=odd)
        with pytest.raises(TokenizerError, match="no eos_token_id"):
            import_model(str(tmp_path / "m"))
    for eos, message in ((None, "no eos_token_id"), (999, "ids are 0 to 256")):
        changed(config, eos_token_id=eos, bos_token_id=None)
        with pytest.raises(TokenizerError, match=message):
            import_model(str(tmp_path / "m"))


def test_the_first_token_may_be_named_by_the_tokenizer_alone(tmp_path: Path) -> None:
    exported("hf", tmp_path / "m")
    for name in ("config.json", "generation_config.json"):
        changed(tmp_path / "m" / name, bos_token_id=None)
    changed(tmp_path / "m" / "tokenizer_config.json", bos_token="a", add_bos_token=True)
    found = import_model(str(tmp_path / "m")).tokenizer
    assert found.bos_id == found.encode("a")[-1]


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


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize(
    ("shape", "changes", "prefix", "buffers"),
    [
        ("gpt2", {}, "transformer.", ("h.{}.attn.bias", "h.{}.attn.masked_bias")),
        (
            *("gpt2-without-biases", {"local_window": 8}, ""),
            (
                "transformer.h.{}.attn.attention.bias",
                "transformer.h.{}.attn.attention.masked_bias",
            ),
        ),
        ("llama", {}, "", ("model.layers.{}.self_attn.rotary_emb.inv_freq",)),
    ],
    ids=["gpt2", "gpt-neo", "llama"],
)
def test_older_files_have_buffers_and_lack_a_prefix(
    shape: str,
    changes: dict[str, int],
    prefix: str,
    buffers: tuple[str, ...],
    suffix: str,
    tmp_path: Path,
) -> None:
    """As openai-community/gpt2 and the TinyStories models have them."""
    words = tokenizer("bytes")
    model = model_of(shape, words.vocab_size, **changes)
    export(source_of(model, words), "hf", tmp_path / "m")
    path = tmp_path / "m" / "model.safetensors"
    weights = {name.removeprefix(prefix): values for name, values in load_file(path).items()}
    for number, name in enumerate(buffers):
        for layer in range(2):
            mask = torch.ones(1, 1, 64, 64, dtype=torch.bool).tril()
            weights[name.format(layer)] = torch.tensor(-1e9) if number else mask
    if suffix == "bin":
        path.unlink()
        torch.save(OrderedDict(weights), path.with_name("pytorch_model.bin"))
    else:
        save_file(weights, path)
    found = import_model(str(tmp_path / "m"))
    assert found.config.local_window == changes.get("local_window")
    for name, values in model.state_dict().items():
        assert torch.allclose(found.weights[name], values, rtol=1e-6), name


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
