from __future__ import annotations

import os

import pytest

from slm.cli.options import assignments, only_given, typed_text, unescaped
from slm.errors import UsageError


def test_flags_without_a_value_are_left_out():
    flags = {"train.seed": (0, "--seed"), "train.device": (None, "--device")}

    assert only_given(flags) == {"train.seed": (0, "--seed")}


def test_settings_may_follow_one_set_or_several():
    assert assignments(["a=1", "c=3"], ["b=2"]) == ["a=1", "c=3", "b=2"]
    assert assignments(None, None) == []


@pytest.mark.parametrize(
    ("settings", "more"),
    [(None, ["a=1"]), (["a=1"], ["word"]), (["a"], ["=", "1"]), (["a="], ["1"])],
)
def test_other_words_are_refused(settings, more):
    with pytest.raises(UsageError, match="unexpected") as caught:
        assignments(settings, more)
    assert "without spaces around the =" in str(caught.value.hint)


def test_prompts_are_text_and_paths_are_bytes_where_the_locale_is_ascii():
    def in_ascii(text: str) -> str:
        return text.encode().decode("ascii", "surrogateescape")

    prompts, path = 'sample_prompts=["Él día"]', "out_dir=año"
    given = [in_ascii(prompts), in_ascii(f"train.{prompts}"), in_ascii(path)]
    assert assignments(given, None) == [prompts, f"train.{prompts}", in_ascii(path)]


def test_escaped_bytes_become_the_text_that_was_typed():
    in_ascii = "Él día 日".encode().decode("ascii", "surrogateescape")

    assert typed_text(in_ascii) == "Él día 日"


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(UsageError, match=r"the text b'caf\\xe9' is not valid UTF-8"):
        typed_text(os.fsdecode(b"caf\xe9"))


@pytest.mark.parametrize("word", ["", "One day", "Él día\n"])
def test_other_words_are_what_they_are(word):
    assert typed_text(word) == word


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (r"\n", "\n"),
        (r"\n\n", "\n\n"),
        (r"\r\n", "\r\n"),
        (r"The\tend\n", "The\tend\n"),
        (r"\\", "\\"),
        (r"\\n", r"\n"),
        (r"\\\n", "\\\n"),
        (r"\d\x0a", r"\d\x0a"),
        ("\\", "\\"),
        ("\n", "\n"),
        ("", ""),
        ("é\\n", "é\n"),
    ],
)
def test_escapes_of_a_typed_text(typed, meant):
    assert unescaped(typed) == meant


def test_old_names_of_settings_are_noted(capsys):
    assert assignments(["attend_within=story", "train.short_context=none", "seed=3"], None)
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "note: attend_within is now called document_masking: use --set document_masking=true",
        "note: train.short_context is now called seq_len_warmup: use --set seq_len_warmup=none",
    ]
