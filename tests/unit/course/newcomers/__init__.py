"""Right answers, written from the text of the lessons alone and otherwise than the solutions.

A check must accept them: also other types (tuples, NumPy numbers, `Counter`), other orders, loops.
"""

from tests.unit.course.newcomers import lessons_1_to_4, lessons_5_to_8
from tests.unit.course.newcomers.registry import SOLVED

__all__ = ["SOLVED", "lessons_1_to_4", "lessons_5_to_8"]
