from __future__ import annotations

import pytest

from slm.cli.no_effect import say_idle
from slm.cli.options import assignments
from slm.presets import command_line_words, resolve, setting_names
from slm.runs.idle_settings import idle_settings


@pytest.mark.parametrize(
    ("given", "idle"),
    [
        (["max_steps=5", "max_minutes=1"], ["max_steps=5"]),
        (["max_steps=5"], []),
        (["optimizer=adamw", "muon_ns_steps=3"], ["muon_ns_steps"]),
        (["optimizer=adamw", "muon_momentum=0.5"], ["muon_momentum"]),
        (["optimizer=muon", "muon_ns_steps=3"], []),
        (["schedule=cosine", "decay_fraction=0.3"], ["decay_fraction"]),
        (["schedule=wsd", "decay_fraction=0.3"], []),
        (["seq_len_warmup=64"], ["seq_len_warmup=64"]),
        (["seq_len_warmup=32"], []),
        (["seq_len_warmup=none", "seq_len_warmup_fraction=0.3"], ["seq_len_warmup_fraction"]),
        (["sample_prompts=[]", "sample_tokens=5"], ["sample_tokens"]),
        (["position=learned", "rope_theta=500"], ["rope_theta"]),
        (["rope_theta=500"], []),
        (["teacher_weight=0.3"], ["teacher_weight"]),
        (["teachers=['builtin']", "teacher_weight=0.3"], []),
    ],
)
def test_settings_that_others_leave_without_effect(given: list[str], idle: list[str]) -> None:
    settings = resolve("tiny", assignments=given)
    words = command_line_words({}, assignments(given, None))
    found = [word for word, _ in idle_settings(settings, words)]
    assert len(found) == len(idle)
    for word, name in zip(found, idle, strict=True):
        assert word.startswith(f"--set {name}")


def test_settings_of_a_preset_are_nobody_s_words() -> None:
    assert list(idle_settings(resolve("modern-12m", assignments=["optimizer=adamw"]), {})) == []


def test_every_idle_setting_is_a_setting() -> None:
    everything = {name: name for name in setting_names()}
    settings = resolve(
        "gpt2", assignments=["max_minutes=1", "sample_prompts=[]", "seq_len_warmup=none"]
    )
    found = {word for word, _ in idle_settings(settings, everything)}
    assert found == {
        "train.max_steps",
        "train.muon_learning_rate",
        "train.muon_momentum",
        "train.muon_ns_steps",
        "train.decay_fraction",
        "train.seq_len_warmup_fraction",
        "train.teacher_weight",
        "train.sample_tokens",
        "model.rope_theta",
    }


def test_one_word_has_and_several_have(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    say_idle(["--a"], "of b")
    say_idle(iter(["--a", "--c"]), "of b")
    say_idle([], "of b")
    assert capsys.readouterr().err.splitlines() == [
        "note: --a has no effect: of b",
        "note: --a and --c have no effect: of b",
    ]
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    say_idle(["--a"], "of b")
    assert capsys.readouterr().err == ""
