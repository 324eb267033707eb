"""`slm.load` and what the model can do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import slm
from slm.cli import main
from slm.errors import CheckpointError, ConfigError, UsageError

QUICK = {"eval_tokens": 64, "sample_prompts": [], "device": "cpu", "threads": 1, "log_interval": 1}


@pytest.fixture(scope="module")
def run(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> slm.Run:
    out = tmp_path_factory.mktemp("api") / "run"
    return slm.train(data=data_dir, preset="tiny", steps=3, out=out, progress=False, **QUICK)


@pytest.fixture(scope="module")
def lm(run: slm.Run) -> slm.LanguageModel:
    return slm.load(run.path, device="cpu")


def test_texts_are_those_of_the_command(
    run: slm.Run, lm: slm.LanguageModel, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["generate", "--checkpoint", str(run.path), "--device", "cpu", "--json"]
    words += ["Tom", "-n", "2", "--seed", "3", "--max-new-tokens", "12", "--stop", "q"]
    assert main(words) == 0
    texts = json.loads(capsys.readouterr().out)["texts"]
    assert lm.generate("Tom", n=2, seed=3, max_new_tokens=12, stop="q") == texts


def test_a_model_is_saved_for_other_programs(lm: slm.LanguageModel, tmp_path: Path) -> None:
    assert lm.save_pretrained(tmp_path / "m") == tmp_path / "m"
    assert "## A sample" in (tmp_path / "m" / "README.md").read_text("utf-8")
    assert lm.save_pretrained(str(tmp_path / "o"), "ollama", dtype="float32").is_dir()
    with pytest.raises(UsageError, match="exists already"):
        lm.save_pretrained(tmp_path / "m")
    with pytest.raises(UsageError, match="'guff'"):
        lm.save_pretrained(tmp_path / "g", "guff")


def test_names_are_checked_before_a_push(lm: slm.LanguageModel) -> None:
    with pytest.raises(UsageError, match="not the name of a model") as caught:
        lm.push("mia")
    assert "owner/name" in str(caught.value.hint)


def test_the_pieces_joined_are_the_text(lm: slm.LanguageModel) -> None:
    pieces = list(lm.stream("Tom", seed=3, max_new_tokens=12))
    assert pieces[0] == "Tom"
    assert ["".join(pieces)] == lm.generate("Tom", seed=3, max_new_tokens=12)


def test_several_prompts_give_a_flat_list(lm: slm.LanguageModel) -> None:
    texts = lm.generate(["Tom", "Lily"], n=2, seed=1, max_new_tokens=4)
    assert [text[:3] for text in texts] == ["Tom", "Tom", "Lil", "Lil"]
    assert texts[2:] == lm.generate("Lily", n=2, seed=1, max_new_tokens=4)


@pytest.mark.parametrize(
    ("prompt", "name", "found"),
    [
        (None, "prompt", "None"),
        (5, "prompt", "5"),
        (b"Tom", "prompt", "b'Tom'"),
        ({"prompt": "Tom"}, "prompt", "{'prompt': 'Tom'}"),
        (Path("Tom"), "prompt", "Path('Tom')"),
        (["Tom", 3], "prompt[1]", "3"),
        ([b"Tom"], "prompt[0]", "b'Tom'"),
        ([["Tom"]], "prompt[0]", "['Tom']"),
    ],
    ids=str,
)
def test_what_is_no_prompt_is_named(
    lm: slm.LanguageModel, prompt: object, name: str, found: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        lm.generate(prompt)
    assert caught.value.message.startswith(f"{name} must be a string")
    assert caught.value.message.endswith(f"{found}")
    assert ("decode" in str(caught.value.hint)) == ("b'" in found)


@pytest.mark.parametrize("text", [None, 5, b"Tom", ["Tom"], [1.5]], ids=str)
def test_what_is_no_text_is_named(lm: slm.LanguageModel, text: object) -> None:
    with pytest.raises(ConfigError, match="prompt must be a string, found"):
        lm.stream(text)
    for look in (lm.score, lm.next_token, lm.attention, lm.lens):
        with pytest.raises(ConfigError, match="text must be a string or token ids, found"):
            look(text)


def test_no_prompts_give_no_texts(lm: slm.LanguageModel) -> None:
    assert lm.generate([]) == []
    assert lm.generate(iter(["Tom"]), max_new_tokens=1, temperature=0)[0].startswith("Tom")


def test_values_out_of_range_are_named_as_they_were_given(lm: slm.LanguageModel) -> None:
    with pytest.raises(ConfigError, match="^n must be"):
        lm.generate("Tom", n=0)
    with pytest.raises(ConfigError, match="temperature"):
        lm.stream("Tom", temperature=-1)  # at once, not at the first piece


def test_notes_go_to_the_log(run: slm.Run) -> None:
    notes: list[str] = []
    lm = slm.load(run.path, device="cpu", log=notes.append)
    lm.generate("Tom" * 100, n=2, temperature=0, top_k=3, max_new_tokens=2)
    assert any("top_k has no effect" in note for note in notes)
    assert any("only its end was read" in note for note in notes)


def test_the_parts_are_ordinary(lm: slm.LanguageModel) -> None:
    ids = lm.tokenizer.encode("Tom")
    logits, loss = lm.model(torch.tensor([ids]))
    assert isinstance(lm.model, torch.nn.Module)
    assert logits.shape == (1, len(ids), lm.config.vocab_size)
    assert loss is None
    assert lm.tokenizer.decode(ids) == "Tom"
    assert "2 layers of width 32" in repr(lm)


def test_insight(lm: slm.LanguageModel) -> None:
    assert lm.score("Tom").bytes == 3
    assert len(lm.next_token("Tom", top=4).candidates) == 4
    assert [layer.layer for layer in lm.attention("Tom", layers=[1]).layers] == [1]
    assert len(lm.lens("Tom").depths) == 3


def test_a_model_file(lm: slm.LanguageModel, tmp_path: Path) -> None:
    from slm.interop.model_file import write_model_file

    file = tmp_path / "best_model.pt"
    write_model_file(
        file, lm.model.state_dict(), lm.config, lm.tokenizer, step=3, validation_loss=1.0
    )
    assert slm.load(file).generate("Tom", seed=1, max_new_tokens=5) == lm.generate(
        "Tom", seed=1, max_new_tokens=5
    )
    torch.save(lm.model.state_dict(), file)
    with pytest.raises(UsageError, match="weights alone"):
        slm.load(file)
    file.write_bytes(b"nothing")
    with pytest.raises(CheckpointError):
        slm.load(file)


def test_nothing_there_and_unknown_words(tmp_path: Path, run: slm.Run) -> None:
    with pytest.raises(UsageError, match="there is no checkpoint"):
        slm.load(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="bflaot16") as caught:
        slm.load(run.path, dtype="bflaot16")
    assert "bfloat16" in str(caught.value.hint)


@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_generating_on_a_cpu_imports_no_pytorch(run: slm.Run) -> None:
    program = (
        "import slm, sys; slm.load(sys.argv[1], device='cpu').generate('Tom', max_new_tokens=3); "
        "sys.exit('torch' in sys.modules)"
    )
    outcome = subprocess.run([sys.executable, "-c", program, str(run.path)], check=False)
    assert outcome.returncode == 0
