"""The course: lessons that build a language model, from text to stories.

The lessons are the files `NN-name.md` in this folder; `python -m course` writes them as notebooks.
They use these names, and `slm` and `storyworld` for the rest.
"""

from course.lesson import amount, check, expect, hint, is_quick, solution
from course.show import Picture, explore, picture

__all__ = [
    "Picture",
    "amount",
    "check",
    "expect",
    "explore",
    "hint",
    "is_quick",
    "picture",
    "solution",
]
