"""MIT-BIH Arrhythmia: the class of each beat, from ``.atr`` beside the records.

Source: https://physionet.org/content/mitdb/1.0.0/ (Moody and Mark 2001). Licence: ODC-By 1.0.
Classes of AAMI EC57; windows of 1 s around each beat. Training and test records are DS1 and DS2 of
de Chazal et al., IEEE TBME 2004; the four records of paced patients belong to neither. Records 201
and 202 are of one person, who so is in both.
"""

from __future__ import annotations

from biot.corpus.builder.layouts.dataset import DatasetLayout, FoundRecording, annotated
from biot.corpus.builder.windows.events import Stretch

__all__ = ["LAYOUT"]

_DS1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230"
_DS2 = "100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234"
_PACED = "102 104 107 217"
_BEATS = "{record}.atr"
_SPLIT = dict.fromkeys(_DS1.split(), "train") | dict.fromkeys(_DS2.split(), "test")


def _beats(found: FoundRecording) -> list[Stretch]:
    found.require(_BEATS)
    return annotated(found)


def _subject(found: FoundRecording) -> str:
    return "201" if found.groups["record"] == "202" else found.groups["record"]


def _split(found: FoundRecording) -> str | None:
    return _SPLIT.get(found.groups["record"])


LAYOUT = DatasetLayout(
    name="mit-bih",
    title="MIT-BIH Arrhythmia Database",
    expects="100.hea + .dat + .atr … 234.hea + .dat + .atr",
    licence="ODC-By 1.0",
    recordings=rf"(?P<record>{'|'.join((*_SPLIT, *_PACED.split()))})\.hea",
    needs=(_BEATS,),
    labels=_beats,
    label_names=("N", "S", "V", "F", "Q"),
    subject=_subject,
    split=_split,
    settings={
        "sfreq": 360,
        "epoch": (-0.5, 0.5),
        "label_map": "aami",
    },
)
