"""`Sidecar`: what a file beside a recording says of it, and `Beside`: the recording it is of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from biot.corpus.builder.windows.events import Stretch
from biot.errors import RecordingError, counted, listed
from biot.signals.readers import read_recording
from biot.signals.recording import Recording

__all__ = [
    "BEYOND",
    "WITHOUT_LABEL",
    "WITHOUT_TIME",
    "Beside",
    "Kind",
    "Sidecar",
    "damaged",
    "seconds",
]

WITHOUT_TIME = "labels beside recordings without a time"
WITHOUT_LABEL = "labels beside recordings, empty or n/a"
BEYOND = "labels beside recordings, beginning at or beyond the recording's end"
_CUT = "labels beside recordings cut at the recording's start"
_BEFORE = "labels beside recordings, ending before the recording begins"


_LONGEST = 1e9
"""Seconds, some thirty years: a greater number is no time in a recording."""


class Beside:
    """The recording that a file of labels lies beside; opened when something of it is asked for."""

    def __init__(self, recording: Path | Recording) -> None:
        self._given = recording

    @cached_property
    def recording(self) -> Recording:
        """The recording, opened."""
        return self._given if isinstance(self._given, Recording) else read_recording(self._given)

    @property
    def path(self) -> Path:
        """Its file."""
        path = self._given.path if isinstance(self._given, Recording) else self._given
        assert path is not None, "what lies in memory has nothing beside it"
        return path


@dataclass(frozen=True)
class Sidecar:
    """What a file of labels says of one recording."""

    path: Path
    kind: str
    """In words, such as ``"TUH, whole recording (.csv_bi)"``."""
    columns: Mapping[str, tuple[Stretch, ...]]
    """Stretches by column of labels, with an empty label where there is none; the first column is
    the one that counts unless another is asked for."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """By reason, how many rows say nothing."""
    told: tuple[str, ...] = ()
    """What was assumed, for the user."""
    way_out: str = ""
    """What may be wrong where all labels lie outside the recording."""

    @property
    def stretches(self) -> list[Stretch]:
        """Those of the first column that have a label."""
        return [stretch for stretch in self._of(None) if stretch.label]

    def within(
        self, duration: float, column: str | None = None
    ) -> tuple[list[Stretch], Counter[str]]:
        """What a column says of a recording of `duration` seconds, and by reason what is left out.

        What begins before the recording and reaches into it counts from the recording's start.

        Parameters
        ----------
        column
            Its name, in any case; None: the first.

        Raises
        ------
        RecordingError
            If the file has no such column, or all that it labels lies outside the recording.
        """
        left_out = Counter(self.left_out)
        labelled = [stretch for stretch in self._of(column) if stretch.label]
        left_out[WITHOUT_LABEL] += len(self._of(column)) - len(labelled)
        kept = list(_inside(labelled, duration, left_out))
        if labelled and not kept:
            first, last = labelled[0].onset, labelled[-1].onset
            damaged(
                self.path, None, f"{counted(len(labelled), 'label')} from {first:g} to {last:g} s, "
                "all outside the recording", f"labels within its {duration:g} s{self.way_out}",
            )  # fmt: skip
        return kept, +left_out

    def _of(self, column: str | None) -> tuple[Stretch, ...]:
        if column is None:
            return next(iter(self.columns.values()), ())
        for name, found in self.columns.items():
            if name.lower() == column.lower():
                return found
        raise RecordingError(
            f"{self.path.name}: has no column of labels called {column!r}, as label_columns says; "
            f"it has {listed(list(self.columns), 20)}."
        )


def _inside(found: Iterable[Stretch], duration: float, left_out: Counter[str]) -> Iterator[Stretch]:
    for stretch in found:
        stop = stretch.onset + stretch.duration
        if stretch.onset >= duration:
            left_out[BEYOND] += 1
        elif stretch.onset >= 0:
            yield stretch
        elif stop > 0:
            left_out[_CUT] += 1
            yield stretch._replace(onset=0.0, duration=stop)
        else:
            left_out[_BEFORE] += 1


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A family of files of labels."""

    name: str
    """In words."""
    pattern: str
    """Of the file's name in lower case, after the recording's; a regular expression."""
    read: Callable[[Path, Beside], Sidecar]
    recognises: Callable[[Path, Path], bool] | None = None
    """Whether a file is of this kind and tells of a recording, by its content; None: its name is
    enough."""
    of_folder: str | None = None
    """Of names, in lower case, of files that may tell of several recordings in their folder."""
    elsewhere: Callable[[Path], Iterable[Path]] | None = None
    """Files in other folders that may tell of a recording."""
    any_name: Callable[[Path, Path], bool] | None = None
    """Whether a file that the user chose is of this kind, however it is called, by its content;
    None: it is not tried."""
    events_only: bool = False
    """Whether the files mark events, and what lies between them is background."""
    on_request: bool = False
    """Whether such a file counts only where the user asks for it."""


def damaged(path: Path, line: int | None, found: str, expected: str) -> NoReturn:
    """Raise the error of a file of labels that cannot be read.

    Raises
    ------
    RecordingError
        Always: with the file, the line, what stands there, and what should.
    """
    where = path.name if line is None else f"{path.name}, line {line}"
    raise RecordingError(f"{where}: found {found}; expected {expected}.")


def seconds(path: Path, line: int | None, name: str, text: str) -> float:
    """A time of a file of labels, as a finite number of seconds.

    Raises
    ------
    RecordingError
        If it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) <= _LONGEST:
        damaged(path, line, f"the {name} {text!r}", "a number of seconds")
    return value
