"""BIOT, the biosignal transformer: recordings in, predictions out."""

from __future__ import annotations

import importlib
from types import ModuleType

from biot.errors import BiotError
from biot.model import (
    BIOT,
    BIOTEncoder,
    ClassificationHead,
    LinearAttentionTransformer,
    PatchFrequencyEmbedding,
)
from biot.signals import Annotation, Recording, read_recording

__version__ = "0.1.0"

__all__ = [
    "BIOT",
    "Annotation",
    "BIOTEncoder",
    "BiotError",
    "ClassificationHead",
    "LinearAttentionTransformer",
    "PatchFrequencyEmbedding",
    "Recording",
    "__version__",
    "read_recording",
]

_ROOMS = ("corpus", "inference", "plots", "simulate", "training")


def __getattr__(name: str) -> ModuleType:
    """Import a room when it is first used, so that ``import biot`` stays fast."""
    if name in _ROOMS:
        return importlib.import_module(f"biot.{name}")
    raise AttributeError(f"module 'biot' has no attribute {name!r}")
