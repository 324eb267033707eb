"""Functions that are called with sentences for the user."""

from __future__ import annotations

from slm.log import silent, without_repeats


def test_a_sentence_is_passed_on_once() -> None:
    seen: list[str] = []
    log = without_repeats(seen.append)
    for sentence in ("a", "b", "a"):
        log(sentence)
    assert seen == ["a", "b"]


def test_a_silent_log_drops_everything(capsys) -> None:
    silent("a")
    assert capsys.readouterr() == ("", "")
