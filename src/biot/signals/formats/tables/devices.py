"""What the columns of devices' exports hold: which are signals, and in which unit.

A rule for each device: how its files are recognised, what its columns of signals are called, and
their units. Sources are the vendors' descriptions of their exports: OpenBCI GUI (raw data), Mind
Monitor (FAQ, CSV), BlueMuse and muse-lsl, EmotivPRO (data export), Empatica E4 (``info.txt`` of a
download), Shimmer Consensys, ActiLife (raw CSV), OmGui (Axivity), GENEActiv, Polar Sensor Logger.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from biot.errors import RecordingError
from biot.signals.formats.tables.sheet import SampleTable, is_text

__all__ = ["DEVICES", "Device", "DeviceSignal", "recognised"]


@dataclass(frozen=True)
class DeviceSignal:
    """Columns of signals."""

    pattern: str
    """Regular expression that a whole name matches, in any case."""
    name: str = r"\g<0>"
    """Name of the channel, as in :func:`re.sub`."""
    unit: str | None = None
    """Unit of the numbers, where the file does not say it."""
    factor: float = 1.0
    """What the numbers are multiplied by to be in that unit."""


@dataclass(frozen=True)
class Device:
    """How a device writes its samples."""

    name: str
    signals: tuple[DeviceSignal, ...]
    other: str | None = r".*"
    """Regular expression of the columns that are no signals; by default all that are left."""
    names: tuple[str, ...] = ()
    """Columns that its files have, each a regular expression; all must be there."""
    preamble: str | None = None
    """Regular expression that is found in a line above the columns."""
    header: Callable[[SampleTable], SampleTable | None] | None = None
    """Names the columns of a table that has none, or gives None if it is not this device's."""

    def channel(self, name: str) -> str:
        """Name of the channel that a column is."""
        one = self.signal(name)
        found = re.fullmatch(one.pattern, name, re.IGNORECASE) if one is not None else None
        return name if found is None or one is None else found.expand(one.name)

    def signal(self, name: str) -> DeviceSignal | None:
        """What a column of this name is; None where the device has no such signal."""
        found = (one for one in self.signals if re.fullmatch(one.pattern, name, re.IGNORECASE))
        return next(found, None)

    def is_other(self, name: str) -> bool:
        """Whether a column of this name is known to be no signal."""
        return self.other is not None and bool(re.fullmatch(self.other, name, re.IGNORECASE))

    def recognises(self, sheet: SampleTable) -> SampleTable | None:
        """The table, with names, if this device wrote it."""
        if self.preamble is not None and not any(
            re.search(self.preamble, line, re.IGNORECASE) for line in sheet.preamble
        ):
            return None
        if not sheet.has_header:
            return None if self.header is None else self.header(sheet)
        if not self.names and self.preamble is None:
            return None
        every = (
            any(re.fullmatch(wanted, name, re.IGNORECASE) for name in sheet.names)
            for wanted in self.names
        )
        return sheet if all(every) else None


_AXES = ("X", "Y", "Z")


def _of_openbci(sheet: SampleTable) -> SampleTable:
    """Names of the columns that version 4 of the GUI writes without any."""
    text = "\n".join(sheet.preamble)
    found = re.search(r"number of channels\s*=\s*(\d+)", text, re.IGNORECASE)
    n = len(sheet.names)
    n_signals = min(int(found[1]) if found else 8, n - 1)
    n_axes = min(3, n - 1 - n_signals)
    names = ["Sample Index", *(f"EXG Channel {i}" for i in range(n_signals))]
    names += [f"Accel Channel {i}" for i in range(n_axes)]
    return sheet.named((*names, *(f"Other {i}" for i in range(n - len(names)))))


def _of_opensignals(sheet: SampleTable) -> SampleTable | None:
    """Names of the columns that a line of JSON above them lists."""
    found = re.search(r'"column": \[([^\]]*)\]', "\n".join(sheet.preamble))
    names = tuple(re.findall(r'"([^"]+)"', found[1])) if found else ()
    return sheet.named(names) if len(names) == len(sheet.names) else None


def _of_emotiv(sheet: SampleTable) -> SampleTable | None:
    """Names of the columns that the first line lists, as EmotivPRO 1 writes them."""
    found = re.search(r"labels:\s*([^,;]*)", "\n".join(sheet.preamble), re.IGNORECASE)
    names = found[1].split() if found else []
    return sheet.named(tuple(names)) if len(names) == len(sheet.names) else None


def _of_axivity(sheet: SampleTable) -> SampleTable | None:
    """A date and time, three axes of acceleration in g, and perhaps three of turning rate."""
    date, *others = sheet.columns
    is_date = is_text(date) and re.match(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d", str(date[0]))
    if not is_date or len(others) not in (3, 6) or any(map(is_text, others)):
        return None
    names = [f"{sensor}_{axis}" for sensor in ("Acc", "Gyro") for axis in _AXES]
    return sheet.named(("Time", *names[: len(others)]))


def _of_actigraph(sheet: SampleTable) -> SampleTable | None:
    names = tuple(f"Accelerometer {axis}" for axis in _AXES)
    fits = {3: names, 4: ("Timestamp", *names)}
    return sheet.named(fits[len(sheet.names)]) if len(sheet.names) in fits else None


def _of_geneactiv(sheet: SampleTable) -> SampleTable | None:
    names = ("Time", "x", "y", "z", "Light", "Button", "Temperature")
    return sheet.named(names) if len(sheet.names) == len(names) else None


_E4 = {
    "acc": ("Acc_X", "Acc_Y", "Acc_Z"), "bvp": ("BVP",), "eda": ("EDA",), "temp": ("TEMP",),
    "hr": ("HR",),
}  # fmt: skip


def _of_empatica(sheet: SampleTable) -> SampleTable | None:
    """The columns below the first row, the start, and the second, the rate."""
    stem = sheet.path.name.partition(".")[0].lower().rpartition("_")[2]
    names = _E4.get(stem, ())
    if len(names) != len(sheet.names) or sheet.n_rows < 3:
        return None
    try:
        columns = tuple(np.asarray(column[1:], dtype=np.float64) for column in sheet.columns)
    except ValueError:
        return None
    (start, *more), (rate, *others) = (
        {str(column[0]) for column in sheet.columns}, {float(column[0]) for column in columns},
    )  # fmt: skip
    is_start = re.match(r"\d{4}-\d\d-\d\d", start) or (_is_number(start) and float(start) > 1e8)
    if not is_start or more or others or not 0 < rate <= 1024:
        return None
    columns = tuple(column[1:] for column in columns)
    preamble = (*sheet.preamble, f"sampling rate = {rate:g} Hz")
    return replace(sheet, columns=columns, preamble=preamble).named(names)


def _of_wisdm(sheet: SampleTable) -> SampleTable | None:
    """User, activity, time in ns and three axes, as the files of both WISDM data sets hold them."""
    if len(sheet.columns) != 6 or sheet.preamble:
        return None
    user, activity, time, *axes = sheet.columns
    whole = all(column.dtype.kind in "iu" for column in (user, time))
    if not whole or not is_text(activity) or any(map(is_text, axes)) or time[0] < 1e9:
        return None
    sensor = "Gyro" if "gyro" in sheet.path.name.lower() else "Acc"
    return sheet.named(
        ("user", "activity", "timestamp_ns", *(f"{sensor}_{axis}" for axis in _AXES))
    )


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?(e\+?\d+)?", text) is not None


_G, _TURNING = "g", "°/s"
_SITE = r"(?:AF|FC|FT|CP|PO|TP|F|C|T|P|O)[z\d]\d*"

DEVICES = (
    Device(
        "OpenBCI",
        (
            DeviceSignal(r"EXG Channel \d+", unit="µV"),
            DeviceSignal(r"Accel Channel 0", "Accel_X", _G),
            DeviceSignal(r"Accel Channel 1", "Accel_Y", _G),
            DeviceSignal(r"Accel Channel 2", "Accel_Z", _G),
        ),
        preamble=r"^%\s*OpenBCI Raw E[EX]G Data", header=_of_openbci,
    ),
    Device("OpenBCI", (DeviceSignal(r"EXG Channel \d+", unit="µV"),), r"Other.*|Analog.*",
           names=(r"Sample Index", r"EXG Channel 0")),
    Device(
        "Mind Monitor (Muse)",
        (
            DeviceSignal(r"RAW_(\w+)", r"\1", "µV"),
            DeviceSignal(r"(AUX_?\w*)", r"\1", "µV"),
            DeviceSignal(r"Accelerometer_[XYZ]", unit=_G),
            DeviceSignal(r"Gyro_[XYZ]", unit=_TURNING),
        ),
        names=(r"RAW_TP9", r"Accelerometer_X|Elements|Delta_TP9"),
    ),
    Device(
        "Muse (BlueMuse, muse-lsl)",
        (DeviceSignal(r"TP9|AF7|AF8|TP10|Right AUX|Left AUX|AUX\w*", unit="µV"),), None,
        names=(r"timestamps?\w*", r"TP9", r"AF7", r"AF8", r"TP10"),
    ),
    Device(
        "EmotivPRO",
        (
            DeviceSignal(rf"EEG\.({_SITE})", r"\1", "µV"),
            DeviceSignal(r"MOT\.Acc([XYZ])", r"Acc_\1", _G),
            DeviceSignal(r"MOT\.Gyro([XYZ])", r"Gyro_\1", _TURNING),
        ),
        names=(r"EEG\.Counter|EEG\.Interpolated|OriginalTimestamp|EEG\.RawCq", rf"EEG\.{_SITE}"),
    ),
    Device(
        "EmotivPRO", (DeviceSignal(_SITE, unit="µV"),),
        preamble=r"labels:.*\bCOUNTER\b", header=_of_emotiv,
    ),
    Device(
        "OpenSignals (BITalino, biosignalsplux)", (DeviceSignal(r"(?:A|CH)\d+"),),
        preamble="OpenSignals Text File Format", header=_of_opensignals,
    ),
    Device(
        "Empatica E4",
        (
            DeviceSignal(r"Acc_[XYZ]", unit=_G, factor=1 / 64),
            DeviceSignal(r"EDA", unit="µS"),
            DeviceSignal(r"TEMP", unit="°C"),
            DeviceSignal(r"HR", unit="bpm"),
            DeviceSignal(r"BVP", unit="a.u."),
        ),
        header=_of_empatica,
    ),
    Device(
        "Shimmer",
        (
            DeviceSignal(r"(?:Shimmer_\w+?_)?Accel_(LN|WR)_([XYZ])_(?:CAL|RAW)", r"\1_Accel_\2"),
            DeviceSignal(
                r"(?!.*(?:Timestamp|Batt|Event|Packet|Marker|Quat|Status|Range))"
                r"(?:Shimmer_\w+?_)?([\w -]+)_(?:CAL|RAW)",
                r"\1",
            ),
        ),
        names=(r"(?:Shimmer_\w+?_)?(?:System_)?Timestamp\w*_(?:CAL|RAW)",),
    ),
    Device(
        "ActiGraph", (DeviceSignal(r"Accelerometer [XYZ]", unit=_G),),
        preamble=r"Data File Created By ActiGraph", header=_of_actigraph,
    ),
    Device(
        "GENEActiv", (DeviceSignal(r"([xyz])", r"Acc_\1", _G),),
        preamble=r"Device Type\W+GENEActiv", header=_of_geneactiv,
    ),
    Device(
        "Polar Sensor Logger", (DeviceSignal(r"([XYZ])", r"Acc_\1"), DeviceSignal(r"ecg", "ECG")),
        names=(r"Phone timestamp", r"sensor timestamp"),
    ),
    Device(
        "WISDM",
        (DeviceSignal(r"Acc_[XYZ]", unit="m/s²"), DeviceSignal(r"Gyro_[XYZ]", unit="rad/s")), None,
        header=_of_wisdm,
    ),
    Device(
        "Apple Watch", (DeviceSignal(r"\w+,\s*([µμ]V)", "I", "µV"),),
        names=(r"\w+,\s*[µμ]V",), preamble=r"\bWatch\d+,\d",
    ),
    Device(
        "Axivity",
        (DeviceSignal(r"Acc_[XYZ]", unit=_G), DeviceSignal(r"Gyro_[XYZ]", unit=_TURNING)),
        header=_of_axivity,
    ),
)  # fmt: skip
"""The devices, the first that fits being the one."""


def recognised(sheet: SampleTable) -> tuple[SampleTable, Device | None]:
    """The table with names, and the device that wrote it, if that is known.

    Raises
    ------
    RecordingError
        If the device wrote something else than samples.
    """
    for device in DEVICES:
        found = device.recognises(sheet)
        if found is not None:
            _require_samples(found)
            return found, device
    _require_samples(sheet)
    return sheet, None


def _require_samples(sheet: SampleTable) -> None:
    """Raise for files of these devices whose rows do not follow each other at one rate."""
    text = "\n".join(sheet.preamble)
    epoch = re.search(r"Epoch Period \(hh:mm:ss\)\W+(\d+):(\d\d):(\d\d)", text)
    if epoch is not None and any(int(part) for part in epoch.groups()):
        raise RecordingError(
            f"{sheet.path.name}: holds activity counts of ActiGraph, one for each epoch of "
            f"{':'.join(epoch.groups())}, and no samples. Export the raw data."
        )
    if len(sheet.names) == 2 and sheet.names[1] in ("µV", "μV") and re.search(r"Watch\d", text):
        raise RecordingError(
            f"{sheet.path.name}: an ECG of Apple Watch whose decimal commas cannot be told from "
            "commas between columns. Write its numbers with points."
        )
    if len(sheet.names) == 2 and "IBI" in (sheet.names[1], str(sheet.columns[1][0])):
        raise RecordingError(
            f"{sheet.path.name}: holds intervals between heart beats, which are not evenly spaced "
            "in time, and no samples. Name BVP.csv, or ACC.csv, EDA.csv, TEMP.csv."
        )
