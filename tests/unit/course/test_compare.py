"""Differences are found, and said so that a learner can act on them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from course.compare import as_text, difference, disagreement


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (1, 1),
        (True, True),
        (0.1 + 0.2, 0.3),
        ("é", "é"),
        ([1, (2, 3)], (1, [2, 3])),
        ({"a": [1.0]}, {"a": [1.0 + 1e-9]}),
        (torch.tensor([1.0, 2.0]), np.array([1.0, 2.0])),
        ([[1.0, 2.0]], np.array([[1.0, 2.0]])),
        (torch.ones(2, 3), (torch.ones(3), torch.ones(3))),
        (torch.tensor(2.0), 2.0),
        (np.float64(2), 2.0),
        (torch.tensor([True, False]), torch.tensor([True, False])),
        (torch.tensor([-math.inf]), torch.tensor([-math.inf])),
        ([], np.zeros(0)),
        (None, None),
    ],
)
def test_equal_values(found: object, expected: object) -> None:
    assert difference(found, expected) == ""


@pytest.mark.parametrize(
    ("found", "expected", "words"),
    [
        (None, 3, "Is there a `return`?"),
        (4, 3, "off by one"),
        (9, 3, "6 too large"),
        (True, False, "the other"),
        (1, True, "of type int, expected bool"),
        ("3", 3, "of type str, expected int"),
        ("abd", "abc", "up to position 2"),
        ([1, 2], [1, 2, 3], "length is 2, expected 3"),
        ([1, 5], [1, 2], "position 1 (counted from 0): found 5, expected 2"),
        ({"a": 1}, {"a": 1, "b": 2}, "1 keys are missing, the first is 'b'"),
        ({"a": 1, "b": 2}, {"a": 1}, "should not be there"),
        ({"a": 2}, {"a": 1}, "At 'a': found 2, expected 1"),
        (6.0, 3.0, "2 times"),
        (-3.0, 3.0, "sign is the opposite"),
        (torch.ones(2, 3), torch.ones(3, 2), "last two dimensions are swapped"),
        (torch.ones(4), torch.ones(2, 2), "shape is (4,), expected (2, 2)"),
        (torch.tensor([[1.0, 2], [3, 4]]), torch.tensor([[1.0, 3], [2, 4]]), "transpose"),
        (torch.tensor([0.5, math.nan]), torch.tensor([0.5, 0.5]), "NaN"),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]), "At index (1,): found 2, expected 3"),
        (torch.tensor([1, 0]), torch.tensor([True, False]), "dtype int64, expected bool"),
        (torch.tensor([True]), torch.tensor([False]), "found True, expected False"),
        ([[1.0], [1.0, 2.0]], np.ones((2, 2)), "different lengths"),
        (["a"], np.ones(1), "does not hold numbers"),
        ([torch.ones(2), torch.ones(2)], torch.ones(2, 2), "`torch.stack` makes one"),
        ([[1.0, 2.0]], torch.ones(1, 2), "of type list, expected a tensor of shape (1, 2)"),
        (np.ones(2), torch.ones(2), "of type ndarray, expected a tensor"),
        (2.0, torch.tensor(2.0), "which has no gradient"),
        (torch.tensor([True, False]), [True, False], "`.tolist()` makes a list"),
        (
            torch.ones(4),
            (torch.ones(4), torch.ones(2)),
            "one tensor of shape (4,), expected a tuple",
        ),
        (torch.ones(2), (torch.ones(3, 2), torch.ones(2)), "At position 0 (counted from 0)"),
        (torch.zeros(2), torch.tensor([0.0, -math.inf]), "found 0, expected -inf"),
        (0.0, 0.25, "It is 0.25 too small"),
        ("a", torch.ones(1), "of type str"),
    ],
)
def test_differences_are_named(found: object, expected: object, words: str) -> None:
    assert words in difference(found, expected)


@pytest.mark.parametrize(
    ("found", "expected", "words"),
    [
        (["a", "c"], ["a", "b"], "At position 1 (counted from 0): found 'c'."),
        ([b"a", "b"], ["a", "b"], "of type bytes, expected str"),
        (["a"], ["a", "b"], "length is 1, expected 2"),
        ("a, b", ["a", "b"], "of type str, expected list"),
        ({"A": "x", "B": "x"}, {"A": "x", "B": "y"}, "1 of 2 are right"),
        ({"A": "X", "B": "y"}, {"A": "x", "B": "y"}, "'X' is none of the choices: 'x', 'y'"),
        ({"a": "x"}, {"A": "x"}, "The keys should be 'A'"),
        (257, 256, "too large"),
        ("256", 256, "of type str, expected int"),
        ("b", "a", "should be another"),
    ],
)
def test_a_disagreement_does_not_give_the_answer_away(
    found: object, expected: object, words: str
) -> None:
    said = disagreement(found, expected)
    assert words in said
    assert as_text(expected) not in said


def test_values_are_shown_short() -> None:
    assert as_text({"a": torch.tensor([0.5])}) == "{'a': shape (1,): [0.5]}"
    assert as_text([1.234567, "a"]) == "[1.2346, 'a']"
    assert as_text(torch.tensor(0.25)) == "0.25"
    assert as_text(torch.tensor([1.0, 0.5])).startswith("shape (2,): [1.  0.5]")
    assert as_text((1,)) == "(1,)"
    assert len(as_text(list(range(1000)))) <= 240
    assert len(as_text(torch.zeros(100, 100))) < 600
