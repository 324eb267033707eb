"""Changes, what decides a run, its notes, and the figures of all; no model is trained here."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import ablate
import pytest
from ablate import Run, Variant, identity_of, note, noted_runs, parse_change, summary, variants_of

from slm.errors import ConfigError, UsageError
from slm.presets import resolve

RUN = Run(
    identity="1f",
    variant="A",
    settings=("n_layer=2",),
    seed=1,
    bits_per_byte=1.25,
    steps=100,
    tokens_per_second=2000.0,
    seconds=61.0,
    failure=None,
)


@pytest.mark.parametrize(
    ("text", "name", "settings"),
    [
        ("faster: train.learning_rate=6e-3", "faster", ["train.learning_rate=6e-3"]),
        ("two: learning_rate=1e-3 n_layer=2", "two", ["learning_rate=1e-3", "n_layer=2"]),
        ("data.tokenizer=bpe:2048", "data.tokenizer=bpe:2048", ["data.tokenizer=bpe:2048"]),
        ("2k: data.tokenizer=bpe:2048", "2k", ["data.tokenizer=bpe:2048"]),
        ("lr=2x: learning_rate=2e-3", "lr=2x", ["learning_rate=2e-3"]),
        ("""told: 'sample_prompts=["a b"]'""", "told", ['sample_prompts=["a b"]']),
    ],
)
def test_a_change_is_a_name_and_settings(text, name, settings):
    assert parse_change(text) == Variant(name, tuple(settings))


@pytest.mark.parametrize(
    "text",
    ["", "only a name", "a name: and words", ": learning_rate=1", "x: learning_rate=1 'open"],
)
def test_what_is_no_change_is_refused(text):
    with pytest.raises(UsageError):
        parse_change(text)


@pytest.mark.parametrize("setting", ["seed=3", "train.max_steps=9", "max_minutes=1", "source=x"])
def test_what_the_benchmark_decides_cannot_be_compared(setting):
    with pytest.raises(UsageError, match="determines it"):
        parse_change(f"mine: {setting}")
    with pytest.raises(UsageError, match="determines it"):
        variants_of([setting], ["n_layer=2"])


def test_an_unknown_setting_is_named():
    with pytest.raises(ConfigError, match="lerning_rate"):
        parse_change("faster: lerning_rate=1")


def test_changes_come_over_what_is_common():
    common, narrow, deep = variants_of(["n_embd=64"], ["narrow: n_embd=32", "n_layer=8"])
    assert common == Variant("A", ("n_embd=64",))
    assert narrow == Variant("narrow", ("n_embd=32",))
    assert resolve("tiny", assignments=narrow.settings).model.n_embd == 32
    assert deep == Variant("n_layer=8", ("n_embd=64", "n_layer=8"))


@pytest.mark.parametrize("name", ["A", "same"])
def test_names_are_told_apart(name):
    with pytest.raises(UsageError, match="two variants"):
        variants_of([], ["same: n_layer=2", f"{name}: n_layer=3"])


def test_the_identity_follows_everything_that_decides_a_run():
    def identity(*settings, data="d", length=("--steps", "9"), dtype="float32"):
        return identity_of(resolve("tiny", assignments=settings), data, length, dtype)

    assert identity() == identity() == identity("n_layer=2")  # which is the preset's
    others = [
        identity("n_layer=3"),
        identity("learning_rate=1.0"),
        identity(data="other"),
        identity(length=("--steps", "8")),
        identity(dtype="bfloat16"),
    ]
    assert len({identity(), *others}) == 6


def test_the_identity_follows_the_code(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    monkeypatch.setattr(ablate, "slm", SimpleNamespace(__file__=str(tmp_path / "__init__.py")))
    (tmp_path / "model" / "gpt.py").write_text("a = 1")
    before = identity_of(resolve("tiny"), "d", ["--steps", "9"], "float32")
    (tmp_path / "model" / "gpt.py").write_text("a = 2")
    assert identity_of(resolve("tiny"), "d", ["--steps", "9"], "float32") != before


def test_runs_are_noted_and_found_again(tmp_path):
    file = tmp_path / "results.jsonl"
    assert noted_runs(file) == noted_runs(None) == []
    note(RUN, file)
    file.write_text(file.read_text() + '{"identity": "2', encoding="utf-8")  # killed here
    note(replace(RUN, seed=2), file)
    assert [run.seed for run in noted_runs(file)] == [1, 2]
    assert noted_runs(file)[0].bits_per_byte == 1.25


@pytest.fixture
def text(tmp_path, monkeypatch):
    """A file of stories in the working directory."""
    monkeypatch.chdir(tmp_path)
    stories = [f"Story {number} " + "of a dog. " * number for number in range(40)]
    (tmp_path / "text.txt").write_text("<|endoftext|>\n".join(stories), encoding="utf-8")
    return "text.txt"


def prepared(source, *changes):
    words = [word for change in changes for word in ("--change", change)]
    args = ablate.arguments(["--preset", "tiny", "--steps", "1", "--source", source, *words])
    return ablate.prepared(variants_of(["data.tokenizer=bytes"], args.change), args)


def test_data_are_prepared_once_for_each_tokenizer(text):
    found = prepared(text, "deep: n_layer=3", "chars: data.tokenizer=chars")
    places = {name: place for name, (place, _) in found.items()}
    assert places["A"] == places["deep"] != places["chars"]
    assert all(place.is_absolute() and place.is_dir() for place in places.values())
    assert len({identity for _, identity in found.values()}) == 3


def test_a_change_that_changes_nothing_is_refused(text):
    with pytest.raises(UsageError, match="'two' has the same settings as 'A'"):
        prepared(text, "two: n_layer=2")


def test_all_are_measured_on_one_text(text):
    with pytest.raises(UsageError, match="different texts"):
        prepared(text, "more: validation_fraction=0.5")


@pytest.fixture
def commands(monkeypatch):
    """Replaces `slm`: the words of every command; answers come from the list `.answers`."""
    calls = SimpleNamespace(words=[], answers=[])

    def answer(words, where):
        calls.words.append(words)
        return calls.answers.pop(0)

    monkeypatch.setattr(ablate, "slm_command", answer)
    return calls


TRAINED = {"step": 9, "tokens": 900, "elapsed_seconds": 2.0}


def run_once(tmp_path, *settings):
    args = ablate.arguments(["--minutes", "2", "--preset", "tiny", "--change", "n_layer=3"])
    return ablate.train_and_measure(Variant("deep", settings), 5, tmp_path, "1f", args)


def test_a_run_trains_and_is_measured(tmp_path, commands):
    commands.answers = [(TRAINED, ""), ({"bits_per_byte": 1.5}, "")]
    run = run_once(tmp_path, "n_layer=3", "tokenizer=bytes", "data.limit=9")
    assert (run.bits_per_byte, run.steps, run.tokens_per_second) == (1.5, 9, 450.0)
    train, measure = commands.words
    assert train[-4:] == ["--minutes", "2", "--set", "n_layer=3"]  # data are given as they are
    assert train[train.index("--seed") + 1] == "5"
    assert measure[0] == "eval"
    assert str(tmp_path) in train
    assert str(tmp_path) in measure


@pytest.mark.parametrize(
    ("answers", "failure"),
    [
        ([(None, "loss is nan")], "loss is nan"),
        ([(TRAINED, ""), (None, "no memory")], "no memory"),
        ([(TRAINED, ""), ({"bits_per_byte": None}, "")], "its loss is non-finite"),
    ],
)
def test_a_run_that_fails_is_noted_with_its_reason(tmp_path, commands, answers, failure):
    commands.answers = answers
    run = run_once(tmp_path)
    assert run.bits_per_byte is None
    assert run.failure == failure


@pytest.fixture
def trained(monkeypatch):
    """Replaces training; (variant, seed) of every run in turn."""
    calls = []

    def train(variant, seed, data, identity, args):
        calls.append((variant.name, seed))
        bits = (1.0 if variant.name == "A" else 0.9) + seed / 10
        return replace(RUN, identity=identity, variant=variant.name, seed=seed, bits_per_byte=bits)

    def places(variants, args):
        return {variant.name: (None, " ".join(variant.settings)) for variant in variants}

    monkeypatch.setattr(ablate, "train_and_measure", train)
    monkeypatch.setattr(ablate, "prepared", places)
    return calls


def test_a_series_goes_on_where_it_was(tmp_path, trained):
    asked = ablate.arguments(
        ["--steps", "9", "--seeds", "1", "--change", "deep: n_layer=3"]
        + ["--results", str(tmp_path / "r.jsonl")]
    )
    ablate.compare(variants_of([], asked.change), asked)
    assert trained == [("A", 1), ("deep", 1)]
    trained.clear()
    asked.seeds = 2
    runs = ablate.compare(variants_of([], ["renamed: n_layer=3"]), asked)
    assert trained == [("renamed", 2), ("A", 2)]
    assert [(run.variant, run.seed) for run in runs] == [
        ("A", 1),
        ("renamed", 1),
        ("renamed", 2),
        ("A", 2),
    ]


def test_figures_of_every_variant():
    runs = [
        replace(RUN, variant=name, seed=seed, bits_per_byte=bits, steps=steps)
        for name, seed, bits, steps in [
            ("A", 1, 1.0, 10),
            ("A", 2, 1.2, 20),
            ("B", 1, 0.9, 30),
            ("B", 2, 1.1, 30),
            ("C", 1, 0.8, 30),
            ("C", 2, None, 0),
        ]
    ]
    result = summary(runs, ["A", "B", "C"])
    assert result["A"]["mean"] == pytest.approx(1.1)
    assert result["A"]["stdev"] == pytest.approx(0.1414214)
    assert result["A"]["steps"] == 15
    assert "verdict" not in result["A"]
    assert result["B"]["difference"] == pytest.approx(-0.1)
    assert result["B"]["verdict"] == "better"
    assert result["C"]["steps"] == 30  # of the run that came through
    assert result["C"]["verdict"] == "noise unknown with one seed; 1 of its runs failed"
    json.dumps(result)


def test_every_variant_can_be_shown():
    runs = [RUN, replace(RUN, variant="B", bits_per_byte=None, failure="no"), replace(RUN, seed=2)]
    runs.append(replace(RUN, variant="C", bits_per_byte=1.0))
    result = summary(runs, ["A", "B", "C"])
    rows = {name: ablate.shown(figures) for name, figures in result.items()}
    assert {len(row) + 1 for row in rows.values()} == {len(ablate.HEAD)}
    assert rows["A"][:2] == ("1.2500", "0.0000")
    assert rows["B"][-1] == "nothing to compare; 1 of its runs failed"
    assert rows["C"][-3:] == ("-0.2500 (-20.0%)", "?", "noise unknown with one seed")


@pytest.mark.parametrize(
    "words",
    [["--change", "n_layer=2"], ["--steps", "1", "--minutes", "1", "--change", "n_layer=2"]],
)
def test_a_length_has_to_be_given_once(words, capsys):
    with pytest.raises(SystemExit):
        ablate.arguments(words)
    assert "--minutes" in capsys.readouterr().err
