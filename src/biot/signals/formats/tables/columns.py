"""Which columns of a table are signals, and which are labels, clocks, counters, or of text."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import RecordingError, listed
from biot.signals.channels import canonical, kind
from biot.signals.formats.tables.devices import Device
from biot.signals.formats.tables.sheet import Column, SampleTable, is_number, is_text
from biot.signals.formats.tables.times import is_dated, is_epoch, is_time_name, words_of

__all__ = ["Chosen", "ColumnsLeftOut", "choose", "subjects_in", "word_of"]

_NEVER = frozenset(
    (
        "timestamp", "timestamps", "label", "labels", "marker", "markers", "annotation",
        "annotations", "trigger", "triggers", "trig", "counter", "battery", "stim",
        "markerindex", "eventmarker",
    )
)  # fmt: skip
"""Words that make a column no signal, wherever they stand in its name."""
_WORDS = frozenset(
    (
        "activity", "activities", "class", "classes", "target", "targets", "subject",
        "subjects", "participant", "participants", "person", "patient", "user", "users", "id",
        "ids", "index", "idx", "event", "events", "stimulus", "stimuli", "session", "sessions",
        "trial", "trials", "sample", "samples", "count", "row", "rows", "record", "frame",
        "packet", "seq", "sequence", "quality", "status", "state", "states", "stage", "stages",
        "phase", "block", "blocks", "fold", "split", "group", "groups", "condition",
        "conditions", "code", "codes", "gender", "sex", "age", "hypnogram", "seizure",
        "outcome", "diagnosis", "task", "run", "rep", "repetition", "set", "interpolated",
        "batt", "line", "unnamed", "segment", "window", "epoch", "category", "gesture",
        "posture",
    )
)  # fmt: skip
"""Words of names that are no signal's, if the name has no other word."""
_FILLING = frozenset(
    (
        "duration", "onset", "start", "stop", "end", "level",
        "the", "of", "no", "nr", "num", "number", "name", "type", "value", "ground", "truth",
        "true", "y", "is", "data", "device", "system",
    )
)  # fmt: skip
_SUBJECTS = frozenset(
    ("subject", "subjects", "participant", "participants", "person", "patient", "user")
)
_KNOWN_KINDS = frozenset(("eeg", "ecg", "eog", "emg", "resp", "acc", "gyro"))
_AXES = frozenset(("x", "y", "z"))
_SENSORS = frozenset(
    (
        "temp", "temperature", "spo", "sao", "heart", "hr", "bpm", "pulse", "ppg", "bvp", "eda",
        "gsr", "pressure", "light", "lux", "humidity", "mag", "magnetometer", "raw", "aux", "adc",
        "flow", "co", "steps", "position", "acc", "accel", "acceleration", "accelerometer", "imu",
        "gyro", "gyroscope", "emg", "ecg", "ekg", "eeg", "eog", "resp", "respiration", "breathing",
        "skin", "conductance", "fsr", "force", "torque", "angle", "strain", "pleth",
    )
)  # fmt: skip
"""Words of names that slow sensors have, whose numbers may be few."""

_FEWEST_ROWS = 100
_FEW, _SOME = 12, 40
"""Different whole numbers of a column that is taken for one of labels; the second, of long runs."""
_RUN, _LONG_RUN = 5, 50
"""Rows that a number is held for on average, in such columns."""
_FEWEST_TO_COUNT = 16


class ColumnsLeftOut(UserWarning):
    """Says which columns of a table are no channels, and why."""

    def __init__(self, name: str, reasons: Mapping[str, str]) -> None:
        super().__init__(
            f"{name}: not read as channels: {_said(reasons)}. To read one all the same, name it "
            "in columns=."
        )
        self.reasons = dict(reasons)
        """Why, by the column's name."""

    def counted(self) -> dict[str, int]:
        """The columns of each reason in words, and how many they are."""
        names: dict[str, list[str]] = {}
        for name, reason in self.reasons.items():
            names.setdefault(reason, []).append(name)
        return {
            f"columns not read as channels: {listed(found)} ({reason}), unless named in columns=": (
                len(found)
            )
            for reason, found in names.items()
        }


@dataclass(frozen=True)
class Chosen:
    """The signals of a table."""

    names: tuple[str, ...]
    """Of channels."""
    numbers: npt.NDArray[np.float64]
    """(n_chans, n_times)."""
    units: tuple[str, ...]


def choose(
    sheet: SampleTable,
    device: Device | None,
    kept: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> Chosen:
    """The columns of signals; a warning says what was left out, and why.

    Parameters
    ----------
    kept
        Names of columns that are channels, whatever they look like.
    labels
        Names of columns that label the samples: no channels, and nothing is said of them.

    Raises
    ------
    RecordingError
        If no signal remains, two have one name, or a cell of one is no number.
    """
    wanted = {canonical(name) for name in kept}
    lower = frozenset(name.lower() for name in sheet.names)
    reasons = {
        name: None if wanted and canonical(name) in wanted else _reason(sheet, name, device, lower)
        for name in sheet.names
        if name not in labels
    }
    found = [name for name, reason in reasons.items() if reason is None]
    _tell(sheet, reasons)
    if not found:
        raise RecordingError(
            f"{sheet.path.name}: no column holds numbers that are a signal. Left out were "
            f"{_said(reasons)}."
        )
    names, units, numbers = [], [], np.empty((len(found), sheet.n_rows))
    for row, name in enumerate(found):
        numbers[row] = _numbers(sheet, name)
        rule = None if device is None else device.signal(name)
        unit = sheet.unit(name)
        if rule is not None and rule.unit is not None and not unit:
            numbers[row] *= rule.factor
            unit = rule.unit
        names.append(name if device is None else device.channel(name))
        units.append(unit)
    _require_different(sheet, names)
    return Chosen(tuple(names), numbers, tuple(units))


def _require_different(sheet: SampleTable, names: Sequence[str]) -> None:
    repeated = frozenset(sheet.repeated)
    again = [name.rpartition(".")[0] for name in names]
    again = [name for name in again if name in repeated]
    again += [name for name, count in Counter(names).items() if count > 1]
    if again:
        raise RecordingError(
            f"{sheet.path.name}: needs a first line with a different name for each column, but "
            f"{listed(sorted(set(again)))} is the name of several. Rename them."
        )


def _numbers(sheet: SampleTable, name: str) -> npt.NDArray[np.float64]:
    column = sheet.column(name)
    if not is_text(column):
        return np.asarray(column, dtype=np.float64)
    texts = [i for i, cell in enumerate(column) if cell and not is_number(cell)]
    row = texts[0] if texts else 0
    raise RecordingError(
        f"{sheet.path.name}: column {name}, row {row + sheet.first_row}: {column[row]!r} is no "
        f"number, but {_count(column)} other cells of the column are. Correct or empty the cell."
    )


def _count(column: Column) -> int:
    return sum(is_number(cell) for cell in column)


def _reason(
    sheet: SampleTable, name: str, device: Device | None, lower: frozenset[str]
) -> str | None:
    """Why a column is no signal; None for a signal."""
    column = sheet.column(name)
    if name.strip().lower() == "sfreq" or column.dtype.kind == "M":
        return "time"
    if is_text(column) and not any(map(is_number, column)):
        _require_one_decimal_sign(sheet, name)
        return "time" if is_time_name(name) or is_dated(column) else "text"
    if device is not None and device.signal(name) is not None:
        return None
    if is_time_name(name) or is_epoch(column):
        return "time"
    if device is not None and device.is_other(name):
        return f"no signal of {device.name}"
    if _is_named_otherwise(name):
        return "label, marker or number by its name"
    if is_text(column):
        return None  # with numbers among them: an error that names the cell
    if _counts_up(column):
        return "counter or clock"
    if not _is_of_a_sensor(name, lower) and _looks_like_labels(column):
        return "few whole numbers, each held for long, as labels are"
    return None


_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def _require_one_decimal_sign(sheet: SampleTable, name: str) -> None:
    """Raise where a column has decimal commas, but other columns have points."""
    cells = [cell for cell in sheet.column(name) if cell]
    if cells and all(map(_DECIMAL_COMMA.fullmatch, cells)):
        raise RecordingError(
            f"{sheet.path.name}: column {name} has decimal commas ({cells[0]!r}) where others have "
            "points, which may also stand between thousands. Write all with one decimal sign."
        )


def _is_named_otherwise(name: str) -> bool:
    words = words_of(name)
    if _NEVER.intersection(words):
        return True
    known = [word for word in words if word in _WORDS]
    return bool(known) and all(word in _WORDS or word in _FILLING for word in words)


def _is_of_a_sensor(name: str, lower: frozenset[str]) -> bool:
    """Whether a name is a sensor's, or one of three axes, such as ``ax``, ``ay`` and ``az``."""
    if kind(name) in _KNOWN_KINDS or _SENSORS.intersection(words_of(name)):
        return True
    stem, axis = name[:-1].lower(), name[-1:].lower()
    return axis in _AXES and {f"{stem}{other}" for other in _AXES} <= lower


def _is_subject_name(name: str) -> bool:
    """Whether a column is called as those of subjects are."""
    words = words_of(name)
    subjects = [word for word in words if word in _SUBJECTS]
    rest = {word for word in words if word not in _SUBJECTS}
    return bool(subjects) and rest <= {"id", "no", "nr", "number", "code", "name"}


def _counts_up(column: Column) -> bool:
    """Whether a column rises by the same number from row to row, but for wraps and gaps."""
    if len(column) < _FEWEST_TO_COUNT:
        return False
    numbers = np.asarray(column, dtype=np.float64)
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    steps = np.diff(numbers)
    known = steps[~np.isnan(steps)]
    if len(known) < 0.9 * len(steps):
        return False
    usual = float(np.median(known))
    rounding = 1e-12 * float(np.nanmedian(np.abs(numbers)))
    alike = np.abs(known - usual) <= 1e-6 * abs(usual) + rounding
    return abs(usual) > rounding and int(alike.sum()) >= 0.9 * len(steps)


def _looks_like_labels(column: Column) -> bool:
    """Whether numbers are few, whole, and each held for many rows, as sensors' are not."""
    numbers = np.asarray(column, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if len(numbers) < _FEWEST_ROWS or (numbers != np.round(numbers)).any():
        return False
    changes = np.diff(numbers)
    changes = np.abs(changes[changes != 0])
    run = len(numbers) / (len(changes) + 1)
    if run < _RUN:
        return False
    different = len(np.unique(numbers))
    if different <= _FEW:
        return True
    # a slow sensor moves by its smallest step, a label jumps
    jumps = float((changes > changes.min()).mean())
    return different <= _SOME and run >= _LONG_RUN and jumps > 0.2


def _tell(sheet: SampleTable, reasons: dict[str, str | None]) -> None:
    texts = [name for name, reason in reasons.items() if reason == "text"]
    others = {
        name: reason
        for name, reason in reasons.items()
        if reason is not None and reason not in ("text", "time")
    }
    clocks = [name for name, reason in reasons.items() if reason == "time"]
    others |= {
        name: "time" for name in clocks if not is_time_name(name) and name.lower() != "sfreq"
    }
    if texts:
        warnings.warn(
            f"{sheet.path.name}: the columns {listed(texts)} hold no number and were not read.",
            stacklevel=5,
        )
    if others:
        warnings.warn(ColumnsLeftOut(sheet.path.name, others), stacklevel=5)


def _said(reasons: Mapping[str, str | None]) -> str:
    """Names by reason."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        if reason is not None:
            by_reason.setdefault(reason, []).append(name)
    return "; ".join(f"{listed(names)} ({reason})" for reason, names in by_reason.items())


def subjects_in(sheet: SampleTable) -> Iterator[tuple[str, list[str]]]:
    """Columns of subjects, and the different values of each."""
    for name, column in zip(sheet.names, sheet.columns, strict=True):
        if _is_subject_name(name):
            values = np.unique(column) if not is_text(column) else sorted(set(column) - {""})
            yield name, [word_of(value) for value in values if value == value]


def word_of(value: Any) -> str:
    """A cell as text: ``1.0`` is ``1``."""
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else f"{float(value):.15g}"
