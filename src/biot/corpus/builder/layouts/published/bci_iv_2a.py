"""BCI Competition IV, data set 2a: imagined movement of left hand, right hand, feet, tongue.

Source: https://www.bbci.de/competition/iv/ (Tangermann et al., Front. Neurosci. 2012). Licence: for
research, with citation. One window of 4 s from each cue on; session T trains, E tests, as in the
competition. The cues of E are unknown (783) in the file; their classes are in ``classlabel`` of
``A01E.mat``, the true labels from the same site, which must lie beside.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from biot.corpus.builder.layouts.dataset import DatasetLayout, FoundRecording, annotated
from biot.corpus.builder.windows.events import Stretch
from biot.errors import RecordingError, counted, require

__all__ = ["LAYOUT"]

_CLASSES = {"769": "left hand", "770": "right hand", "771": "feet", "772": "tongue"}
_UNKNOWN = "783"
_ELECTRODES = (
    "EEG-0=FC3,EEG-1=FC1,EEG-2=FCz,EEG-3=FC2,EEG-4=FC4,EEG-5=C5,EEG-6=C1,EEG-7=C2,EEG-8=C6,"
    "EEG-9=CP3,EEG-10=CP1,EEG-11=CPz,EEG-12=CP2,EEG-13=CP4,EEG-14=P1,EEG-15=P2,EEG-16=POz"
)
"""Most channels are called EEG only; MNE numbers them."""
_MATS = ("{stem}.mat", "true_labels/{stem}.mat")


def _cues(found: FoundRecording) -> list[Stretch]:
    notes = [note._replace(label=_code(note)) for note in annotated(found)]
    cues = [note for note in notes if note.label in _CLASSES or note.label == _UNKNOWN]
    codes = [str(cue.label) for cue in cues]
    if _UNKNOWN in codes:
        codes = _of_mat(found, codes)
    return [Stretch(c.onset, 4.0, _CLASSES[code]) for c, code in zip(cues, codes, strict=True)]


def _code(note: Stretch) -> str:
    return re.sub(r"\.0$", "", str(note.label).strip())


def _of_mat(found: FoundRecording, codes: list[str]) -> list[str]:
    """The classes of session E, which lie in a file of their own."""
    mat = next(filter(None, map(found.nearest, _MATS)), None)
    if mat is None:
        raise RecordingError(
            f"{found.name}: its {counted(len(codes), 'cue is', 'cues are')} unknown (783), and no "
            f"{found.groups['stem']}.mat with the true labels lies beside it. Copy it there, or "
            "leave the file out."
        )
    classes = _classlabel(mat)
    if len(classes) != len(codes):
        raise RecordingError(
            f"{found.name}: has {counted(len(codes), 'cue')}, but {mat.name} has "
            f"{counted(len(classes), 'label')}."
        )
    return [str(768 + number) for number in classes]


def _classlabel(mat: Path) -> list[int]:
    matlab = require("scipy.io.matlab", extra="signals")
    faults = (
        matlab.MatReadError, zlib.error, OSError, ValueError, LookupError, TypeError,
        NotImplementedError,  # of MATLAB 7.3
    )  # fmt: skip
    try:
        content = matlab.loadmat(mat, variable_names=["classlabel"])
        classes = [int(number) for number in content["classlabel"].ravel()]
    except faults as error:
        raise RecordingError(f"{mat.name}: holds no classlabel ({error}).") from None
    if not set(classes) <= {1, 2, 3, 4}:
        raise RecordingError(f"{mat.name}: classlabel must be 1 to 4, got {sorted(set(classes))}.")
    return classes


def _split(found: FoundRecording) -> str:
    return "train" if found.groups["session"] == "T" else "test"


LAYOUT = DatasetLayout(
    name="bci-iv-2a",
    title="BCI Competition IV 2a",
    expects="A01T.gdf … A09E.gdf, for the test also A01E.mat … with the true labels",
    licence="for research, with citation",
    recordings=r"(?P<stem>(?P<subject>A0\d)(?P<session>[TE]))\.gdf",
    labels=_cues,
    label_names=tuple(_CLASSES.values()),
    split=_split,
    settings={
        "sfreq": 250,
        "window": 4,
        "align": "events",
        "rename_channels": _ELECTRODES,
        "drop_channels": "eog",
    },
)
