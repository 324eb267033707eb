"""Advice on the errors that Python and PyTorch raise in learners' code most often."""

from __future__ import annotations

_SHAPES = "Print the shapes before that line."

_ADVICE = (
    ("NameError", "", "A name exists only after its cell was run, and only as it was written."),
    ("UnboundLocalError", "", "Give the name a value before it is used, in every branch."),
    ("KeyError", "", "The dictionary lacks this key. `.get(key, 0)` returns 0 for a missing one."),
    ("IndexError", "", "An index is past the end. The last position has no next one."),
    ("ZeroDivisionError", "", "Something is divided by 0. Which length or total is 0 here?"),
    ("RecursionError", "", "The function calls itself forever."),
    ("StopIteration", "", "`next` found nothing. What if no element fits?"),
    (
        "TypeError",
        "NoneType",
        "A value is None: the result of a function without `return`, or a `.grad` that was not "
        "computed yet or was cleared.",
    ),
    ("TypeError", "positional argument", "Keep the parameters of the stub: the check passes them."),
    ("TypeError", "'function'", "A function is used like a value. Call it, as in `part(x)`."),
    ("TypeError", "not callable", "Parentheses after a value call it, and it is not a function."),
    ("TypeError", "integer", "`/` always gives a float; `//` gives an integer."),
    (
        "AttributeError",
        "'float' object",
        "A plain number has no gradient and no shape. Take `.item()` at the end.",
    ),
    ("AttributeError", "", "The value is of another type than expected. Print its `type(...)`."),
    (
        "RuntimeError",
        "must match the size of tensor",
        f"Two shapes do not fit. {_SHAPES} A sum, mean or maximum over a dimension removes it; "
        "with `keepdim=True` it stays, with length 1.",
    ),
    (
        "RuntimeError",
        "cannot be multiplied",
        f"`@` needs as many columns on its left as rows on its right. {_SHAPES} "
        "`.transpose(-1, -2)` turns a matrix around.",
    ),
    (
        "RuntimeError",
        "equal size",
        f"Only tensors of the same shape can be stacked. {_SHAPES}",
    ),
    (
        "RuntimeError",
        "same number of dimensions",
        "Only tensors with equally many dimensions can be joined: `vector[None]` is a table with "
        "one row.",
    ),
    (
        "RuntimeError",
        "does not require grad",
        "PyTorch has no record of this computation: it happened inside `torch.no_grad()`, or did "
        "not begin with the tensor that requires a gradient.",
    ),
    ("RuntimeError", "only for scalar outputs", "`backward` starts from one number. Sum first."),
    ("RuntimeError", "leaf Variable", "Change parameters inside `with torch.no_grad():`."),
    (
        "RuntimeError",
        "number of sizes provided",
        "Several numbers are stored in the place of one. Is a sum missing?",
    ),
    (
        "RuntimeError",
        "Boolean value of Tensor",
        "A condition needs one True or False. `.any()` or `.all()` makes one of many.",
    ),
    (
        "ValueError",
        "to unpack",
        f"The left side has another number of names than the right side has values. {_SHAPES}",
    ),
)
"""Kind of the error, words of its message, advice; the first that fits counts."""


def advice_on(kind: str, message: str) -> str:
    """What to do about an error.

    Args:
        kind: the name of the exception's class.
        message: of the exception.
    """
    fitting = (words for name, part, words in _ADVICE if name == kind and part in message)
    return next(fitting, "Python stopped at an error.")
