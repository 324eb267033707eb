"""A model card comes back as it was, and a forged one cannot reach a terminal or a README."""

from __future__ import annotations

from typing import Any

import pytest

from slm.model_card import LONGEST, ModelCard

CARD = ModelCard(name="stories", license="CDLA-Sharing-1.0", data="TinyStories", training="2 h")


def test_there_and_back() -> None:
    assert ModelCard.from_json(CARD.to_json()) == CARD
    assert CARD.lines() == {
        "name": "stories",
        "license": "CDLA-Sharing-1.0",
        "data": "TinyStories",
        "training": "2 h",
    }


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"format": "slm-data"}, "not a model card"),
        ({"version": 2}, "version 2, this program reads version 1"),
        ({"lisense": "MIT"}, "'lisense' is not an entry of a model card: did you mean license"),
        ({"name": 3}, "name is not a line"),
        ({"summary": "\x1b[2J"}, "summary is not a line"),
        ({"data": "one\ntwo"}, "data is not a line"),
        ({"training": "x" * (LONGEST + 1)}, "training is not a line of at most 2,000"),
        ({"license": "mit\nlibrary_name: other"}, "license is not a line"),
        ({"license": "mit: [a]"}, "the license 'mit: \\[a\\]' is not an identifier"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ModelCard.from_json({**CARD.to_json(), **changes})


@pytest.mark.parametrize("data", [None, [], "card", {}, {"format": ["slm-card"]}])
def test_other_json_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="not a model card"):
        ModelCard.from_json(data)
