"""Wrong answers as learners write them, by hand.

`WRITTEN` has the ideas of `course.answers` in other words: a check recognizes what an answer
computes, so each idea must be recognized however it is written. `REJECTED` has mistakes that no
idea stands for: a check must not let them pass.
"""

from tests.unit.course.learners import lessons_1_and_2, lessons_3_and_4, lessons_5_to_8
from tests.unit.course.learners.registry import REJECTED, WRITTEN

__all__ = ["REJECTED", "WRITTEN", "lessons_1_and_2", "lessons_3_and_4", "lessons_5_to_8"]
