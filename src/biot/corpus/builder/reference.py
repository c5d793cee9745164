"""`ReferenceLabels`: labels of recordings that predictions are compared with."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from biot.corpus.builder.channels.given_units import GivenUnits
from biot.corpus.builder.labels.beside import SidecarLabels
from biot.corpus.builder.labels.cells import read_sheet
from biot.corpus.builder.labels.elsewhere import find_elsewhere
from biot.corpus.builder.labels.label_format import LabelFormat
from biot.corpus.builder.labels.mapping import LabelMap
from biot.corpus.builder.labels.samples import table_options
from biot.corpus.builder.labels.sidecars.finding import Found, found_in_list
from biot.corpus.builder.labels.source import LabelSource
from biot.corpus.builder.labels.table_columns import has_column_of_files
from biot.corpus.builder.layouts.defaults import with_layout
from biot.corpus.builder.layouts.gather import label_source
from biot.corpus.builder.settings import PrepareConfig
from biot.corpus.builder.sources import Source, TableOptions, opened, subject_pattern
from biot.corpus.builder.windows.events import Stretch
from biot.errors import ConfigError, CorpusError, RecordingError, counted, listed
from biot.signals.recording import Recording

__all__ = ["NoLabelsError", "ReferenceLabels", "names_recordings"]


class NoLabelsError(RecordingError):
    """Nothing is labelled in a recording, so nobody knows what there is."""


@dataclass(frozen=True, kw_only=True)
class ReferenceLabels:
    """Recordings, and what is known of them from any source that `prepare` takes labels from."""

    sources: tuple[Source, ...]
    labels: LabelSource
    map: LabelMap | None = None
    pattern: re.Pattern[str] | None = None
    tables: TableOptions = field(default_factory=TableOptions)
    places: Mapping[str, Path] = field(default_factory=dict)
    """Where a recording would lie for its file of labels to lie beside it, by its name, if that is
    elsewhere."""
    units: GivenUnits = field(default_factory=GivenUnits)
    """What is given of units that recordings do not say."""
    notes: tuple[str, ...] = ()

    @classmethod
    def open(
        cls,
        paths: str | Path | Sequence[str | Path],
        config: PrepareConfig,
        *,
        place: Path | None = None,
    ) -> ReferenceLabels:
        """The labels of recordings.

        Parameters
        ----------
        paths
            Files, and folders that are searched for recordings, as for `prepare`.
        config
            What `prepare` would be told of the labels: `labels`, `label_map`, columns, `subject`.
        place
            A folder of files of labels, which belong to recordings by their names, as if they lay
            beside them; or such a file, of the one recording.

        Raises
        ------
        ConfigError, CorpusError
            As `prepare`; and if the labels are of whole recordings, or no file at `place` belongs
            to a recording.
        """
        given = with_layout(paths, config, complete=False)
        how = given.config
        pattern = None if how.subject is None else subject_pattern(how.subject)
        places: Mapping[str, Path] = {}
        told: tuple[str, ...] = ()
        if place is None:
            source = label_source(given, pattern)
            source.require_times("--events")
        elif place.is_dir():
            source, places, told = _of_folder(place, given.sources, how)
        else:
            source = _of_file(place, given.sources, how)
        names = [one.recording for one in given.sources]
        return cls(
            sources=tuple(given.sources),
            labels=source,
            map=None if how.label_map is None else LabelMap.read(how.label_map),
            pattern=pattern,
            tables=table_options(how, ()),
            places=places,
            units=GivenUnits.read(how.units, {one.recording: one.path for one in given.sources}),
            notes=(*given.notes, *source.notes(names), *told),
        )

    @classmethod
    def named(cls, names: Sequence[str], config: PrepareConfig) -> ReferenceLabels:
        """The labels that a table has of recordings that are known by name only.

        Raises
        ------
        ConfigError, CorpusError
            As `prepare`; and if the labels are of whole recordings.
        """
        sources = tuple(Source(name, Path(name)) for name in names)
        pattern = None if config.subject is None else subject_pattern(config.subject)
        source = LabelSource.open(config, sources, pattern)
        source.require_times("--events")
        return cls(
            sources=sources,
            labels=source,
            map=None if config.label_map is None else LabelMap.read(config.label_map),
            pattern=pattern,
            notes=source.notes(names),
        )

    def lacks(self, name: str) -> str | None:
        """Why nothing is known of a recording; None where something is, be it that it has no event.

        A row without a label, as `biot labels` writes it, says that there is none.
        """
        table = self.labels.table
        if table is not None and name in table.unlabelled:
            return None
        if table is not None and name in table.facts:
            return table.facts[name].fault
        return self.labels.lacks(name)

    def subject(self, source: Source) -> str:
        """Whose a recording is."""
        try:
            return self.labels.subject(source.recording, self.pattern, source.path).name
        except CorpusError:
            if self.lacks(source.recording) is None:
                raise
            return source.recording  # it has no row in a table that would name its subject

    def read(self, source: Source, columns: Sequence[str] = ()) -> Recording:
        """The recording itself; of a table of samples, `columns` are channels."""
        tables = replace(self.tables, columns=tuple(columns))
        recording = opened(source, tables, units_later=self.units.is_given)
        return self.units.said_of(recording, source.recording)[0]

    def stretches(
        self, source: Source, recording: Recording, left_out: Counter[str], told: list[str]
    ) -> list[Stretch]:
        """Labelled stretches of a recording under their new names; of tags, one for each.

        Raises
        ------
        NoLabelsError
            If labels are annotations, and there are none of any kind.
        BiotError
            If its labels cannot be read.
        """
        name = source.recording
        if self.labels.kind == "annotations" and not recording.annotations:
            beside = self.labels.sidecars
            if beside is None or name not in beside.found:
                raise NoLabelsError(f"{name} has no annotations, and no file of labels beside it.")
        at = replace(recording, path=self.places.get(name, recording.path))
        return self._named(self.labels.stretches(at, name, left_out, told)[0])

    def in_table(self, name: str, duration: float, left_out: Counter[str]) -> list[Stretch]:
        """The same from a table alone, of a recording of `duration` seconds.

        Raises
        ------
        RecordingError
            If all its rows lie outside the recording.
        """
        assert self.labels.table is not None, "of a table"
        return self._named(self.labels.table.stretches(name, duration, left_out))

    def _named(self, found: Sequence[Stretch]) -> list[Stretch]:
        """Under their new names; of tags, one for each."""
        mapped = found if self.map is None else self.map.stretches(found)
        return [
            stretch._replace(label=str(label))
            for stretch in mapped
            for label in ([stretch.label] if isinstance(stretch.label, str) else stretch.label)
        ]


def _of_folder(
    folder: Path, sources: Sequence[Source], how: PrepareConfig
) -> tuple[LabelSource, dict[str, Path], tuple[str, ...]]:
    """Files of labels in a folder of their own, where they are, and what is to be told."""
    form = LabelFormat.of(how)
    if len(form.columns) > 1:
        raise ConfigError(
            "label_columns may be several for a table of labels; files of labels give one at a "
            f"time, got {', '.join(form.columns)}."
        )
    elsewhere = find_elsewhere(folder, [one.recording for one in sources], how.sidecar)
    if not elsewhere:
        ends = "" if how.sidecar is None else f" with --sidecar {how.sidecar}"
        raise CorpusError(
            f"{folder}: no file of labels there belongs to one of the "
            f"{counted(len(sources), 'recording')} "
            f"({listed([one.recording for one in sources], 3)}) by its name{ends}. A file is named "
            "as its recording is, such as x_events.tsv, x_desc-biot_events.tsv, x.tsv, x.csv_bi, "
            "x_annot.fif or x_hypnogram.txt of x.edf."
        )
    column = None if form.columns == ("label",) else form.columns[0]
    files = {name: replace(one.file, events_only=False) for name, one in elsewhere.items()}
    found = SidecarLabels(files, form, column, how.sidecar, only=True, background=how.background)
    places = {name: one.place for name, one in elsewhere.items()}
    source = LabelSource("sidecars", form, sidecars=found, scope=how.label_scope)
    return source, places, _in_other_folders(places, folder.absolute())


def _in_other_folders(places: Mapping[str, Path], folder: Path) -> tuple[str, ...]:
    """What is to be told of files that do not lie where their recordings' paths say."""
    others = [
        f"{name} in {place.parent.relative_to(folder)}"
        for name, place in places.items()
        if not PurePosixPath("/", name).is_relative_to(
            PurePosixPath("/", *place.parent.relative_to(folder).parts)
        )
        and not name.endswith(place.relative_to(folder).as_posix())
    ]
    if not others:
        return ()
    told = f"of {counted(len(others), 'recording')} they were found by name in another folder"
    return (f"{told}: {listed(others, 3)}",)


def _of_file(path: Path, sources: Sequence[Source], how: PrepareConfig) -> LabelSource:
    """A file of labels of the one recording, or a list of those of several."""
    form = LabelFormat.of(how)
    column = None if form.columns == ("label",) else form.columns[0]
    in_list = {one.recording: found_in_list(path, one.path) for one in sources}
    found = {n: replace(file, events_only=False) for n, file in in_list.items() if file is not None}
    if not found and len(sources) == 1:
        found = {sources[0].recording: Found(path.absolute(), path.name)}
    if not found:
        raise CorpusError(
            f"{path}: does not say which of the {counted(len(sources), 'recording')} its labels "
            "are of "
            f"({listed([one.recording for one in sources], 3)}). Give one recording; a table with "
            "a column file; or the folder that holds a file of labels for each recording."
        )
    files = SidecarLabels(found, form, column, None, only=True, background=None)
    return LabelSource("sidecars", form, sidecars=files, scope=how.label_scope)


def names_recordings(path: Path) -> bool:
    """Whether a file is a table that names the recordings (or subjects) that its rows are of.

    So does a table that is too damaged to tell, as reading it says what is wrong.
    """
    if path.suffix.lower() not in (".tsv", ".csv"):
        return False
    try:
        sheet = read_sheet(path)
    except CorpusError:
        return True
    return has_column_of_files(sheet)
