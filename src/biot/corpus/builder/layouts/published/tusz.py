"""TUSZ, the TUH EEG Seizure Corpus: seizures and background, from ``.csv_bi`` beside recordings.

Source: https://isip.piconepress.com/projects/nedc/html/tuh_eeg/ (v2; Shah et al., Front.
Neuroinform. 2018). Licence: free after registration; not to be passed on. Rate as in TUAB; windows
of 10 s. v1.5 has ``.tse_bi`` instead. Types of seizures stand in ``.csv`` or ``.tse``: ``--labels
sidecars --sidecar .csv``. Files that lie in no folder of a part belong to none.
"""

from __future__ import annotations

from biot.corpus.builder.layouts.dataset import DatasetLayout, beside
from biot.corpus.builder.layouts.published.tuab import ELECTRODES

__all__ = ["LAYOUT"]

_BI = "{stem}.csv_bi|{stem}.tse_bi"
_NAME = r"(?P<stem>(?P<subject>[a-z]{8}|\d{8})_(?P<session>s\d{3})_t\d{3})\.edf"
_OF_PART = r"(?P<split>train|dev|eval)/(?:[^/]+/)*"

LAYOUT = DatasetLayout(
    name="tusz",
    title="TUH EEG Seizure Corpus",
    expects="edf/{train,dev,eval}/aaaaaaac/s001_2002/02_tcp_le/aaaaaaac_s001_t000.edf + .csv_bi "
    "(v1.5: .tse_bi)",
    licence="after registration, not to be passed on",
    recordings=f"(?:{_OF_PART})?{_NAME}",
    recognised_by=_OF_PART + _NAME,
    needs=(_BI,),
    labels=beside(_BI),
    label_names=("bckg", "seiz"),
    settings={"sfreq": 200, "window": 10, "channels": ELECTRODES},
)
