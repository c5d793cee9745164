"""Siena Scalp EEG: seizures by the clock, in ``Seizures-list-PN00.txt`` beside the recordings.

Source: https://physionet.org/content/siena-scalp-eeg/1.0.0/ (Detti et al., Processes 2020).
Licence: CC BY 4.0. Rate, half of the recorded one, and windows of 10 s as in SzCORE (Dan et al.
2024), the usual benchmark.
"""

from __future__ import annotations

from biot.corpus.builder.layouts.dataset import DatasetLayout, beside

__all__ = ["LAYOUT"]

_LIST = "Seizures-list-{subject}.txt"

LAYOUT = DatasetLayout(
    name="siena",
    title="Siena Scalp EEG Database",
    expects="PN00/PN00-1.edf … PN17/PN17-2.edf, PN00/Seizures-list-PN00.txt …",
    licence="CC BY 4.0",
    recordings=r"(?P<subject>PN\d{2})(?:-[\d.]*)?\.edf",
    needs=(_LIST,),
    labels=beside(_LIST),
    label_names=("background", "seizure"),
    settings={"sfreq": 256, "window": 10, "background": "background", "channels": "eeg"},
)
