"""Seizures of the Siena Scalp EEG Database: ``Seizures-list-PN00.txt``, by the clock.

https://physionet.org/content/siena-scalp-eeg. The public lists are written by hand: times have
``.`` or ``:``, words differ, a start of registration stands once for several seizures, and some
names of files lack their number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from biot.corpus.builder.labels.sidecars.sidecar import Beside, Kind, Sidecar, damaged
from biot.corpus.builder.labels.sidecars.text import lines_of
from biot.corpus.builder.windows.events import Stretch
from biot.errors import RecordingError

__all__ = [
    "KINDS",
]

_NAME = "Siena seizure list"
_DAY = 86_400

_FILE = re.compile(r"file\s*name\s*:?\s*(\S+).*", re.IGNORECASE)
_CLOCK = re.compile(
    r"(?P<what>.*?)\s*[:=]?\s*(?P<h>\d{1,2})\s*[.:]\s*(?P<m>\d{1,2})\s*[.:]\s*(?P<s>\d{1,2})\b.*"
)


@dataclass(frozen=True)
class _Seizure:
    line: int
    file: str
    onset: float
    """Seconds from the start of the registration."""
    duration: float


def _is_of(path: Path, recording: Path) -> bool:
    """Whether a list is of the recording's patient, such as PN00."""
    patient = re.search(r"list[-_ ](\w+?)\.txt", path.name, re.IGNORECASE)
    stem = recording.stem.lower()
    if patient is None or re.match(rf"{re.escape(patient[1].lower())}(?![a-z0-9])", stem) is None:
        return False
    return recording.suffix.lower() == ".edf"


def _seizures(path: Path) -> list[_Seizure]:
    """All seizures of a list, in its order."""
    found = []
    file, registration = "", None
    start: tuple[int, int] | None = None
    for n, line in lines_of(path):
        named, clock = _FILE.fullmatch(line), _CLOCK.fullmatch(line)
        if named is not None:
            if start is not None:
                damaged(path, n, "another file", f"the end of the seizure of line {start[0]}")
            file, registration = named[1], registration if named[1] == file else None
        elif clock is not None and re.search(r"\btime\b", clock["what"], re.IGNORECASE):
            what, time = clock["what"].lower(), _seconds_of_day(path, n, line, clock)
            if "registration" in what or "recording" in what:
                registration = time if "start" in what else registration
            elif "start" in what:
                start = n, time
            elif "end" in what:
                if start is None or registration is None or not file:
                    damaged(path, n, repr(line), "a file, a registration and a start before it")
                onset = (start[1] - registration) % _DAY
                found.append(_Seizure(start[0], file, onset, (time - start[1]) % _DAY))
                start = None
        elif re.search(r"\btime\b\s*:", line, re.IGNORECASE):
            damaged(path, n, repr(line), "a time of day such as 19.58.36")
    if start is not None:
        damaged(path, start[0], "the start of a seizure", "its end after it")
    return found


def _seconds_of_day(path: Path, line: int, text: str, clock: re.Match[str]) -> int:
    hour, minute, second = (int(clock[part]) for part in ("h", "m", "s"))
    if hour > 23 or minute > 59 or second > 59:
        damaged(path, line, repr(text), "a time of day such as 19.58.36")
    return hour * 3600 + minute * 60 + second


def _read(path: Path, beside: Beside) -> Sidecar:
    found = _seizures(path)
    if not found:
        damaged(path, None, "no seizure", "'Seizure start time: 19.58.36' and its end")
    recording = beside.path
    near = [one.name for one in recording.parent.glob("*") if one.suffix.lower() == ".edf"]
    told = []
    stretches = []
    for seizure in found:
        meant = _meant(seizure.file, near)
        if meant is None:
            told.append(f"{path.name} names {seizure.file}, which is no recording beside it")
        elif meant.lower() == recording.name.lower():
            if meant.lower() != seizure.file.lower():
                told.append(f"{path.name} names {seizure.file}, taken for {meant}")
            stretches.append(_stretch(path, seizure, beside, told))
    return Sidecar(path, _NAME, {"label": tuple(stretches)}, {}, tuple(dict.fromkeys(told)))


def _stretch(path: Path, seizure: _Seizure, beside: Beside, told: list[str]) -> Stretch:
    """A seizure of the recording; an end that lies beyond it by a wrong hour is put right."""
    duration, length = beside.recording.duration, seizure.duration
    if seizure.onset < duration < seizure.onset + length and length - 3600 > 0:
        length -= 3600
        told.append(
            f"{path.name}, line {seizure.line}: the seizure would end beyond the recording, and "
            f"its end was taken an hour earlier, {length:g} s after its start"
        )
    if seizure.onset + length > duration + 1:  # clocks are in whole seconds
        damaged(
            path, seizure.line,
            f"a seizure from {seizure.onset:g} to {seizure.onset + length:g} s",
            f"one within the {duration:g} s of {beside.path.name}. Correct its times in the list",
        )  # fmt: skip
    return Stretch(seizure.onset, length, "seizure")


def _meant(name: str, near: list[str]) -> str | None:
    """The recording that a list names: exactly, or the only one that its name begins."""
    stem = re.sub(r"\.edf$", "", name, flags=re.IGNORECASE).rstrip("-_. ").lower()
    exact = {_plain(Path(one).stem): one for one in near}.get(_plain(stem))
    if exact is not None:
        return exact
    begun = [one for one in near if re.match(rf"{re.escape(stem)}(?![a-z0-9])", one.lower())]
    return begun[0] if len(begun) == 1 else None


def _plain(stem: str) -> str:
    """A name without signs; one of the public lists writes the letter O for a zero."""
    return re.sub(r"[\W_]", "", stem.lower()).replace("o", "0")


def _recognises(path: Path, recording: Path) -> bool:
    try:
        return _is_of(path, recording) and bool(lines_of(path))
    except RecordingError:
        return _is_of(path, recording)


KINDS = (
    Kind(
        name=_NAME, pattern=r"[-_]seizures?[-_]list\.txt", read=_read, recognises=_recognises,
        of_folder=r"seizures?[-_ ]list[-_ ].*\.txt", events_only=True,
    ),
)  # fmt: skip
