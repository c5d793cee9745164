"""`GivenUnits`: what the user says of units, for recordings that do not say them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from biot.corpus.builder.channels.choice import fits
from biot.corpus.builder.labels.cells import Recordings, Sheet, read_sheet
from biot.corpus.builder.settings import is_path_of_table
from biot.corpus.manifest import Record
from biot.errors import ConfigError, listed, near_word
from biot.signals.channels import kind
from biot.signals.recording import Recording
from biot.signals.units import KNOWN_UNITS, conversion, is_known_unit, with_units

__all__ = [
    "GivenUnits",
    "UnitRow",
    "unit_lines",
]

_COLUMNS = ("channel", "unit", "file")


class UnitRow(NamedTuple):
    """A row of a table of units."""

    channel: str
    """Name, type or pattern; empty: every channel."""
    unit: str


@dataclass(frozen=True)
class GivenUnits:
    """Units of channels, for all recordings and for single ones; may be sent to another process."""

    rows: tuple[UnitRow, ...] = ()
    """For all recordings; the first one that fits a channel counts."""
    of_recordings: Mapping[str, tuple[UnitRow, ...]] = field(default_factory=dict)
    """For single recordings, by name; these go before."""
    table: str | None = None
    """Name of the table; None if one unit is for all."""
    absent: tuple[str, ...] = ()
    """What the table calls recordings, and none is called."""

    @classmethod
    def read(cls, text: str | None, places: Mapping[str, Path]) -> GivenUnits:
        """From a unit for all channels, or the path of a table.

        Parameters
        ----------
        text
            ``"µV"``; or a table (.tsv, .csv) with the column ``unit``, and ``channel``, ``file`` or
            both, which may be empty for all; None: nothing is said.
        places
            The files of the recordings, by name.

        Raises
        ------
        ConfigError
            If a unit is not known, the table has other columns, or says two units of one channel.
        CorpusError
            If the table cannot be read.
        """
        if text is None:
            return cls()
        if not is_path_of_table(text):
            _require_known(text, "units must be a unit or a table (.tsv, .csv)")
            return cls((UnitRow("", text.strip()),))
        sheet = read_sheet(Path(text))
        if not {"unit"} < set(sheet.columns) <= set(_COLUMNS):
            raise ConfigError(
                "units must be a table with the column unit, and channel, file or both; "
                f"{text}: {sheet.has}."
            )
        return cls._of_sheet(sheet, Recordings(list(places), places))

    @classmethod
    def _of_sheet(cls, sheet: Sheet, recordings: Recordings) -> GivenUnits:
        found: dict[str, dict[str, str]] = {}
        absent = []
        cells = {
            name: sheet.cells(name) if name in sheet.columns else [""] * len(sheet.lines)
            for name in _COLUMNS
        }
        by_file = recordings.of_column(sheet, "file") if "file" in sheet.columns else []
        for i, (number, _) in enumerate(sheet.lines):
            channel, unit, file = (cells[name][i] for name in _COLUMNS)
            _require_known(unit, f"{sheet.path}, line {number}: unit must be one")
            names = by_file[i] if file else [""]
            if len(names) > 1:
                raise ConfigError(
                    f"{sheet.path}, line {number}: {file!r} may be {listed(names, 3)}. Give the "
                    "path."
                )
            absent += [] if names else [file]
            for name in names:
                if found.setdefault(name, {}).setdefault(channel, unit) != unit:
                    raise ConfigError(
                        f"{sheet.path}, line {number}: {channel or 'every channel'} is to be in "
                        f"{unit}, but a line above says {found[name][channel]}."
                    )
        rows = {name: tuple(UnitRow(*pair) for pair in own.items()) for name, own in found.items()}
        return cls(rows.pop("", ()), rows, sheet.path.name, tuple(dict.fromkeys(absent)))

    @property
    def is_given(self) -> bool:
        """Whether anything is said."""
        return bool(self.rows or self.of_recordings)

    @property
    def parameter(self) -> str | dict[str, object] | None:
        """What the manifest keeps; what is said of single recordings goes with these."""
        if self.table is None:
            return self.rows[0].unit if self.rows else None
        return {"table": self.table, "rows": [list(row) for row in self.rows]}

    def only(self, name: str) -> GivenUnits:
        """The same with what is said of all recordings, and of one: all that a worker needs."""
        own = {name: self.of_recordings[name]} if name in self.of_recordings else {}
        return replace(self, of_recordings=own, absent=())

    def notes(self) -> tuple[str, ...]:
        """What is to be told of the table."""
        if not self.absent:
            return ()
        count = len(self.absent)
        return (
            f"{count} named in {self.table} are not among the recordings: {listed(self.absent)}",
        )

    def said_of(self, recording: Recording, name: str) -> tuple[Recording, dict[str, list[str]]]:
        """The recording in these units, and in words what was done, each with the channels.

        A channel that declares a unit keeps it, unless a row names the recording and the channel,
        and it is known which unit the file declares.
        """
        own = self.of_recordings.get(name, ())
        units, overruled = [""] * len(recording.ch_names), set()
        done: dict[str, list[str]] = {}
        for i, channel in enumerate(recording.ch_names):
            row = next((r for r in (*own, *self.rows) if _meant(r, channel)), None)
            if row is None or kind(channel) == "stim":
                continue
            declared = _contradicted(recording, i, row.unit)
            if not recording.units[i]:
                what = f"without a unit, so {row.unit} as given"
            elif declared is None:
                continue
            elif row in own and row.channel and recording.declared:
                overruled.add(i)
                what = f"declared in {declared}, but {row.unit} as given for this recording"
            else:
                what = f"declared in {declared}, which stays, not {row.unit} as given"
                done.setdefault(what, []).append(channel)
                continue
            units[i] = row.unit
            done.setdefault(what, []).append(channel)
        return with_units(recording, units, overruled=overruled), done

    def unmatched(self, recording: Recording, name: str) -> tuple[str, ...]:
        """Words of the rows for a recording that fit none of its channels."""
        words = dict.fromkeys(r.channel for r in (*self.of_recordings.get(name, ()), *self.rows))
        return tuple(
            word
            for word in words
            if word and not any(fits(word, channel) for channel in recording.ch_names)
        )


def _meant(row: UnitRow, channel: str) -> bool:
    return not row.channel or fits(row.channel, channel)


def _contradicted(recording: Recording, i: int, unit: str) -> str | None:
    """The unit that a channel declares, if it is another one; None if it is the same, or none."""
    what, known = kind(recording.ch_names[i]), recording.units[i]
    if recording.declared:
        declared = recording.declared[i]
        return declared if known and conversion(declared, what) != conversion(unit, what) else None
    return known if known and conversion(unit, what)[1] != known else None


def _require_known(unit: str, what: str) -> None:
    if not is_known_unit(unit):
        raise ConfigError(
            f"{what}; got {unit!r}. Known are {', '.join(KNOWN_UNITS)}, in the spellings of files."
            f"{near_word(unit, KNOWN_UNITS)}"
        )


def unit_lines(records: Mapping[str, Record]) -> Iterator[str]:
    """What was made of the units that were given."""
    channels: dict[str, Counter[str]] = {}
    recordings: Counter[str] = Counter()
    for record in records.values():
        for what, names in record.units_said.items():
            channels.setdefault(what, Counter()).update(names)
            recordings[what] += 1
    n = sum(bool(record.ch_names) for record in records.values())
    for what in sorted(channels):
        most = [name for name, _ in channels[what].most_common()]
        yield f"{listed(most)}: {what}, in {recordings[what]} of {n} recordings"
