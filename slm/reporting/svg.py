"""A figure of matplotlib as SVG that is part of an HTML page and has its colors.

The text stays text, in the font of the page. Lines and text have the page's colors, so that the
picture is readable on light and on dark paper.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from slm.reporting.plots import TRAINING_COLOR, VALIDATION_COLOR

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SVG = "http://www.w3.org/2000/svg"
LINK = "{http://www.w3.org/1999/xlink}href"
COLORS = {
    "#000000": "currentColor",
    TRAINING_COLOR: "var(--training)",
    VALIDATION_COLOR: "var(--validation)",
    "#b0b0b0": "currentColor",  # the grid, which is translucent
}
_FONT = re.compile(r"'DejaVu Sans'[^;]*")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def inline_svg(figure: Figure, *, name: str, title: str, description: str) -> str:
    """A figure as an `<svg>` element for an HTML page.

    Args:
        figure: the figure; its backgrounds become transparent.
        name: begins every id in it; different for each figure of a page.
        title, description: for people who do not see it.
    """
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=no_metadata)
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(buffer.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{{{SVG}}}style" or child.tag.endswith("metadata"):
                parent.remove(child)  # the style would apply to the whole page
    for element in root.iter():
        _settle(element, name)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-description")
    for tag, text in (("desc", description), ("title", title)):
        element = ElementTree.Element(f"{{{SVG}}}{tag}")
        element.set("id", f"{name}-{'title' if tag == 'title' else 'description'}")
        element.text = text
        root.insert(0, element)
    # HTML has no namespaces: the parser knows <svg>.
    text = ElementTree.tostring(root, encoding="unicode")
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)


def _settle(element: ElementTree.Element, name: str) -> None:
    """Give the ids of an element a prefix, and its colors and fonts those of the page."""
    attributes = element.attrib
    if "id" in attributes:
        attributes["id"] = f"{name}-{attributes['id']}"
    if LINK in attributes:
        attributes["href"] = f"#{name}-{attributes.pop(LINK).removeprefix('#')}"
    for key in ("style", "clip-path"):
        if key in attributes:
            attributes[key] = _REFERENCE.sub(rf"url(#{name}-\1)", attributes[key])
    style = attributes.get("style")
    if style is not None:
        for color, of_page in COLORS.items():
            style = style.replace(color, of_page)
        attributes["style"] = _FONT.sub("var(--sans)", style)
