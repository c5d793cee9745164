"""CHB-MIT: seizures, from the summary of each patient's folder.

Source: https://physionet.org/content/chbmit/1.0.0/ (Shoeb, MIT 2009). Licence: ODC-By 1.0. As in
the paper of BIOT: 200 Hz, 10 s, the 16 bipolar channels of the double banana. What is no seizure is
background. ``T8-P8`` is there twice, with equal samples; the first counts also where they differ.
``chb21`` is the same person as ``chb01``, 1.5 years later.
"""

from __future__ import annotations

from biot.corpus.builder.layouts.dataset import DatasetLayout, FoundRecording, beside
from biot.signals.channels import PREST_16

__all__ = ["LAYOUT"]

_SUMMARY = "{folder}-summary.txt"


def _subject(found: FoundRecording) -> str:
    return found.groups["folder"].replace("chb21", "chb01")


LAYOUT = DatasetLayout(
    name="chb-mit",
    title="CHB-MIT Scalp EEG Database",
    expects="chb01/chb01_01.edf …, chb01/chb01-summary.txt …",
    licence="ODC-By 1.0",
    recordings=r"(?P<folder>chb\d{2})[a-z]?_\d+\+?\.edf",
    needs=(_SUMMARY,),
    labels=beside(_SUMMARY),
    label_names=("background", "seizure"),
    subject=_subject,
    settings={
        "sfreq": 200,
        "window": 10,
        "background": "background",
        "channels": ",".join(PREST_16),
        "rename_channels": "T8-P8-0=T8-P8",
    },
)
