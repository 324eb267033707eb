"""Pictures carry their words; sliders appear where they can, and a plain call elsewhere."""

from __future__ import annotations

import re
from typing import Any

import matplotlib
import pytest
from matplotlib import pyplot as plt

from course.build import HERE, sources
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


def luminance(color: str) -> float:
    """As WCAG 2.2 defines it."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_all_colors_are_readable_on_white_and_on_black() -> None:
    style = (HERE / "style.mplstyle").read_text("utf-8")
    lessons = "".join(source.read_text("utf-8") for source in sources())
    colors = {*re.findall(r"\b[0-9a-f]{6}\b", style), *re.findall(r"#([0-9a-f]{6})\b", lessons)}
    assert len(colors) >= 6
    for ground in ("ffffff", "000000", "1e2129"):  # the last one is the dark theme of the site
        for color in colors:
            darker, lighter = sorted(luminance(each) for each in (color, ground))
            assert (lighter + 0.05) / (darker + 0.05) >= 3, (color, ground)


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
