"""The results of this package as HTML for notebooks.

Text inherits the color of the page, and backgrounds are translucent, so that both light and dark
themes are readable. What a color shows is also given as a number, at the latest when pointed at.
All text is escaped: it comes from models and users.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from slm.insight.attention import AttentionPatterns, Rows
    from slm.insight.lens import Lens
    from slm.insight.next_token import NextToken
    from slm.insight.score import ScoredText, ScoredToken

ORANGE, BLUE, GREEN = "240, 140, 0", "60, 130, 220", "40, 160, 80"
MOST_BITS = 10.0
"""Surprisal that is shown in the strongest color."""
MOST_TOKENS = 48
"""Tokens of a text whose attention maps are drawn."""
LARGEST_CELL, SMALLEST_CELL, MAP = 20, 8, 240
"""Size of an attention weight in pixels, and of a map that they should fit into."""


class Shown(Protocol):
    """A token of any kind."""

    @property
    def text(self) -> str:
        """As text, or as `<E2 80>`."""


def _tint(color: str, strength: float) -> str:
    return f"background: rgba({color}, {0.75 * min(1.0, max(0.0, strength)):.2f})"


def _label(token: Shown) -> str:
    """A token on one line, with its blanks visible."""
    shown = token.text.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")
    return html.escape(shown) or "·"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = "".join(f'<th style="text-align: left">{name}</th>' for name in head)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def _cell(content: str, style: str = "", title: str = "") -> str:
    return (
        f'<td style="text-align: left; white-space: nowrap; {style}" '
        f'title="{html.escape(title)}">{content}</td>'
    )


def scored_text_html(scored: ScoredText) -> str:
    """The text, each token colored by its surprisal; the numbers below."""
    end = () if scored.end is None else (scored.end,)
    spans = "".join(_scored_token(token) for token in (*scored.tokens, *end))
    return (
        f'<div style="white-space: pre-wrap; line-height: 1.8">{spans}</div>'
        f"<p>{scored.figures}; the stronger the color, the more surprising the token</p>"
    )


def _scored_token(token: ScoredToken) -> str:
    others = ", ".join(f"{each.text!r} {each.probability:.1%}" for each in token.alternatives[:5])
    title = f"{token.surprisal:.1f} bits, rank {token.rank + 1:,}; predicted: {others}"
    style = _tint(ORANGE, token.surprisal / MOST_BITS)
    return f'<span style="{style}" title="{html.escape(title)}">{html.escape(token.text)}</span>'


def next_token_html(found: NextToken) -> str:
    """The candidates with bars for the model's probability and for the share sampled."""
    rows = [
        (
            _cell(f"<code>{_label(each)}</code>"),
            _bar(each.probability, BLUE),
            _bar(each.sampled, GREEN),
        )
        for each in found.candidates
    ]
    rows.append(
        (
            _cell("all others"),
            _bar(found.rest_probability, BLUE),
            _bar(found.rest_sampled, GREEN),
        )
    )
    return (
        _table(("token", "probability", "sampled"), rows)
        + f"<p>entropy {found.entropy:.2f} bits, after the filters {found.sampled_entropy:.2f}; "
        f"{found.kept:,} of {found.vocab_size:,} tokens can be sampled</p>"
    )


def _bar(share: float, color: str) -> str:
    width = f"width: {120 * share:.0f}px"
    block = (
        f'<span style="display: inline-block; height: 0.8em; {width}; {_tint(color, 1)}"></span>'
    )
    return _cell(f"{block} {share:.1%}")


def lens_html(found: Lens) -> str:
    """A row for each token, a column for each depth: the best guess, colored by its probability."""
    names = ["embedding", *(f"layer {depth.depth}" for depth in found.depths[1:])]
    rows = []
    for position, token in enumerate(found.tokens):
        cells = [_cell(f"<code>{_label(token)}</code>")]
        for depth in found.depths:
            guess = depth.guesses[position]
            best, is_right = guess.candidates[0], guess.next_rank == 0
            others = ", ".join(f"{c.text!r} {c.probability:.1%}" for c in guess.candidates)
            mark = "✓ " if is_right else ""
            label = f"{mark}<code>{_label(best)}</code> {best.probability:.0%}"
            style = _tint(GREEN if is_right else BLUE, best.probability)
            cells.append(_cell(label, style, others))
        coming = found.tokens[position + 1 : position + 2]
        cells.append(_cell(f"<code>{_label(coming[0])}</code>" if coming else "?"))
        rows.append(cells)
    bits = [depth.surprisal for depth in found.depths]
    mean = [_cell("mean surprisal"), *(_cell("" if b is None else f"{b:.2f} bits") for b in bits)]
    return _table(("token", *names, "next"), [*rows, [*mean, _cell("")]])


def attention_html(found: AttentionPatterns) -> str:
    """A map for each head, a row of it for each token that attends; statistics below."""
    parts = []
    for layer in found.layers:
        heads = []
        for number, (rows, mean) in enumerate(zip(layer.heads, layer.statistics, strict=True), 1):
            caption = (
                f"head {number}: start {mean.start:.0%}, itself {mean.itself:.0%}, "
                f"previous {mean.previous:.0%}, looks back {mean.distance:.1f} tokens"
            )
            heads.append(
                f'<figure style="display: inline-block; margin: 0.5em">'
                f"{_map(rows, [token.text for token in found.tokens])}"
                f'<figcaption style="font-size: 85%">{html.escape(caption)}</figcaption></figure>'
            )
        parts.append(
            f"<details open><summary>layer {layer.layer + 1}</summary>{''.join(heads)}</details>"
        )
    read = html.escape(" ".join(repr(token.text) for token in found.tokens[:MOST_TOKENS]))
    return f"{''.join(parts)}<p>rows and columns are the tokens {read}</p>"


def _map(rows: Rows, texts: Sequence[str]) -> str:
    """A picture of the weights, row t of which shows what token t attends to."""
    shown = rows[:MOST_TOKENS]
    cell = max(SMALLEST_CELL, min(LARGEST_CELL, MAP // len(shown)))
    squares = []
    for t, row in enumerate(shown):
        for s, weight in enumerate(row):
            if weight >= 0.01:
                title = html.escape(f"{texts[t]!r} attends to {texts[s]!r}: {weight:.0%}")
                squares.append(
                    f'<rect x="{s * cell}" y="{t * cell}" width="{cell}" height="{cell}" '
                    f'fill="rgb({BLUE})" fill-opacity="{weight:.2f}"><title>{title}</title></rect>'
                )
    size = cell * len(shown)
    return (
        f'<svg width="{size}" height="{size}" role="img" aria-label="attention weights">'
        f'<rect width="{size}" height="{size}" fill="none" stroke="currentColor" '
        f'stroke-opacity="0.3"/>{"".join(squares)}</svg>'
    )
