"""The real recordings of the shared data as files that `biot prepare` takes, and as corpora."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.corpus import from_arrays, prepare

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
HAR_CHANNELS = tuple(
    f"{kind}_{axis}" for kind in ("body_acc", "body_gyro", "total_acc") for axis in "xyz"
)
HAR_UNITS = ("g",) * 3 + ("rad/s",) * 3 + ("g",) * 3
ACTIVITIES = ("walking", "upstairs", "downstairs", "sitting", "standing", "laying")
SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")

Rows = list[dict[str, Any]]


def save_recording(
    folder: Path,
    name: str,
    data: npt.NDArray[Any],
    ch_names: Sequence[str],
    sfreq: float,
    units: str | Sequence[str],
) -> str:
    """One recording as a NumPy archive that `biot.signals.read_recording` opens; its file name."""
    folder.mkdir(parents=True, exist_ok=True)
    units = [units] * len(ch_names) if isinstance(units, str) else list(units)
    np.savez(
        folder / f"{name}.npz",
        data=data.astype(np.float32),
        ch_names=np.array(ch_names),
        sfreq=sfreq,
        units=np.array(units),
    )
    return f"{name}.npz"


def save_table(path: Path, rows: Rows) -> Path:
    """A table of labels."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    return path


def archives(folder: Path) -> list[Path]:
    """The recordings of a folder, which must be named since archives may hold anything."""
    return sorted(folder.glob("*.npz"))


def eegmat(data: Path, work: Path, out: Path, *, sfreq: float = 200.0, window: float = 10.0) -> Any:
    """Rest or mental arithmetic: 19 scalp electrodes, 40 s each."""
    files, rows = work / "eegmat", []
    with np.load(data / "eegmat" / "eegmat_dev.npz") as arrays:
        values = arrays["X"][:, :19] * arrays["scale"][:19, None]
        names = arrays["channels"][:19].tolist()
        for i, (code, subject) in enumerate(zip(arrays["y"], arrays["subject"], strict=True)):
            name = f"s{subject:02d}_{arrays['label_names'][code]}"
            file = save_recording(files, name, values[i], names, 250.0, "µV")
            label = str(arrays["label_names"][code])
            rows.append({"file": file, "label": label, "subject": f"eegmat{subject:02d}"})
    table = save_table(files / "labels.tsv", rows)
    return prepare(archives(files), out, sfreq=sfreq, window=window, labels=table)


def ssvep(data: Path, work: Path, out: Path, *, sfreq: float = 200.0, window: float = 4.0) -> Any:
    """Rest, or looking at 13, 21 or 17 Hz: 8 occipital electrodes, one file a trial."""
    files, rows = work / "ssvep", []
    with np.load(data / "ssvep_exo" / "ssvep_exo_dev.npz") as arrays:
        values = arrays["X"] * float(arrays["scale"])
        names, classes = arrays["channels"].tolist(), arrays["label_names"]
        for i, (code, subject) in enumerate(zip(arrays["y"], arrays["subject"], strict=True)):
            file = save_recording(files, f"trial{i:03d}", values[i], names, 256.0, "µV")
            label, who = str(classes[code]), f"ssvep{subject}"
            rows.append({"file": file, "label": label, "subject": who})
    table = save_table(files / "labels.tsv", rows)
    return prepare(archives(files), out, sfreq=sfreq, window=window, labels=table)


def ssvep_edf(data: Path, work: Path, out: Path) -> Any:
    """The original recording with its events as annotations, as EDF+."""
    file = data / "readers" / "edf" / "ssvep_subject03_events.edf"
    return prepare([file], out, sfreq=256, window=4, labels="annotations", align="events")


def ssvep_fif(data: Path, work: Path, out: Path) -> Any:
    """An original recording as FIF, whose volts are not credible; a warning says so."""
    file = data / "readers" / "fif" / "ssvep_subject07_2012.07.18-09.21.13_raw.fif"
    return prepare([file], out, sfreq=256, window=4)


def alcohol(data: Path, work: Path, out: Path, *, sfreq: float = 200.0, window: float = 1.0) -> Any:
    """Alcoholic or control: 61 scalp electrodes, trials of a second."""
    files, rows = work / "alcohol", []
    with np.load(data / "uci_eeg_alcohol" / "smni_dev.npz") as arrays:
        scalp = [i for i, name in enumerate(arrays["channels"]) if name not in ("X", "Y", "nd")]
        values = arrays["X"][:, scalp] * float(arrays["scale"])
        names, classes = arrays["channels"][scalp].tolist(), arrays["label_names"]
        for i, (code, subject) in enumerate(zip(arrays["y"], arrays["subject"], strict=True)):
            file = save_recording(files, f"trial{i:03d}", values[i], names, 256.0, "µV")
            rows.append({"file": file, "label": str(classes[code]), "subject": str(subject)})
    table = save_table(files / "labels.tsv", rows)
    return prepare(archives(files), out, sfreq=sfreq, window=window, labels=table)


def ptbxl500(data: Path, work: Path, out: Path) -> Any:
    """Twelve 12-lead ECGs as original WFDB files at 500 Hz, without labels."""
    return prepare([data / "ptbxl" / "records500"], out, sfreq=200, window=10)


def ptbxl100(data: Path, work: Path, out: Path) -> Any:
    """350 12-lead ECGs with several diagnostic superclasses each."""
    with np.load(data / "ptbxl" / "ptbxl100_dev.npz") as arrays:
        return from_arrays(
            arrays["X"] * float(arrays["scale"]),
            arrays["superclass"],
            subject=arrays["patient"],
            sfreq=100.0,
            ch_names=arrays["channels"].tolist(),
            units="mV",
            label_names=SUPERCLASSES,
            task="multilabel",
            out=out,
        )


def cinc2017(data: Path, work: Path, out: Path) -> Any:
    """One-lead ECGs of 9 to 60 s, four rhythms; the last window of a record may be short."""
    files, rows = work / "cinc2017", []
    names = {"N": "normal", "A": "fibrillation", "O": "other", "~": "noisy"}
    with np.load(data / "cinc2017" / "cinc2017_dev.npz") as arrays:
        values, ends = arrays["signal"] * float(arrays["scale"]), arrays["offsets"]
        for i, (record, code) in enumerate(zip(arrays["record"], arrays["label"], strict=True)):
            signal = values[None, ends[i] : ends[i + 1]]
            file = save_recording(files, str(record), signal, ["ECG"], 300.0, "mV")
            rows.append({"file": file, "label": names[str(code)]})
    table = save_table(files / "labels.tsv", rows)
    return prepare(archives(files), out, sfreq=200, window=10, labels=table, keep_short=True)


def mitdb(data: Path, work: Path, out: Path) -> Any:
    """Beats of two-lead ECGs: windows of 0.7 s around each, with its AAMI class."""
    files, rows = work / "mitdb", []
    with np.load(data / "mitdb" / "mitdb_dev.npz") as arrays:
        sfreq, scale = float(arrays["sfreq"]), float(arrays["scale"])
        for record in map(str, arrays["records"]):
            signal, leads = arrays[f"{record}_signal"], arrays[f"{record}_leads"].tolist()
            file = save_recording(files, record, signal * scale, leads, sfreq, "mV")
            beats = zip(arrays[f"{record}_beat_sample"], arrays[f"{record}_beat_aami"], strict=True)
            for sample, kind in beats:
                onset = sample / sfreq - 0.35
                if onset >= 0:
                    rows.append({"file": file, "label": str(kind), "onset": onset, "duration": 0.7})
    table = save_table(files / "labels.tsv", rows)
    return prepare(archives(files), out, sfreq=200, window=0.7, labels=table, align="events")


def hapt(data: Path, work: Path, out: Path, *, labelled: bool = True) -> Any:
    """Continuous accelerometer and gyroscope streams with labelled stretches, 50 Hz."""
    files, rows = work / "hapt", []
    with np.load(data / "hapt_raw" / "hapt_raw_dev.npz") as arrays:
        scale, names = arrays["scale"], arrays["channels"].tolist()
        file_of = {}
        for key in (name for name in arrays.files if name.startswith("exp")):
            signal = (arrays[key] * scale).T
            units = arrays["units"].tolist()
            file_of[int(key[3:5])] = save_recording(files, key, signal, names, 50.0, units)
        for experiment, user, activity, first, last in arrays["labels"].tolist():
            rows.append(
                {
                    "file": file_of[experiment],
                    "label": str(arrays["activity_names"][activity - 1]),
                    "subject": f"hapt{user:02d}",
                    "onset": (first - 1) / 50,
                    "duration": (last - first + 1) / 50,
                }
            )
    table: Path | str = save_table(files / "labels.tsv", rows) if labelled else "none"
    return prepare(
        archives(files), out, sfreq=50, window=2.56, stride=1.28, labels=table, scale="none",
        subject=None if labelled else r"(user\d+)",
    )  # fmt: skip


def har(data: Path, work: Path, out: Path, *, part: str = "train", labelled: bool = True) -> Any:
    """Windows of six activities; physical units are kept, since gravity says the pose."""
    with np.load(data / "uci_har" / f"uci_har_{part}.npz") as arrays:
        return from_arrays(
            arrays["X"],
            arrays["y"] if labelled else None,
            subject=arrays["subject"],
            sfreq=50.0,
            ch_names=HAR_CHANNELS,
            units=HAR_UNITS,
            label_names=dict(enumerate(ACTIVITIES, start=1)) if labelled else None,
            scale="none",
            out=out,
        )


MAKERS: dict[str, Callable[[Path, Path, Path], Any]] = {
    "eegmat": eegmat,
    "ssvep": ssvep,
    "ssvep_edf": ssvep_edf,
    "ssvep_fif": ssvep_fif,
    "alcohol": alcohol,
    "ptbxl500": ptbxl500,
    "ptbxl100": ptbxl100,
    "cinc2017": cinc2017,
    "mitdb": mitdb,
    "hapt": hapt,
    "har": har,
}


def make(names: Iterable[str], data: Path, work: Path) -> dict[str, Path]:
    """Prepare some of the data sets; the folder of each."""
    folders = {}
    for name in names:
        out = work / "corpora" / name
        MAKERS[name](data, work / "recordings", out)
        folders[name] = out
    return folders
