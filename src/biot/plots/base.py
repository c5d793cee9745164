"""What every figure is made with: an empty figure, colours, a plain frame, a whole file."""

from __future__ import annotations

import os
import uuid
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from biot.errors import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "GREY",
    "LIGHT",
    "colour",
    "new_figure",
    "plain_frame",
    "require_figures",
    "save_png",
]

# Eight hues that stay apart for colour-blind readers; more classes start over.
COLOURS = (
    "#3B6FB6", "#D9622B", "#2E9C77", "#B0488F", "#C79A1B", "#5A9BD4", "#8C5A3C", "#6B6F76",
)  # fmt: skip
GREY = "#6B6F76"
LIGHT = "#D5D8DC"


def require_figures() -> None:
    """Find out before the work, not after it, whether figures can be drawn.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    require("matplotlib.figure", extra="plots")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that many inches, apart from pyplot and its global state."""
    figure: Figure = require("matplotlib.figure", extra="plots").Figure(
        figsize=(width, height), layout="constrained"
    )
    return figure


def colour(index: int) -> str:
    """A colour of its own for each of a few things."""
    return COLOURS[index % len(COLOURS)]


def plain_frame(axes: Axes) -> None:
    """Only the left and lower frame, and a light grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=LIGHT, linewidth=0.6)
    axes.set_axisbelow(True)


def save_png(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG; the file appears whole or not at all.

    Parameters
    ----------
    figure
        What to write.
    path
        Where to; its folder must exist, an older file is replaced.

    Returns
    -------
    Path
        `path`.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with warnings.catch_warnings():
            # A label in a script that the font lacks shows as boxes: no reason to fail.
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            figure.savefig(temporary, format="png", dpi=150, metadata={"Software": None})
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
