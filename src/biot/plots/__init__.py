"""Figures from plain arrays."""

from biot.plots.base import require_figures, save_png
from biot.plots.classes import confusion, corpus_overview
from biot.plots.runs import curves, groups, pretraining
from biot.plots.timeline import timeline

__all__ = [
    "confusion",
    "corpus_overview",
    "curves",
    "groups",
    "pretraining",
    "require_figures",
    "save_png",
    "timeline",
]
