"""Recordings in physical units, channels by name, and what is done to samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biot.lazy import attach

if TYPE_CHECKING:
    from biot.signals.channels import PREST_16, PREST_18, canonical, kind
    from biot.signals.filters import filtered
    from biot.signals.formats.bids import participants
    from biot.signals.formats.braindecode import from_braindecode
    from biot.signals.formats.files import SUFFIXES, recordings_in
    from biot.signals.formats.mne import from_mne
    from biot.signals.montage import MontageEntry, MontagePlan, plan
    from biot.signals.readers import read_recording
    from biot.signals.recording import Annotation, Recording
    from biot.signals.resampling import resample, resampled
    from biot.signals.scale import q95_scale
    from biot.signals.summary import overview

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

__getattr__, __dir__ = attach(
    __name__,
    {
        "Annotation": "biot.signals.recording",
        "MontageEntry": "biot.signals.montage",
        "MontagePlan": "biot.signals.montage",
        "PREST_16": "biot.signals.channels",
        "PREST_18": "biot.signals.channels",
        "Recording": "biot.signals.recording",
        "SUFFIXES": "biot.signals.formats.files",
        "canonical": "biot.signals.channels",
        "filtered": "biot.signals.filters",
        "from_braindecode": "biot.signals.formats.braindecode",
        "from_mne": "biot.signals.formats.mne",
        "kind": "biot.signals.channels",
        "overview": "biot.signals.summary",
        "participants": "biot.signals.formats.bids",
        "plan": "biot.signals.montage",
        "q95_scale": "biot.signals.scale",
        "read_recording": "biot.signals.readers",
        "recordings_in": "biot.signals.formats.files",
        "resample": "biot.signals.resampling",
        "resampled": "biot.signals.resampling",
    },
)
