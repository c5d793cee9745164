"""Recordings in physical units, channels by name, and what is done to samples."""

from __future__ import annotations

from biot.signals.bids import participants
from biot.signals.braindecode_datasets import from_braindecode
from biot.signals.channels import PREST_16, PREST_18, canonical, kind
from biot.signals.filters import filtered
from biot.signals.folders import SUFFIXES, recordings_in
from biot.signals.mne_objects import from_mne
from biot.signals.montage import MontageEntry, MontagePlan, plan
from biot.signals.overview import overview
from biot.signals.preprocess import q95_scale, resample, resampled
from biot.signals.readers import read_recording
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
    "filtered",
    "from_braindecode",
    "from_mne",
    "kind",
    "overview",
    "participants",
    "plan",
    "q95_scale",
    "read_recording",
    "recordings_in",
    "resample",
    "resampled",
]
