"""The thirteen sets as arrays of windows, from the files that `data/README.md` describes."""

# W windows, C channels, T samples, K tags

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import mne
import numpy as np
import numpy.typing as npt
from scipy.signal import butter, resample_poly, sosfiltfilt

__all__ = ["SETS", "Problem", "load", "windows_of"]

Array = npt.NDArray[Any]
HAR_CHANNELS = tuple(
    f"{kind}_{axis}" for kind in ("body_acc", "body_gyro", "total_acc") for axis in "xyz"
)
STAGES = ("W", "S1", "S2", "SWS", "REM")
RHYTHMS = {"N": "normal", "A": "fibrillation", "O": "other", "~": "noisy"}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Windows with what is to be said of them, and whose they are."""

    x: Array
    """(W, C, T) float32, in `units`; NaN is missing."""
    y: Array
    """(W,) class numbers, or (W, K) tags of 0 and 1."""
    subject: Array
    """(W,) text: what training and test never share; of one person, a session or a run."""
    record: Array
    """(W,) text: the windows of one record vote together."""
    sfreq: float
    ch_names: tuple[str, ...]
    units: tuple[str, ...]
    label_names: tuple[str, ...]
    task: str = "classes"
    """``"classes"`` or ``"multilabel"``."""
    part: Array | None = None
    """(W,) ``"train"`` or ``"test"``; None before :func:`load` has put it there."""

    def chosen(self, rows: Array) -> Problem:
        """Some of the windows."""
        per_window = {
            name: getattr(self, name)[rows]
            for name in ("x", "y", "subject", "record", "part")
            if getattr(self, name) is not None
        }
        return replace(self, **per_window)


def load(name: str, data: Path, test: Path | None = None) -> Problem:
    """A set's windows; those of a test file, or of the set's own official test part, as such.

    Parameters
    ----------
    name
        One of :data:`SETS`.
    data
        Folder that holds a folder of each set.
    test
        File of the layout of the set's own, or a folder of such files (of ``eegmmidb_s001`` the
        folder of the EDF files), to be tested on; all of the set's own then trains. Of
        ``muse_p300`` the windows of people without a training session are left out, with a warning.

    Raises
    ------
    ValueError
        If the set is unknown or a file is missing or of another set.
    """
    if name not in SETS:
        raise ValueError(f"No set is called {name!r}; there are {', '.join(SETS)}.")
    files, make, official = SETS[name]
    own = [windows_of(name, data / file, make) for file in files]
    parts = [replace(one, part=np.full(len(one.x), "train")) for one in own]
    if test is None and official is not None:
        test = data / official
    for file in [] if test is None else _test_files(name, test):
        one = windows_of(name, file, make)
        parts.append(replace(one, part=np.full(len(one.x), "test")))
    problem = _joined(parts)
    return _of_known_people(problem) if name == "muse_p300" else problem


def _test_files(name: str, test: Path) -> list[Path]:
    if name == "eegmmidb_s001" or not test.is_dir():
        return [test]
    files = sorted(test.glob("*.npz"))
    if not files:
        raise ValueError(f"{name}: {test} holds no .npz file. Give a file of the set's layout.")
    return files


def _of_known_people(problem: Problem) -> Problem:
    """Without test windows of people who have no training session: no model of one fits another."""
    assert problem.part is not None
    person = np.array([who.split("_")[0] for who in problem.subject])
    known = np.isin(person, person[problem.part == "train"])
    if known[problem.part == "test"].sum() == 0:
        return problem
    others = np.unique(person[~known])
    if len(others):
        warnings.warn(
            f"muse_p300: {(~known).sum()} test windows of {', '.join(others)} are left out, who "
            "have no training session.",
            stacklevel=3,
        )
    return problem.chosen(np.flatnonzero(known))


def windows_of(name: str, file: Path, make: Callable[[Path], Problem]) -> Problem:
    """The windows of one file of a set."""
    if not file.exists():
        raise ValueError(f"{name}: {file} does not exist. Give the folder of the data by --data.")
    try:
        return make(file)
    except (KeyError, OSError, IndexError) as error:
        raise ValueError(f"{name}: {file} is not of the set's layout ({error}).") from error


def _joined(parts: Sequence[Problem]) -> Problem:
    first = parts[0]
    for other in parts[1:]:
        same = ("sfreq", "ch_names", "units", "label_names", "task")
        differing = [key for key in same if getattr(first, key) != getattr(other, key)]
        if differing or first.x.shape[1:] != other.x.shape[1:]:
            raise ValueError(f"The files differ in {', '.join(differing) or 'length of windows'}.")
    each = {}
    for name in ("x", "y", "subject", "record", "part"):
        each[name] = np.concatenate([getattr(one, name) for one in parts])
    assert set(each) <= {field.name for field in fields(Problem)}
    return replace(first, **each)


def _cut(signal: Array, length: int, *, step: int | None = None) -> Array:
    """Windows of a (C, samples) signal from its beginning, whole ones only: (W, C, T)."""
    starts = range(0, signal.shape[1] - length + 1, step or length)
    if not len(starts):
        return np.empty((0, len(signal), length), np.float32)
    return np.stack([signal[:, start : start + length] for start in starts]).astype(np.float32)


def _resampled(signal: Array, sfreq: float, to: float) -> Array:
    """A (…, samples) signal at another rate, by SciPy's polyphase filter."""
    if sfreq == to:
        return signal
    common = math.gcd(round(sfreq), round(to))
    up, down = round(to) // common, round(sfreq) // common
    return np.asarray(resample_poly(signal, up, down, axis=-1, padtype="line"))


def _stacked(pieces: Iterable[tuple[Array, Any, str, str]], **about: Any) -> Problem:
    """A problem of (windows, label, subject, record) for each record."""
    x, y, subject, record = [], [], [], []
    for windows, label, who, which in pieces:
        labels = np.asarray(label)
        x.append(windows)
        y.append(labels if labels.ndim and len(labels) == len(windows) else [label] * len(windows))
        subject += [who] * len(windows)
        record += [which] * len(windows)
    return Problem(
        x=np.concatenate(x), y=np.concatenate(y).astype(np.int64),
        subject=np.array(subject), record=np.array(record), **about,
    )  # fmt: skip


def uci_har(file: Path) -> Problem:
    """Six activities from a phone at the waist: ready-made windows of 2.56 s."""
    with np.load(file) as a:
        subject = np.array([f"har{who:02d}" for who in a["subject"]])
        return Problem(
            x=a["X"], y=a["y"].astype(np.int64) - 1, subject=subject, record=subject,
            sfreq=50.0, ch_names=HAR_CHANNELS, units=tuple(map(str, a["units"])),
            label_names=tuple(str(name).lower() for name in a["label_names"]),
        )  # fmt: skip


def ptbxl(file: Path) -> Problem:
    """Five diagnostic superclasses of 12-lead ECGs, several each: windows of 10 s."""
    with np.load(file) as a:
        return Problem(
            x=(a["X"] * float(a["scale"])).astype(np.float32), y=a["superclass"].astype(np.int64),
            subject=np.array([f"patient{who}" for who in a["patient"]]),
            record=np.array([f"ecg{which}" for which in a["ecg_id"]]), task="multilabel",
            sfreq=100.0, ch_names=tuple(map(str, a["channels"])), units=("mV",) * 12,
            label_names=tuple(map(str, a["superclass_names"])),
        )  # fmt: skip


def cinc2017(file: Path) -> Problem:
    """Four rhythms of a one-lead ECG, records of 9 to 61 s: windows of 10 s at 100 Hz, 5 s apart.

    Nothing is known of the people: a record is a subject. A record shorter than a window is padded
    with missing samples.
    """
    names = list(RHYTHMS)
    with np.load(file) as a:
        pieces, ends = [], a["offsets"]
        signal = a["signal"] * float(a["scale"])
        for i, (record, label) in enumerate(zip(a["record"], a["label"], strict=True)):
            one = _resampled(signal[None, ends[i] : ends[i + 1]], 300, 100)
            if one.shape[1] < 1000:
                one = np.pad(one, ((0, 0), (0, 1000 - one.shape[1])), constant_values=np.nan)
            windows = _cut(one, 1000, step=500)
            pieces.append((windows, names.index(str(label)), str(record), str(record)))
        return _stacked(
            pieces, sfreq=100.0, ch_names=("ECG",), units=("mV",),
            label_names=tuple(RHYTHMS.values()),
        )  # fmt: skip


def eegmat(file: Path) -> Problem:
    """Rest or mental arithmetic: 19 scalp electrodes, windows of 10 s at 125 Hz."""
    with np.load(file) as a:
        values = _resampled(a["X"][:, :19] * a["scale"][:19, None], 250, 125)
        pieces = [
            (_cut(one, 1250), int(code), f"eegmat{who:02d}", f"eegmat{who:02d}_{code}")
            for one, code, who in zip(values, a["y"], a["subject"], strict=True)
        ]
        names = tuple(str(name).removeprefix("EEG ") for name in a["channels"][:19])
        return _stacked(
            pieces, sfreq=125.0, ch_names=names, units=("µV",) * 19,
            label_names=tuple(map(str, a["label_names"])),
        )  # fmt: skip


def ssvep(file: Path) -> Problem:
    """Rest, or looking at 13, 21 or 17 Hz: 8 occipital electrodes, trials of 4 s at 128 Hz.

    The unit of the files is not known; amplitudes are as stored.
    """
    with np.load(file) as a:
        values = _resampled(a["X"] * float(a["scale"]), 256, 128).astype(np.float32)
        return Problem(
            x=values, y=a["y"].astype(np.int64),
            subject=np.array([f"ssvep{who:02d}" for who in a["subject"]]),
            record=np.array([f"trial{i:04d}" for i in range(len(values))]),
            sfreq=128.0, ch_names=tuple(map(str, a["channels"])), units=("µV",) * 8,
            label_names=tuple(map(str, a["label_names"])),
        )  # fmt: skip


def alcohol(file: Path) -> Problem:
    """Alcoholic or control: 61 scalp electrodes, visual trials of 1 s at 128 Hz."""
    with np.load(file) as a:
        scalp = [i for i, name in enumerate(a["channels"]) if name not in ("X", "Y", "nd")]
        values = _resampled(a["X"][:, scalp] * float(a["scale"]), 256, 128).astype(np.float32)
        subject = np.array([f"smni_{who}" for who in a["subject"]])
        return Problem(
            x=values, y=a["y"].astype(np.int64), subject=subject, record=subject, sfreq=128.0,
            ch_names=tuple(str(name) for name in a["channels"][scalp]), units=("µV",) * len(scalp),
            label_names=tuple(map(str, a["label_names"])),
        )  # fmt: skip


def epilepsy_guinea(file: Path) -> Problem:
    """Epilepsy or control, resting EEG of a headset: windows of 10 s, average reference.

    Nearly all recordings of people with epilepsy are of one day: the day is confounded.
    """
    with np.load(file) as a:
        values = a["X"] * float(a["scale"])
        values -= values.mean(axis=2, keepdims=True)
        values -= values.mean(axis=1, keepdims=True)
        pieces = [
            (_cut(one, 1280), int(code), f"guinea{who:03d}", f"guinea{who:03d}")
            for one, code, who in zip(values, a["group"], a["subject"], strict=True)
        ]
        return _stacked(
            pieces, sfreq=128.0, ch_names=tuple(map(str, a["ch_names"])), units=("µV",) * 14,
            label_names=tuple(map(str, a["group_names"])),
        )  # fmt: skip


def chbmit_onsets(file: Path) -> Problem:
    """Seizure or the seconds before: 23 bipolar channels, windows of 2 s at 128 Hz."""
    with np.load(file) as a:
        values = a["X"] * float(a["scale"]) + float(a["offset"])
        values = _resampled(values, 256, 128)
        pieces = [
            (_cut(one, 256), int(code), str(who), str(segment))
            for one, code, who, segment in zip(
                values, a["y"], a["subject"], a["segment"], strict=True
            )
        ]
        return _stacked(
            pieces, sfreq=128.0, ch_names=tuple(map(str, a["ch_names"])), units=("µV",) * 23,
            label_names=("before", "seizure"),
        )  # fmt: skip


def dreams_spindles(file: Path) -> Problem:
    """Five stages of sleep from one central channel: windows of 30 s at 100 Hz."""
    with np.load(file) as a:
        pieces = []
        for who in a["subjects"]:
            signal = a[f"S{who}_signal"][None] * float(a["scale"])
            signal = _resampled(signal, float(a[f"S{who}_sfreq"]), 100)
            windows = _cut(signal, 3000)
            steps = a[f"S{who}_stage"][: 6 * len(windows)].reshape(-1, 6)
            windows = windows[: len(steps)]
            stages = [int(np.bincount(six, minlength=5).argmax()) for six in steps]
            pieces.append((windows, stages, f"dreams{who}", f"dreams{who}"))
        return _stacked(pieces, sfreq=100.0, ch_names=("CZ-A1",), units=("µV",), label_names=STAGES)


def eegmmidb(folder: Path) -> Problem:
    """Imagined movement of one person, four kinds: windows of 4 s from the cue, a run a subject."""
    kinds = {(4, "T1"): 0, (4, "T2"): 1, (6, "T1"): 2, (6, "T2"): 3}
    files = sorted(folder.glob("S001R*.edf")) if folder.is_dir() else [folder]
    if not files:
        raise OSError("no S001R*.edf in it")
    pieces = []
    for file in files:
        raw = mne.io.read_raw_edf(file, preload=True, verbose="error")
        run = int(file.stem[-2:])
        values = raw.get_data() * 1e6
        windows, labels = [], []
        for onset, kind in zip(raw.annotations.onset, raw.annotations.description, strict=True):
            start = round(onset * 160)
            if kind != "T0" and start + 640 <= values.shape[1]:
                windows.append(values[:, start : start + 640])
                labels.append(kinds[(4 if run in (4, 8, 12) else 6, str(kind))])
        pair = {4: 1, 6: 1, 8: 2, 10: 2}.get(run, 3)
        pieces.append(
            (np.stack(windows).astype(np.float32), labels, f"pair{pair}", f"run{run:02d}")
        )
    names = tuple(name.strip(".").upper() for name in raw.ch_names)
    return _stacked(
        pieces, sfreq=160.0, ch_names=names, units=("µV",) * len(names),
        label_names=("left fist", "right fist", "both fists", "both feet"),
    )  # fmt: skip


def muse_p300(file: Path) -> Problem:
    """Rare or common picture: four electrodes of a headset, 0.8 s from the picture at 128 Hz.

    A session of a person is a subject: people differ too much for a model of one to fit another.
    The recordings are filtered to 1 to 15 Hz before they are cut; windows in which a channel swings
    by more than 200 µV are left out, as artefacts.
    """
    with np.load(file) as a:
        pieces = []
        for i in range(int(a["n_records"])):
            signal = a[f"R{i:02d}_signal"][:4] * float(a["scale"])
            signal = sosfiltfilt(butter(2, (1, 15), "bandpass", fs=256, output="sos"), signal)
            signal = _resampled(signal, 256, 128)
            at = a[f"R{i:02d}_event_sample"] // 2
            kept = at + 102 <= signal.shape[1]
            if not kept.any():
                continue
            windows = np.stack([signal[:, s : s + 102] for s in at[kept]])
            calm = np.ptp(windows, axis=2).max(axis=1) < 200
            who = f"{a['subject'][i]}_{a['session'][i]}"
            labels = a[f"R{i:02d}_event_code"][kept][calm].astype(np.int64) - 1
            windows = windows[calm].astype(np.float32)
            pieces.append((windows, labels, who, f"{who}_{i:02d}"))
        return _stacked(
            pieces, sfreq=128.0, ch_names=tuple(map(str, a["ch_names"][:4])), units=("µV",) * 4,
            label_names=("non-target", "target"),
        )  # fmt: skip


def myo_emg(file: Path) -> Problem:
    """Seven gestures from eight electrodes around the forearm: windows of 1 s."""
    with np.load(file) as a:
        signal, ends, labels, who = a["signal"], a["offsets"], a["y"], a["subject"]
        pieces = [
            (_cut(signal[:, ends[i] : ends[i + 1]], 200), int(label), str(who[i]), f"record{i:04d}")
            for i, label in enumerate(labels)
        ]
        return _stacked(
            pieces, sfreq=200.0, ch_names=tuple(map(str, a["ch_names"])), units=("µV",) * 8,
            label_names=tuple(map(str, a["label_names"])),
        )  # fmt: skip


def stress_predict(file: Path) -> Problem:
    """Stress task or baseline from a wristband: windows of 30 s, all at 32 Hz.

    Pulse wave (64 Hz), acceleration (32 Hz), skin conductance and temperature (4 Hz). Windows in
    which the label changes are left out.
    """
    kinds, rate = ("bvp", "acc", "eda", "temp"), 32
    with np.load(file) as a:
        pieces = []
        for who in a["subjects"]:
            tag = f"S{who:02d}"
            rows = []
            for kind in kinds:
                signal = np.atleast_2d(a[f"{tag}_{kind}"]) * float(a[f"{kind}_scale"])
                rows.append(_resampled(signal, float(a[f"{kind}_sfreq"]), rate))
            labels = a[f"{tag}_label"]
            seconds = min(len(labels), *(one.shape[1] // rate for one in rows))
            first = int(np.argmax(labels >= 0))
            signal = np.concatenate([one[:, first * rate : seconds * rate] for one in rows])
            windows = _cut(signal, 30 * rate)
            each = labels[first : first + 30 * len(windows)].reshape(-1, 30)
            pure = (each == each[:, :1]).all(axis=1) & (each[:, 0] >= 0)
            pieces.append((windows[pure], each[pure, 0].astype(np.int64), tag, tag))
        return _stacked(
            pieces, sfreq=float(rate), units=("a.u.", "g", "g", "g", "µS", "°C"),
            ch_names=("bvp", "acc_x", "acc_y", "acc_z", "eda", "temp"),
            label_names=tuple(map(str, a["label_names"])),
        )  # fmt: skip


SETS: dict[str, tuple[tuple[str, ...], Callable[[Path], Problem], str | None]] = {
    "uci_har": (("uci_har/uci_har_train.npz",), uci_har, "uci_har/uci_har_test_part.npz"),
    "ptbxl": (("ptbxl/ptbxl100_dev.npz",), ptbxl, None),
    "cinc2017": (
        ("cinc2017/cinc2017_dev.npz", "cinc2017_more/cinc2017_more_dev.npz"), cinc2017, None,
    ),
    "eegmat": (("eegmat/eegmat_dev.npz",), eegmat, None),
    "ssvep": (("ssvep_exo/ssvep_exo_dev.npz",), ssvep, None),
    "alcohol": (("uci_eeg_alcohol/smni_dev.npz",), alcohol, None),
    "epilepsy_guinea": (("epilepsy_guinea/epilepsy_guinea_dev.npz",), epilepsy_guinea, None),
    "myo_emg": (("myo_emg/myo_emg_dev.npz",), myo_emg, None),
    "stress_predict": (("stress_predict/stress_predict_dev.npz",), stress_predict, None),
    "dreams_spindles": (("dreams_spindles/dreams_spindles_dev.npz",), dreams_spindles, None),
    "muse_p300": (("muse_p300/muse_p300_dev.npz",), muse_p300, None),
    "chbmit_onsets": (("chbmit_onsets/chbmit_onsets_dev.npz",), chbmit_onsets, None),
    "eegmmidb_s001": (("eegmmidb_s001",), eegmmidb, None),
}  # fmt: skip
"""Files of each set below the data folder, what reads one, and its official test part."""
