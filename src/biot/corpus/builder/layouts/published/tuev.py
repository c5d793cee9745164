"""TUEV, the TUH EEG Events Corpus: six kinds of events, from ``.rec`` beside recordings.

Source: https://isip.piconepress.com/projects/nedc/html/tuh_eeg/ (v2; Harati et al., IEEE SPMB
2015). Licence: free after registration; not to be passed on. As in the paper of BIOT: 200 Hz, and
5 s of which the event is the third, its 1 s from 2 s on. An event on several channels at the same
time counts once; the authors of BIOT take one window for each channel.
"""

from __future__ import annotations

import csv

from biot.corpus.builder.layouts.dataset import DatasetLayout, FoundRecording
from biot.corpus.builder.layouts.published.tuab import ELECTRODES
from biot.corpus.builder.windows.events import Stretch

__all__ = ["LAYOUT"]

_EVENTS = {1: "spsw", 2: "gped", 3: "pled", 4: "eyem", 5: "artf", 6: "bckg"}


def _each_second(found: FoundRecording) -> list[Stretch]:
    with found.require("{stem}.rec").open(encoding="utf-8", newline="") as file:
        rows = [tuple(map(float, row[1:])) for row in csv.reader(file) if row]
    return [
        Stretch(start, stop - start, _EVENTS[int(code)]) for start, stop, code in sorted({*rows})
    ]


LAYOUT = DatasetLayout(
    name="tuev",
    title="TUH EEG Events Corpus",
    expects="edf/train/aaaaaaar/aaaaaaar_00000001.edf + .rec, edf/eval/000/bckg_000_a_.edf + .rec",
    licence="after registration, not to be passed on",
    recordings=r"(?P<split>train|eval)/(?P<subject>[^/]+)/"
    r"(?P<stem>[a-z0-9]{8}_0{5}\d{3}|(?:bckg|gped|pled|spsw|eyem|artf)_\d{3}_[a-z]_[^/]*)\.edf",
    needs=("{stem}.rec",),
    labels=_each_second,
    label_names=tuple(_EVENTS.values()),
    settings={"sfreq": 200, "epoch": (-2, 3), "channels": ELECTRODES},
)
