"""Pictures with alternative text, and sliders where a notebook has them.

Lessons draw with plain matplotlib, after `plt.style.use("course.style")`: a transparent background
and colors that can be read on white and on black.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Picture:
    """A finished picture; a notebook shows it, and a screen reader reads its alternative text.

    Attributes:
        png: the file's bytes.
        alt: what the picture shows, in words.
        width: at which it is shown, in CSS pixels.
    """

    def __init__(self, png: bytes, alt: str, width: int) -> None:
        self.png, self.alt, self.width = png, alt, width

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png).decode("ascii")
        words = f'alt="{escape(self.alt)}" width="{self.width}"'
        return f'<img {words} src="data:image/png;base64,{data}">'

    def __repr__(self) -> str:
        return f"[picture: {self.alt}]"


def picture(figure: Figure, alt: str) -> Picture:
    """Draw a figure of matplotlib and close it.

    Args:
        figure: from `plt.subplots()`.
        alt: what can be seen, in words, for people who cannot see it.
    """
    import matplotlib.pyplot as plt

    file = io.BytesIO()
    figure.savefig(file, format="png", transparent=True, bbox_inches="tight")
    plt.close(figure)
    return Picture(file.getvalue(), alt, round(figure.get_figwidth() * 96))


def explore(show: Callable[..., Any], **choices: Sequence[Any]) -> Any:
    """Call a function with values that the reader chooses by sliders.

        explore(story, temperature=[0.8, 0.2, 1.5])

    Args:
        show: returns what is shown; its parameters are those of `choices`.
        choices: for each parameter its values. The first is shown at the start, and alone where
            there are no sliders: without ipywidgets, or on a page (`SLM_COURSE_STATIC`).
    """
    start = {name: values[0] for name, values in choices.items()}
    try:
        if os.environ.get("SLM_COURSE_STATIC"):
            raise ImportError
        import ipywidgets
        from IPython.core.getipython import get_ipython
    except ImportError:
        return show(**start)
    if get_ipython() is None:
        return show(**start)
    sliders = {
        name: ipywidgets.SelectionSlider(
            options=_in_order(values), value=values[0], description=name, continuous_update=False
        )
        for name, values in choices.items()
    }
    ipywidgets.interact(show, **sliders)
    return None


def _in_order(values: Sequence[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:
        return list(values)
