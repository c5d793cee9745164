"""Recordings in physical units, channels by name, and what is done to samples."""

from __future__ import annotations

from biot.signals.channels import PREST_16, PREST_18, canonical, kind
from biot.signals.montage import MontageEntry, MontagePlan, plan
from biot.signals.preprocess import q95_scale, resample, resampled
from biot.signals.readers import SUFFIXES, read_recording
from biot.signals.recording import Annotation, Recording

__all__ = [
    "PREST_16",
    "PREST_18",
    "SUFFIXES",
    "Annotation",
    "MontageEntry",
    "MontagePlan",
    "Recording",
    "canonical",
    "kind",
    "plan",
    "q95_scale",
    "read_recording",
    "resample",
    "resampled",
]
