"""TUAB, the TUH Abnormal EEG Corpus: each recording is normal or abnormal.

Source: https://isip.piconepress.com/projects/nedc/html/tuh_eeg/ (v2 and v3; Lopez et al., IEEE SPMB
2015). Licence: free after registration; not to be passed on. Rate and window as in the paper of
BIOT (Yang et al., NeurIPS 2023): 200 Hz, 10 s; the electrodes are those of the 10-20 system.
"""

from __future__ import annotations

from biot.corpus.builder.layouts.dataset import DatasetLayout, FoundRecording, whole
from biot.corpus.builder.windows.events import Stretch

__all__ = ["ELECTRODES", "LAYOUT"]

ELECTRODES = "Fp1,Fp2,F7,F3,Fz,F4,F8,T3,C3,Cz,C4,T4,T5,P3,Pz,P4,T6,O1,O2,A1,A2"


def _of_folder(found: FoundRecording) -> list[Stretch]:
    return [whole(found.groups["label"])]


LAYOUT = DatasetLayout(
    name="tuab",
    title="TUH Abnormal EEG Corpus",
    expects="edf/{train,eval}/{normal,abnormal}/01_tcp_ar/…/aaaaaaaa_s001_t000.edf",
    licence="after registration, not to be passed on",
    recordings=r"(?P<split>train|eval)/(?P<label>normal|abnormal)/(?:[^/]+/)*"
    r"(?P<subject>[a-z]{8}|\d{8})_(?P<session>s\d{3})_t\d{3}\.edf",
    labels=_of_folder,
    label_names=("normal", "abnormal"),
    settings={"sfreq": 200, "window": 10, "channels": ELECTRODES},
)
