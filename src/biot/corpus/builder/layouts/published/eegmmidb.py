"""EEG Motor Movement/Imagery Dataset: fists and feet, from annotations T0, T1, T2 and the run.

Source: https://physionet.org/content/eegmmidb/1.0.0/ (Schalk et al., IEEE TBME 2004). Licence:
ODC-By 1.0. Runs 1 and 2 are at rest; T1 and T2 are left and right fist in runs 3, 4, 7, 8, 11, 12
(odd ones moved, even ones imagined), both fists and both feet in runs 5, 6, 9, 10, 13, 14. One
window of 4 s from each cue on, as usual; three subjects (S088, S092, S100) have other timings.
"""

from __future__ import annotations

from biot.corpus.builder.layouts.dataset import DatasetLayout, FoundRecording, annotated
from biot.corpus.builder.windows.events import Stretch

__all__ = ["LAYOUT"]

_REST = {"01": "eyes open", "02": "eyes closed"}
_ONE_SIDE = ("03", "04", "07", "08", "11", "12")


def _by_run(found: FoundRecording) -> list[Stretch]:
    run = found.groups["session"].removeprefix("R")
    tasks = ("left fist", "right fist") if run in _ONE_SIDE else ("both fists", "both feet")
    names = {"T0": _REST.get(run, "rest"), "T1": tasks[0], "T2": tasks[1]}
    return [
        note._replace(label=names.get(str(note.label), note.label)) for note in annotated(found)
    ]


LAYOUT = DatasetLayout(
    name="eegmmidb",
    title="EEG Motor Movement/Imagery Dataset",
    expects="S001/S001R01.edf … S109/S109R14.edf",
    licence="ODC-By 1.0",
    recordings=r"(?P<subject>S\d{3})(?P<session>R\d{2})\.edf",
    labels=_by_run,
    label_names=(
        *("left fist", "right fist", "both fists", "both feet"),
        *("rest", "eyes open", "eyes closed"),
    ),
    settings={"sfreq": 160, "window": 4, "align": "events"},
)
