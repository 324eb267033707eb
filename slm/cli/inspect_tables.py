"""The tables of `slm inspect`; every value shown by a color is also printed as a number."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from slm.errors import escape_control_characters
from slm.insight import (
    AttentionPatterns,
    Candidate,
    Lens,
    NextToken,
    ScoredText,
    TokenText,
)
from slm.insight.next_token import Weighed
from slm.insight.score import ScoredToken

SURPRISAL_STYLES = (
    (0.5, ""),
    (2.0, "yellow"),
    (5.0, "dark_orange"),
    (float("inf"), "bold red"),
)
"""Maximum surprisal in bits, and the style of such a token."""
BAR = 24
MIN_WEIGHT = 0.05
"""Attention weights below this are not shown."""
MAX_SHOWN_WEIGHTS = 4

Token = TokenText | ScoredToken | Candidate | Weighed


def tokens(scored: ScoredText) -> RenderableType:
    """The text, colored by surprisal, and a row for each token."""
    colored = Text()
    table = Table("token", "probability", "bits", "rank", "predicted", box=None)
    for column in (1, 2, 3):
        table.columns[column].justify = "right"
    for token in scored.tokens:
        style = next(style for bits, style in SURPRISAL_STYLES if token.surprisal <= bits)
        colored.append(token.text, style)
        guesses = (f"{shown(c)} {percent(c.probability)}" for c in token.alternatives)
        table.add_row(
            Text(shown(token), style),
            percent(token.probability),
            f"{token.surprisal:.1f}",
            f"{token.rank + 1:,}",
            Text("  ".join(guesses), "dim"),
        )
    return Group(colored, "", table, "", scored.figures)


def lens(found: Lens) -> RenderableType:
    """A row for each token: the prediction after each layer, and the next token."""
    names = ["embedding", *(f"layer {depth.depth}" for depth in found.depths[1:])]
    table = Table("token", *names, "next", box=None)
    for position, token in enumerate(found.tokens):
        cells = []
        for depth in found.depths:
            guess = depth.guesses[position]
            best = guess.candidates[0]
            is_right = guess.next_rank == 0
            mark = "*" if is_right else " "
            label = f"{mark}{shown(best)} {percent(best.probability)}"
            cells.append(Text(label, "bold green" if is_right else strength(best.probability)))
        coming = found.tokens[position + 1 : position + 2]
        table.add_row(Text(shown(token)), *cells, Text(shown(coming[0]) if coming else "?", "bold"))
    bits = [depth.surprisal for depth in found.depths if depth.surprisal is not None]
    foot = "  ".join(f"{name} {value:.2f}" for name, value in zip(names, bits, strict=False))
    return Group(table, "", f"mean surprisal in bits: {foot}" if bits else "", "* correct")


def attention(patterns: AttentionPatterns) -> RenderableType:
    """Each head's statistics, and its largest weights at each token."""
    parts: list[RenderableType] = []
    for layer in patterns.layers:
        heads = zip(layer.heads, layer.statistics, strict=True)
        for number, (rows, means) in enumerate(heads, 1):
            parts.append(
                Text(
                    f"layer {layer.layer + 1} head {number}: "
                    f"{percent(means.previous)} on the previous token, "
                    f"{percent(means.itself)} on itself, {percent(means.start)} on the start; "
                    f"mean distance {means.distance:.1f} tokens",
                    "bold",
                )
            )
            table = Table.grid(padding=(0, 2))
            for position, row in enumerate(rows):
                cell = Text()
                best = sorted(enumerate(row), key=lambda pair: -pair[1])[:MAX_SHOWN_WEIGHTS]
                for at, weight in best:
                    if weight >= MIN_WEIGHT:
                        name = "itself" if at == position else shown(patterns.tokens[at])
                        cell.append(f"{name} {percent(weight)}  ", strength(weight))
                table.add_row(Text(shown(patterns.tokens[position])), cell)
            parts += [table, ""]
    return Group(*parts[:-1])


def next_token(found: NextToken) -> RenderableType:
    """The candidates with their probabilities before and after temperature and filters."""
    most = max((max(c.probability, c.sampled) for c in found.candidates), default=1.0)
    table = Table("token", "model", "sampled", "", box=None)
    for column in (1, 2):
        table.columns[column].justify = "right"
    for candidate in found.candidates:
        is_kept = candidate.sampled > 0
        bar = "█" * round(BAR * candidate.sampled / most)
        rest = "░" * (round(BAR * candidate.probability / most) - len(bar))
        table.add_row(
            Text(shown(candidate), "" if is_kept else "dim strike"),
            percent(candidate.probability),
            percent(candidate.sampled) if is_kept else "-",
            Text.assemble((bar, "blue"), (rest, "dim")),
        )
    table.add_row(
        Text("others", "dim"), percent(found.rest_probability), percent(found.rest_sampled), ""
    )
    figures = (
        f"{found.kept:,} of {found.vocab_size:,} tokens can be sampled; entropy "
        f"{found.entropy:.2f} bits, {found.sampled_entropy:.2f} after the filters"
    )
    return Group(table, "", figures)


def shown(token: Token) -> str:
    """A token in a table cell, with visible white space and control characters."""
    text = token.text
    if not text:
        return "<part>"
    return escape_control_characters(text).replace(" ", "·")


def percent(share: float) -> str:
    """A probability as a percentage."""
    return f"{100 * share:.1f}%" if share >= 0.0005 else "<.1%" if share > 0 else "0%"


def strength(share: float) -> str:
    """The style of a probability: the lower, the dimmer."""
    levels = ((0.3, "bold"), (0.1, ""), (0.0, "dim"))
    return next(style for least, style in levels if share >= least)
