"""Pictures carry their words; sliders appear where they can, and a plain call elsewhere."""

from __future__ import annotations

from typing import Any

import matplotlib
import pytest
from matplotlib import pyplot as plt

from course.show import explore, picture


def test_a_picture_has_alternative_text_and_no_background() -> None:
    matplotlib.use("agg")
    with plt.style.context("course.style"):
        figure, axes = plt.subplots()
        axes.plot([1, 2])
        made = picture(figure, 'a "line" that rises')
    assert not plt.fignum_exists(figure.number)
    assert made.png.startswith(b"\x89PNG")
    assert 'alt="a &quot;line&quot; that rises"' in made._repr_html_()
    assert repr(made) == '[picture: a "line" that rises]'
    from io import BytesIO

    from matplotlib.image import imread

    assert imread(BytesIO(made.png))[0, 0, 3] == 0  # a corner is transparent


def test_without_a_notebook_the_first_values_are_shown() -> None:
    assert explore(lambda a, b: (a, b), a=[3, 1, 2], b="xyz") == (3, "x")


def test_in_a_notebook_there_are_sliders(monkeypatch: pytest.MonkeyPatch) -> None:
    ipywidgets = pytest.importorskip("ipywidgets")
    made: dict[str, Any] = {}
    monkeypatch.delenv("SLM_COURSE_STATIC", raising=False)
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: object())
    monkeypatch.setattr(ipywidgets, "interact", lambda function, **sliders: made.update(sliders))
    assert explore(lambda size: size, size=[3, 1, 2]) is None
    assert made["size"].options == (1, 2, 3)
    assert made["size"].value == 3
    monkeypatch.setenv("SLM_COURSE_STATIC", "1")
    assert explore(lambda size: size, size=[3, 1, 2]) == 3
