"""TUEV, the TUH EEG Events Corpus: six kinds of events, from ``.rec`` beside recordings.

Source: https://isip.piconepress.com/projects/nedc/html/tuh_eeg/ (v2; Harati et al., IEEE SPMB
2015). Licence: free after registration; not to be passed on. As in the paper of BIOT: 200 Hz, and
5 s of which the event is the third, its 1 s from 2 s on. An event on several channels at the same
time counts once; the authors of BIOT take one window for each channel.
"""

from __future__ import annotations

from biot.corpus.builder.labels.sidecars.sidecar import Beside
from biot.corpus.builder.labels.sidecars.tuh import CODES, read_rec
from biot.corpus.builder.layouts.dataset import DatasetLayout, FoundRecording
from biot.corpus.builder.layouts.published.tuab import ELECTRODES
from biot.corpus.builder.windows.events import Stretch

__all__ = ["LAYOUT"]


def _events(found: FoundRecording) -> list[Stretch]:
    """The events of the file, those of several channels at the same time once."""
    events = read_rec(found.require("{stem}.rec"), Beside(found.path)).stretches
    return sorted(dict.fromkeys(events), key=lambda event: event[:2])


LAYOUT = DatasetLayout(
    name="tuev",
    title="TUH EEG Events Corpus",
    expects="edf/train/aaaaaaar/aaaaaaar_00000001.edf + .rec, edf/eval/000/bckg_000_a_.edf + .rec",
    licence="after registration, not to be passed on",
    recordings=r"(?P<split>train|eval)/(?P<subject>[^/]+)/"
    r"(?P<stem>[a-z0-9]{8}_0{5}\d{3}|(?:bckg|gped|pled|spsw|eyem|artf)_\d{3}_[a-z]_[^/]*)\.edf",
    needs=("{stem}.rec",),
    labels=_events,
    label_names=tuple(CODES.values()),
    settings={"sfreq": 200, "epoch": (-2, 3), "channels": ELECTRODES},
)
