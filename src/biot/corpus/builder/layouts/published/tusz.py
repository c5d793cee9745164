"""TUSZ, the TUH EEG Seizure Corpus: seizures and background, from ``.csv_bi`` beside recordings.

Source: https://isip.piconepress.com/projects/nedc/html/tuh_eeg/ (v2; Shah et al., Front.
Neuroinform. 2018). Licence: free after registration; not to be passed on. Rate as in TUAB; windows
of 10 s. Types of seizures stand in ``.csv``: ``--labels sidecars --sidecar .csv``.
"""

from __future__ import annotations

from biot.corpus.builder.layouts.dataset import DatasetLayout, beside
from biot.corpus.builder.layouts.published.tuab import ELECTRODES

__all__ = ["LAYOUT"]

LAYOUT = DatasetLayout(
    name="tusz",
    title="TUH EEG Seizure Corpus",
    expects="edf/{train,dev,eval}/aaaaaaac/s001_2002/02_tcp_le/aaaaaaac_s001_t000.edf + .csv_bi",
    licence="after registration, not to be passed on",
    recordings=r"(?P<split>train|dev|eval)/(?:[^/]+/)*"
    r"(?P<stem>(?P<subject>[a-z]{8}|\d{8})_(?P<session>s\d{3})_t\d{3})\.edf",
    needs=("{stem}.csv_bi",),
    labels=beside("{stem}.csv_bi"),
    label_names=("bckg", "seiz"),
    settings={"sfreq": 200, "window": 10, "channels": ELECTRODES},
)
