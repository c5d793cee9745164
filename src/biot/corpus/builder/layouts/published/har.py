"""UCI HAR: acceleration and turning rate of a telephone; also folders of tables of such signals.

Source: https://archive.ics.uci.edu/dataset/240 (Anguita et al., ESANN 2013). Licence: CC BY 4.0.
The files hold windows of 128 samples at 50 Hz, one a line, of all subjects of a part. Here the
windows of a subject are put together again where one begins with the second half of the one before:
cut as published, 2.56 s every 1.28 s, they are the same windows. Of a folder of tables, one a
person or more, the column ``label`` or ``activity`` (or that of ``--label-column``) is the label.
"""

from __future__ import annotations

import warnings
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from biot.corpus.builder.layouts.dataset import DatasetLayout, FoundRecording, in_samples
from biot.corpus.builder.sources import Source
from biot.corpus.builder.windows.events import Stretch
from biot.errors import RecordingError
from biot.errors import listed as listed_names
from biot.signals.recording import Recording

__all__ = ["LAYOUT"]

_CHANNELS = {f"{kind}_{axis}": unit for kind, unit in (
    ("body_acc", "g"), ("body_gyro", "rad/s"), ("total_acc", "g"),
) for axis in "xyz"}  # fmt: skip
_ACTIVITIES = (
    *("walking", "walking_upstairs", "walking_downstairs"),
    *("sitting", "standing", "laying"),
)
_LISTED = r"(?P<split>train|test)/subject_(?:train|test)\.txt"
_N_TIMES, _HOP, _SFREQ = 128, 64, 50.0


def _numbers(path: Path) -> npt.NDArray[np.float32]:
    try:
        return np.loadtxt(path, dtype=np.float32, ndmin=2)
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path.name}: is no table of numbers ({error}).") from None


_Part = tuple[npt.NDArray[np.float32], list[str], npt.NDArray[np.float32]]


@lru_cache(maxsize=2)
def _known_part(folder: Path, changed: int) -> _Part:
    """Windows (n, channels, 128), the activity of each, and its subject."""
    signals = [_numbers(f) for f in _files(folder) if f.parent != folder]
    names = dict(line.split() for line in _text(folder.parent / "activity_labels.txt"))
    labels = [names.get(code, code) for code in _text(folder / f"y_{folder.name}.txt")]
    subjects = _numbers(folder / f"subject_{folder.name}.txt").ravel()
    shapes = {signal.shape for signal in signals}
    if shapes != {(len(labels), _N_TIMES)} or len(subjects) != len(labels):
        raise RecordingError(
            f"{folder}: must hold as many lines of {_N_TIMES} numbers in each file as there are "
            f"labels and subjects, got {sorted(shapes)}, {len(labels)} and {len(subjects)}."
        )
    return np.stack(signals, axis=1), [label.lower() for label in labels], subjects


def _part(folder: Path) -> _Part:
    """The same, read again only when a file has changed."""
    return _known_part(folder, max(file.stat().st_mtime_ns for file in _files(folder)))


def _text(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _files(folder: Path) -> list[Path]:
    signals = [folder / "Inertial Signals" / f"{c}_{folder.name}.txt" for c in _CHANNELS]
    return [*signals, *(folder / f"{kind}_{folder.name}.txt" for kind in ("y", "subject"))]


def _needed(folder: Path) -> list[Path]:
    return [*_files(folder), folder.parent / "activity_labels.txt"]


def _sources(path: Path) -> list[Source]:
    """A recording for each subject of each part."""
    found = []
    for listed in sorted(path.glob("**/subject_t*.txt")):
        folder = listed.parent.absolute()
        signals = folder / "Inertial Signals"
        if listed.name != f"subject_{folder.name}.txt" or not signals.is_dir():
            continue
        lacking = [file.name for file in _needed(folder) if not file.is_file()]
        if lacking:
            warnings.warn(
                f"{folder} is left out: it has no {listed_names(lacking, 3)}, which each part of "
                "UCI HAR has.",
                stacklevel=2,
            )
            continue
        for number in sorted({int(text) for text in _text(listed)}):
            found.append(
                Source(
                    f"{folder.name}/subject{number:02d}", listed, partial(_read, folder, number),
                    tuple(_files(folder)),
                )
            )  # fmt: skip
    return found


def _onsets(windows: npt.NDArray[np.float32]) -> list[tuple[int, bool]]:
    """Where each window begins in the samples of its subject, and whether a segment begins there.

    A window that begins with the second half of the one before goes on where that is.
    """
    found, onset = [], 0
    for i, window in enumerate(windows):
        follows = i > 0 and np.array_equal(window[:, :_HOP], windows[i - 1][:, _HOP:])
        onset += 0 if i == 0 else _HOP if follows else _N_TIMES
        found.append((onset, not follows))
    return found


def _read(folder: Path, number: int) -> Recording:
    windows, _, subjects = _part(folder)
    own = windows[subjects == number]
    onsets = _onsets(own)
    data = np.empty((len(_CHANNELS), onsets[-1][0] + _N_TIMES), np.float32)
    for (onset, _), window in zip(onsets, own, strict=True):
        data[:, onset : onset + _N_TIMES] = window
    return Recording.from_array(
        data, ch_names=list(_CHANNELS), sfreq=_SFREQ, units=list(_CHANNELS.values()),
        starts=[onset for onset, begins in onsets if begins], path=folder / f"subject{number:02d}",
    )  # fmt: skip


def _activities(found: FoundRecording) -> list[Stretch]:
    if found.path.suffix != ".txt":
        return in_samples(found, ("label", "activity"))
    windows, labels, subjects = _part(found.path.absolute().parent)
    own = np.flatnonzero(subjects == int(found.name[-2:]))
    return [
        Stretch(onset / _SFREQ, _N_TIMES / _SFREQ, labels[i])
        for (onset, _), i in zip(_onsets(windows[own]), own, strict=True)
    ]


LAYOUT = DatasetLayout(
    name="har",
    title="UCI HAR, or tables of movement",
    expects="UCI HAR Dataset/{train,test}/Inertial Signals/body_acc_x_train.txt …, "
    "y_train.txt, subject_train.txt, activity_labels.txt; or P01.csv … with a column label or "
    "activity",
    licence="CC BY 4.0",
    recordings=rf"{_LISTED}|(?P<subject>[A-Za-z]*[-_ ]?\d+)[^/]*\.csv",
    recognised_by=_LISTED,
    sources=_sources,
    labels=_activities,
    label_names=_ACTIVITIES,
    settings={"sfreq": 50, "window": 2.56, "stride": 1.28, "search_tables": True},
)
