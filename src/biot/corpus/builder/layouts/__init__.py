"""Layouts: what is known of published data sets, so that one command prepares them."""

from __future__ import annotations

from biot.corpus.builder.layouts.dataset import DatasetLayout, FoundRecording, whole
from biot.corpus.builder.layouts.registry import layout, layouts, register

__all__ = ["DatasetLayout", "FoundRecording", "layout", "layouts", "register", "whole"]
