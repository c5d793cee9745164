"""BIOT, the biosignal transformer: recordings in, predictions out."""

from __future__ import annotations

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
