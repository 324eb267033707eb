"""Results as HTML: everything is escaped, and numbers accompany colors."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from slm.insight import attention_patterns, logit_lens, next_token, score_text
from slm.tokenizer import build_tokenizer

HOSTILE = '<script>alert("1")</script> & <b>'


class Tags(HTMLParser):
    """Collects the tags of a page, and checks that they are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.add(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.found.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return build_tokenizer("bytes", lambda: [])


@pytest.mark.parametrize("make", [score_text, next_token, logit_lens, attention_patterns])
def test_text_of_users_is_escaped(make: Any, tokenizer: Any, tiny_model: Any) -> None:
    model = tiny_model("modern", vocab_size=257, block_size=64)
    page = make(model, tokenizer, HOSTILE)._repr_html_()

    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not {"script", "b"} & tags.found
    assert "<script" not in page


def test_numbers_accompany_colors(tokenizer: Any, tiny_model: Any) -> None:
    scored = score_text(tiny_model("modern", vocab_size=257), tokenizer, "ab")
    page = scored._repr_html_()
    assert f"{scored.tokens[0].surprisal:.1f} bits" in page
    assert f"{scored.bits_per_byte:.3f} bits per byte" in page


def test_colors_are_translucent(tokenizer: Any, tiny_model: Any) -> None:
    """So that they suit light and dark pages; text has the color of the page."""
    page = next_token(tiny_model("modern", vocab_size=257), tokenizer, "a")._repr_html_()
    assert "rgba(" in page
    assert "color: #" not in page
