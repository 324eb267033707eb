from __future__ import annotations

import pytest

from slm.config.origins import DEFAULT, FROM_SOURCE, FROM_TOKENIZER, SET, Origin, OriginKind
from slm.config.run import read_origins

ORIGINS = [
    DEFAULT,
    SET,
    FROM_SOURCE,
    *(Origin(kind, "a: b") for kind in OriginKind if kind not in (OriginKind.SET,)),
]


@pytest.mark.parametrize("origin", ORIGINS)
def test_an_origin_comes_back_from_text(origin: Origin) -> None:
    assert Origin.from_text(origin.to_text()) == origin


@pytest.mark.parametrize(
    ("text", "origin", "now"),
    [
        ("preset modern-12m", Origin(OriginKind.PRESET, "modern-12m"), None),
        ("file a b/c:d.toml", Origin(OriginKind.FILE, "a b/c:d.toml"), None),
        ("file a\n.toml", Origin(OriginKind.FILE, "a\n.toml"), None),
        ("--set", SET, None),
        ("--data", Origin(OriginKind.PREPARED, "--data"), None),
        ("--data-dir", Origin(OriginKind.FLAG, "--data-dir"), None),
        ("plan for 0.5 minutes", Origin(OriginKind.PLAN, "0.5 minutes"), None),
        ("data in data/x", Origin(OriginKind.FILE, "data/x"), "file data/x"),
        ("tokenizer", FROM_TOKENIZER, "derived from the tokenizer"),
        (
            "made from source and tokenizer",
            FROM_SOURCE,
            "derived from the source and tokenizer",
        ),
        ("of unknown words", Origin(OriginKind.FILE, "of unknown words"), "file of unknown words"),
    ],
)
def test_sentences_of_version_1_are_read(text: str, origin: Origin, now: str | None) -> None:
    assert Origin.from_text(text) == origin
    assert str(origin) == (text if now is None else now)


def test_origins_have_the_current_names_of_settings() -> None:
    found = read_origins({"train.attend_within": "--set", "train.seed": "flag:--seed"})
    assert found == {
        "train.document_masking": SET,
        "train.seed": Origin(OriginKind.FLAG, "--seed"),
    }
    assert read_origins({"train.seed": None}) is None
    assert read_origins([]) is None


def test_only_choices_of_the_user_are_not_open() -> None:
    closed = {kind for kind in OriginKind if not Origin(kind).is_open}
    assert closed == {OriginKind.FILE, OriginKind.FLAG, OriginKind.SET, OriginKind.PREPARED}
    given = {kind for kind in OriginKind if Origin(kind).is_on_command_line}
    assert given == closed - {OriginKind.FILE}
