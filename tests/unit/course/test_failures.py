"""Every piece of advice fits an error that Python or PyTorch really raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from course.failures import advice_on

TABLE = torch.ones(4, 3)


def nothing() -> None: ...


def unbound() -> int:
    if TABLE is None:
        value = 1
    return value


def forever() -> int:
    return forever()


def changed_in_place() -> None:
    weights = torch.ones(2, requires_grad=True)
    weights -= 1


def several_for_one() -> None:
    torch.zeros(2, 2)[0, 0] = torch.ones(3)


def unpacked() -> None:
    _, _ = TABLE[None].shape


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: eval("undefined"), "A name exists only after its cell was run"),
        (unbound, "in every branch"),
        (lambda: {}["a"], ".get(key, 0)"),
        (lambda: [1][1], "past the end"),
        (lambda: 1 / 0, "divided by 0"),
        (forever, "calls itself forever"),
        (lambda: next(iter([])), "`next` found nothing"),
        (lambda: 0.1 * nothing(), "without `return`"),  # type: ignore[func-returns-value]
        (lambda: nothing(1), "parameters of the stub"),  # type: ignore[call-arg]
        (lambda: TABLE @ nothing, "Call it"),  # type: ignore[operator]
        (lambda: 2.0 * nothing, "Call it"),  # type: ignore[operator]
        (lambda: TABLE(1), "is not a function"),  # type: ignore[operator]
        (lambda: TABLE[: 4 / 2], "`//` gives an integer"),  # type: ignore[misc]
        (lambda: (1.5).backward(), "Take `.item()` at the end"),  # type: ignore[attr-defined]
        (lambda: [1].shape, "Print its `type(...)`"),  # type: ignore[attr-defined]
        (lambda: TABLE / TABLE.sum(dim=1), "`keepdim=True`"),
        (lambda: TABLE @ TABLE, "as many columns on its left"),
        (lambda: torch.stack([TABLE, TABLE[0]]), "same shape can be stacked"),
        (lambda: torch.cat([TABLE, TABLE[0]]), "`vector[None]` is a table with one row"),
        (lambda: TABLE.sum().backward(), "no record of this computation"),
        (lambda: TABLE.clone().requires_grad_().exp().backward(), "Sum first"),
        (changed_in_place, "inside `with torch.no_grad():`"),
        (several_for_one, "Is a sum missing?"),
        (lambda: bool(TABLE > 0), "`.any()` or `.all()`"),
        (unpacked, "another number of names"),
    ],
)
def test_the_advice_fits(mistake: Callable[[], Any], words: str) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011
        mistake()
    assert words in advice_on(raised.type.__name__, str(raised.value))


def test_other_errors_get_a_plain_sentence() -> None:
    assert advice_on("OSError", "no such file") == "Python stopped at an error."
