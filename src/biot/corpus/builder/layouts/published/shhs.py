"""SHHS, the Sleep Heart Health Study: stages of sleep, from the XML files of NSRR.

Source: https://sleepdata.org/datasets/shhs (Quan et al., Sleep 1997; Zhang et al., JAMIA 2018).
Licence: after request, not to be passed on. The two EEG derivations and 30 s, as in the paper of
BIOT, at 125 Hz as recorded. Stages 3 and 4 are N3; what was not scored is left out.
"""

from __future__ import annotations

from biot.corpus.builder.layouts.dataset import DatasetLayout, beside

__all__ = ["LAYOUT"]

_XML = "*annotations-events-nsrr/{visit}/{stem}-nsrr.xml|{stem}-nsrr.xml"

LAYOUT = DatasetLayout(
    name="shhs",
    title="Sleep Heart Health Study (NSRR)",
    expects="polysomnography/edfs/shhs1/shhs1-200001.edf …, "
    "polysomnography/annotations-events-nsrr/shhs1/shhs1-200001-nsrr.xml …",
    licence="after request, not to be passed on",
    recordings=r"(?P<stem>(?P<visit>(?P<session>shhs[12]))-(?P<subject>\d{6}))\.edf",
    needs=(_XML,),
    labels=beside(_XML),
    label_names=("W", "N1", "N2", "N3", "R"),
    settings={
        "sfreq": 125,
        "window": 30,
        "channels": "C3-A2,C4-A1",
        "rename_channels": "EEG(sec)=C3-A2,EEG (sec)=C3-A2,EEG sec=C3-A2,EEG2=C3-A2,EEG=C4-A1",
        "label_map": "Wake=W,Stage 1 sleep=N1,Stage 2 sleep=N2,Stage 3 sleep,"
        "Stage 4 sleep=N3,REM sleep=R,Unscored=,Movement=",
    },
)
