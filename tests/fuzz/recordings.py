"""Sound files of every format that is read, small enough that damage meets their headers."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["RECORDINGS"]

RATE, SECONDS, NAMES = 100, 4, ("Fp1", "C3")
DATA = np.random.default_rng(0).integers(-3000, 3000, (2, RATE * SECONDS)).astype(float) / 10
EVENTS = ((0.5, 0.5, "rest"), (2.0, 1.0, "move"))


def _edf(path: Path, *, plus: bool = True, discontinuous: bool = False) -> Path:
    import edfio

    kinds = (edfio.BdfSignal, edfio.Bdf, edfio.EdfAnnotation) if path.suffix == ".bdf" else (
        edfio.EdfSignal, edfio.Edf, edfio.EdfAnnotation)  # fmt: skip
    signal, whole, note = kinds
    signals = [
        signal(row, RATE, label=name, physical_dimension="uV", physical_range=(-400, 400))
        for name, row in zip(NAMES, DATA, strict=True)
    ]
    whole(signals, annotations=[note(*event) for event in EVENTS] if plus else None).write(path)
    if discontinuous:
        path.write_bytes(path.read_bytes().replace(b"EDF+C", b"EDF+D", 1))
    return path


def edf(folder: Path) -> Path:
    return _edf(folder / "made.edf", plus=False)


def edf_plus(folder: Path) -> Path:
    return _edf(folder / "made.edf")


def edf_with_gaps(folder: Path) -> Path:
    return _edf(folder / "made.edf", discontinuous=True)


def bdf(folder: Path) -> Path:
    return _edf(folder / "made.bdf")


def brainvision(folder: Path) -> None:
    channels = "".join(f"Ch{i + 1}={name},,0.1,µV\n" for i, name in enumerate(NAMES))
    (folder / "made.vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        "DataFile=made.eeg\nMarkerFile=made.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        f"NumberOfChannels=2\nSamplingInterval=10000\nDataPoints={DATA.shape[1]}\n\n"
        f"[Binary Infos]\nBinaryFormat=INT_16\n\n[Channel Infos]\n{channels}",
        encoding="utf-8",
    )
    marks = "".join(
        f"Mk{i + 2}=Stimulus,{name},{round(onset * RATE) + 1},{round(length * RATE)},0\n"
        for i, (onset, length, name) in enumerate(EVENTS)
    )
    (folder / "made.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        "DataFile=made.eeg\n\n[Marker Infos]\n"
        f"Mk1=New Segment,,1,1,0,20200101000000000000\n{marks}",
        encoding="utf-8",
    )
    (folder / "made.eeg").write_bytes(np.round(DATA.T * 10).astype("<i2").tobytes())


def brainvision_text(folder: Path) -> None:
    brainvision(folder)
    header = (folder / "made.vhdr").read_text(encoding="utf-8")
    header = header.replace("DataFormat=BINARY", "DataFormat=ASCII")
    header = header.replace("MULTIPLEXED", "VECTORIZED").replace("made.eeg", "made.dat")
    infos = "[ASCII Infos]\nDecimalSymbol=,\nSkipLines=0\nSkipColumns=1\n"
    header = header.replace("[Binary Infos]\nBinaryFormat=INT_16\n", infos)
    (folder / "made.vhdr").write_text(header, encoding="utf-8")
    rows = [
        f"{name} " + " ".join(f"{v * 10:.1f}" for v in row)
        for name, row in zip(NAMES, DATA, strict=True)
    ]
    (folder / "made.dat").write_text("\n".join(rows).replace(".", ","), encoding="utf-8")


def xdf(folder: Path) -> None:
    def chunk(tag: int, content: bytes) -> bytes:
        return b"\x04" + struct.pack("<IH", len(content) + 2, tag) + content

    def header(number: int, name: str, n: int, rate: int, form: str) -> bytes:
        rows = "".join(f"<channel><label>{c}</label><unit>uV</unit></channel>" for c in NAMES)
        xml = (
            f"<info><name>{name}</name><type>{name}</type><channel_count>{n}</channel_count>"
            f"<nominal_srate>{rate}</nominal_srate><channel_format>{form}</channel_format>"
            f"<desc><channels>{rows if rate else ''}</channels></desc></info>"
        )
        return chunk(2, struct.pack("<I", number) + xml.encode())

    content = b"XDF:" + chunk(1, b"<info><version>1.0</version></info>")
    content += header(1, "EEG", 2, RATE, "float32") + header(2, "Markers", 1, 0, "string")
    for first in range(0, DATA.shape[1], 50):
        body = struct.pack("<IBI", 1, 4, 50)
        for i in range(first, first + 50):
            body += struct.pack("<Bd", 8, 10 + i / RATE) + DATA[:, i].astype("<f4").tobytes()
        content += chunk(3, body) + chunk(5, bytes.fromhex("43A546DCCBF5410FB30ED5467383CBE4"))
    for onset, _, name in EVENTS:
        mark = struct.pack("<IBIBdBI", 2, 4, 1, 8, 10 + onset, 4, len(name)) + name.encode()
        content += chunk(3, mark)
    (folder / "made.xdf").write_bytes(content)


def _raw() -> Any:
    import mne

    raw = mne.io.RawArray(DATA * 1e-6, mne.create_info(list(NAMES), RATE, "eeg"), verbose="ERROR")
    raw.set_annotations(mne.Annotations(*zip(*EVENTS, strict=True)))
    return raw


def fif(folder: Path) -> None:
    _raw().save(folder / "made_raw.fif", verbose="ERROR")


def fif_epochs(folder: Path) -> None:
    import mne

    info = mne.create_info(list(NAMES), RATE, "eeg")
    data = DATA.reshape(2, 4, 100).swapaxes(0, 1) * 1e-6
    epochs = mne.EpochsArray(data, info, event_id={"a": 1}, verbose="ERROR",
                             events=np.column_stack([np.arange(4), [0] * 4, [1] * 4]))  # fmt: skip
    epochs.save(folder / "made-epo.fif", verbose="ERROR")


def eeglab(folder: Path) -> None:
    from scipy.io import savemat

    events = [{"type": name, "latency": onset * RATE + 1} for onset, _, name in EVENTS]
    empty: Any = {name: [] for name in ("icawinv", "icaweights", "icasphere", "icaact", "epoch")}
    whole = {
        "setname": "made", "nbchan": 2, "trials": 1, "pnts": DATA.shape[1], "srate": float(RATE),
        "xmin": 0.0, "xmax": SECONDS - 1 / RATE, "data": DATA.astype(np.float32), "event": events,
        "chanlocs": [{"labels": name} for name in NAMES], "ref": "common", **empty,
    }  # fmt: skip
    savemat(folder / "made.set", {"EEG": whole}, appendmat=False)


def gdf(folder: Path) -> None:
    """Version 1.25, of which every field lies at a fixed place."""
    n = len(NAMES)
    main = b"GDF 1.25".ljust(168) + b"2020010100000000" + struct.pack("<q", 256 * (1 + n))
    main = main.ljust(236, b"\x00") + struct.pack("<qII", SECONDS, 1, 1) + struct.pack("<I", n)
    columns = b"".join(name.encode().ljust(16, b"\x00") for name in NAMES) + bytes(80 * n)
    columns += b"uV      " * n
    columns += struct.pack(f"<{n}d", *[-3276.8] * n) + struct.pack(f"<{n}d", *[3276.7] * n)
    columns += struct.pack(f"<{n}q", *[-32768] * n) + struct.pack(f"<{n}q", *[32767] * n)
    columns += bytes(80 * n) + struct.pack(f"<{n}i", *[RATE] * n) + struct.pack(f"<{n}i", *[3] * n)
    digital = np.round(DATA * 10).astype("<i2").reshape(n, SECONDS, RATE).swapaxes(0, 1)
    events = b"\x01" + struct.pack("<3B", RATE, 0, 0) + struct.pack("<I", 2)
    body = main + columns + bytes(32 * n) + digital.tobytes()
    (folder / "made.gdf").write_bytes(body + events + struct.pack("<2I2H", 51, 201, 769, 770))


def wfdb(folder: Path) -> None:
    from wfdb import io

    io.wrsamp(
        "made", fs=RATE, units=["mV"] * 2, sig_name=["I", "II"], p_signal=DATA.T / 100,
        fmt=["16"] * 2, write_dir=str(folder),
    )  # fmt: skip
    io.wrann("made", "atr", np.array([50, 100, 200]), symbol=["N", "V", "+"],
               aux_note=["", "", "(AFIB"], fs=RATE, write_dir=str(folder))  # fmt: skip


def _table(path: Path, separator: str) -> Path:
    rows = [separator.join(("time", *(f"{name} (uV)" for name in NAMES)))]
    rows += [
        separator.join((f"{i / RATE:g}", *(f"{value:g}" for value in column)))
        for i, column in enumerate(DATA.T[:200])
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def csv(folder: Path) -> Path:
    return _table(folder / "made.csv", ",")


def tsv(folder: Path) -> Path:
    return _table(folder / "made.tsv", "\t")


def parquet(folder: Path) -> Path:
    import pyarrow as pa
    from pyarrow import parquet as pq

    columns = {"time": np.arange(DATA.shape[1]) / RATE, "Fp1 (uV)": DATA[0], "C3 (uV)": DATA[1]}
    pq.write_table(pa.table(columns), folder / "made.parquet")


def npz(folder: Path) -> Path:
    np.savez(folder / "made.npz", data=DATA, ch_names=np.array(NAMES), sfreq=RATE, units="uV")


def bids(folder: Path) -> None:
    eeg = folder / "sub-01" / "eeg"
    eeg.mkdir(parents=True)
    (folder / "dataset_description.json").write_text(
        json.dumps({"Name": "made", "BIDSVersion": "1.9.0"})
    )
    (folder / "participants.tsv").write_text("participant_id\tgroup\nsub-01\ta\nsub-02\tb\n")
    _edf(eeg / "sub-01_task-x_eeg.edf")
    (eeg / "sub-01_task-x_channels.tsv").write_text(
        "name\ttype\tunits\tstatus\nFp1\tEEG\tuV\tgood\nC3\tEEG\tuV\tbad\n"
    )
    (eeg / "sub-01_task-x_events.tsv").write_text(
        "onset\tduration\ttrial_type\tvalue\n0.5\t0.5\trest\t1\n2\t1\tn/a\tmove\n3\tn/a\tgo\t2\n"
    )


_BIDS = "sub-01/eeg/sub-01_task-x"
RECORDINGS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "EDF": (edf, "made.edf", "made.edf"),
    "EDF+": (edf_plus, "made.edf", "made.edf"),
    "EDF+D": (edf_with_gaps, "made.edf", "made.edf"),
    "BDF+": (bdf, "made.bdf", "made.bdf"),
    "BrainVision .vhdr": (brainvision, "made.vhdr", "made.vhdr"),
    "BrainVision .vmrk": (brainvision, "made.vmrk", "made.vhdr"),
    "BrainVision .eeg": (brainvision, "made.eeg", "made.vhdr"),
    "BrainVision text .vhdr": (brainvision_text, "made.vhdr", "made.vhdr"),
    "BrainVision text .dat": (brainvision_text, "made.dat", "made.vhdr"),
    "FIF": (fif, "made_raw.fif", "made_raw.fif"),
    "FIF epochs": (fif_epochs, "made-epo.fif", "made-epo.fif"),
    "EEGLAB .set": (eeglab, "made.set", "made.set"),
    "GDF": (gdf, "made.gdf", "made.gdf"),
    "XDF": (xdf, "made.xdf", "made.xdf"),
    "WFDB .hea": (wfdb, "made.hea", "made.hea"),
    "WFDB .dat": (wfdb, "made.dat", "made.hea"),
    "WFDB .atr": (wfdb, "made.atr", "made.hea"),
    "CSV": (csv, "made.csv", "made.csv"),
    "TSV": (tsv, "made.tsv", "made.tsv"),
    "Parquet": (parquet, "made.parquet", "made.parquet"),
    "npz": (npz, "made.npz", "made.npz"),
    "BIDS channels.tsv": (bids, f"{_BIDS}_channels.tsv", f"{_BIDS}_eeg.edf"),
    "BIDS events.tsv": (bids, f"{_BIDS}_events.tsv", f"{_BIDS}_eeg.edf"),
    "BIDS dataset_description.json": (bids, "dataset_description.json", f"{_BIDS}_eeg.edf"),
}
"""Kind: who makes the folder, the file in it to damage, and the file to open."""
