"""Functions that are called with sentences for the user."""

from __future__ import annotations

from slm.log import as_notes, silent, without_repeats


def test_a_note_is_marked() -> None:
    seen: list[str] = []
    as_notes(seen.append)("a")
    assert seen == ["note: a"]


def test_a_sentence_is_passed_on_once() -> None:
    seen: list[str] = []
    log = without_repeats(seen.append)
    for sentence in ("a", "b", "a"):
        log(sentence)
    assert seen == ["a", "b"]


def test_a_silent_log_drops_everything(capsys) -> None:
    silent("a")
    assert capsys.readouterr() == ("", "")
