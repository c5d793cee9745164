"""Sleep-EDF Expanded: stages of sleep, from the Hypnogram beside each PSG.

Source: https://physionet.org/content/sleep-edfx/1.0.0/ (Kemp et al., IEEE TBME 2000). Licence:
ODC-By 1.0. Stages of AASM: 3 and 4 are N3; movement and what was not scored are left out. Nothing
is cut off the hours awake before and after the night, as many papers do (30 min remain there).
The channels are those recorded at 100 Hz.
"""

from __future__ import annotations

from biot.corpus.builder.layouts.dataset import DatasetLayout, beside

__all__ = ["LAYOUT"]

_HYPNOGRAM = "{night}*-Hypnogram.edf"

LAYOUT = DatasetLayout(
    name="sleep-edf",
    title="Sleep-EDF Database Expanded",
    expects="sleep-cassette/SC4001E0-PSG.edf + SC4001EC-Hypnogram.edf … (or sleep-telemetry/ST7…)",
    licence="ODC-By 1.0",
    recordings=r"(?P<night>(?P<subject>S[CT][47]\d{2})(?P<session>\d))[A-Z]\w-PSG\.edf",
    needs=(_HYPNOGRAM,),
    labels=beside(_HYPNOGRAM),
    label_names=("W", "N1", "N2", "N3", "R"),
    settings={
        "sfreq": 100,
        "window": 30,
        "channels": "EEG Fpz-Cz,EEG Pz-Oz,EOG horizontal",
        "label_map": "Sleep stage W=W,Sleep stage 1=N1,Sleep stage 2=N2,Sleep stage 3,"
        "Sleep stage 4=N3,Sleep stage R=R,Sleep stage ?=,Movement time=",
    },
)
