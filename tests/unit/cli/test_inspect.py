from __future__ import annotations

import json

import pytest

from slm.cli import main

TEXT = "One day Tom saw a red ball."


@pytest.fixture(scope="module")
def run_dir(data_dir, tmp_path_factory):
    """A run of two steps."""
    path = tmp_path_factory.mktemp("run") / "tiny"
    settings = ["threads=1", "eval_tokens=256", "sample_prompts=[]"]
    words = ["train", "--preset", "tiny", "--data", str(data_dir), "--out", str(path)]
    assert main([*words, "--steps", "2", "--set", *settings]) == 0
    return path


@pytest.fixture
def inspect(run_dir, capsys):
    def run(*words):
        capsys.readouterr()
        code = main(["inspect", "--checkpoint", str(run_dir), *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_tokens(inspect):
    code, out, _ = inspect(TEXT)

    assert code == 0
    assert TEXT in out
    assert "bits per byte" in out
    # The tokenizer is of bytes.
    assert f"{len(TEXT)} tokens and the end of text" in " ".join(out.split())


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("lens", ["embedding", "layer 1", "next", "<|endoftext|>"]),
        ("attention", ["layer 1 head 1", "on the previous token", "itself"]),
        ("next", ["model", "sampled", "others", "tokens can be sampled"]),
    ],
)
def test_the_other_views(inspect, what, words):
    code, out, _ = inspect("One day", "--what", what)

    assert code == 0
    for word in words:
        assert word in out


@pytest.mark.parametrize(
    ("what", "keys"),
    [
        ("tokens", {"tokens", "loss", "perplexity", "bits_per_byte", "bytes"}),
        ("lens", {"tokens", "depths"}),
        ("attention", {"tokens", "n_layer", "n_head", "layers"}),
        ("next", {"candidates", "kept", "vocab_size", "entropy", "sampled_entropy"}),
    ],
)
def test_json(inspect, what, keys):
    code, out, _ = inspect("One day", "--what", what, "--json")

    assert code == 0
    assert keys | {"checkpoint"} <= json.loads(out).keys()


def test_choices(inspect):
    _, out, _ = inspect("One day", "--what", "attention", "--layer", 1)
    assert "layer 1 head 1" in out
    assert "layer 2" not in out
    _, out, _ = inspect("One day", "--what", "attention", "--layer", 2, "--json")
    assert [layer["layer"] for layer in json.loads(out)["layers"]] == [1]

    _, out, _ = inspect("One day", "--what", "next", "--top-k", 3, "--top", 7, "--json")
    found = json.loads(out)
    assert found["kept"] == 3
    assert len(found["candidates"]) == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["x", "--what", "lense"], "did you mean lens?"),
        (["x", "--what", "?"], "use tokens, lens, attention, next"),
        (["x", "--top", "0"], "between 1 and 1,000"),
        (["x", "--what", "next", "--top-p", "2"], "--top-p must be from"),
        (["x", "--what", "next", "--top-k", "-3"], "--top-k must be an integer from 0"),
    ],
)
def test_usage_mistakes(inspect, words, message):
    code, out, err = inspect(*words)

    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["", "--what", "tokens"], "the text is empty"),
        (["x" * 2000, "--what", "lens"], "look at a shorter text"),
        (["x", "--what", "attention", "--layer", "99"], "there is no layer 99"),
        (["x", "--what", "attention", "--layer", "0"], "there is no layer 0"),
    ],
)
def test_texts_that_cannot_be_looked_at(inspect, words, message):
    code, out, err = inspect(*words)

    assert (code, out) == (1, "")
    assert message in err
