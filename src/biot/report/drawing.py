"""Figures of matplotlib as SVG in a page: text stays text, colours follow the page's."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from biot import plots
from biot.report.parts import Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["drawn"]

_PAGE_COLOURS = {
    "#000000": "currentColor",
    "#ffffff": "var(--paper)",
    plots.LIGHT.lower(): "var(--line)",
    plots.GREY.lower(): "var(--muted)",
}
"""Of lines and areas that are no data: light where the page is dark."""
_POINTER = re.compile(r"url\(#([^)]*)\)")
_numbers = count(1)


def drawn(draw: Callable[[], Figure], *, caption: str, alt: str) -> Drawing:
    """A figure of matplotlib as a figure of the page.

    Parameters
    ----------
    draw
        Makes it.
    caption
        What stands below it.
    alt
        What it shows, for those who cannot see it.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    ConfigError
        If matplotlib cannot draw it.
    """
    root = ElementTree.fromstring(plots.svg_text(draw()))
    prefix = f"g{next(_numbers)}-"
    pointed = set(_POINTER.findall(ElementTree.tostring(root, encoding="unicode")))
    pointed |= {
        value[1:]
        for element in root.iter()
        for name, value in element.attrib.items()
        if name.endswith("href") and value.startswith("#")
    }
    for parent in root.iter():
        for child in list(parent):
            if _plain(child.tag) in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        _adapt(element, prefix, pointed)
    width = float(root.attrib.pop("width").removesuffix("pt"))
    root.attrib.pop("height")
    root.set("role", "img")
    root.set("aria-label", alt)
    svg = ElementTree.tostring(root, encoding="unicode")
    return Drawing(caption=caption, alt=alt, svg=svg, width=round(width / 0.75))


def _plain(name: str) -> str:
    """The name of an element or attribute without its namespace, as HTML has it."""
    return name.rpartition("}")[2]


def _adapt(element: ElementTree.Element, prefix: str, pointed: set[str]) -> None:
    """Names that are unique in the page, no namespaces, and the page's colours."""
    element.tag = _plain(element.tag)
    attributes = {_plain(name): value for name, value in element.attrib.items()}
    element.attrib.clear()
    for name, value in attributes.items():
        if name == "id":
            if value in pointed:
                element.set(name, prefix + value)
        elif name == "href" and value.startswith("#"):
            element.set(name, f"#{prefix}{value[1:]}")
        elif name == "style":
            element.set(name, _of_page(value, is_text=element.tag == "text"))
        elif name != "space":
            element.set(name, _POINTER.sub(rf"url(#{prefix}\1)", value))


def _of_page(style: str, *, is_text: bool) -> str:
    """A style with the page's colours; white text stands on a dark area and stays white."""
    for ours, of_page in _PAGE_COLOURS.items():
        if not (is_text and ours == "#ffffff"):
            style = style.replace(ours, of_page)
    return style
