"""Predictions and reference labels of recordings in files."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from biot.corpus.builder.reference import NoLabelsError, ReferenceLabels
from biot.corpus.builder.sources import Source
from biot.corpus.builder.windows.events import Stretch
from biot.corpus.builder.worker import checksum
from biot.corpus.leakage import SeenData
from biot.errors import BiotError, counted, counted_kind
from biot.events.event import Event, Events
from biot.inference.predictions import Predictions, PredictionWarning
from biot.inference.predictor import Predictor

__all__ = ["PredictedRecording", "Tally", "events_of", "predicted_recordings", "seen_of"]

NO_ENTRY = "no entry in the reference, so nobody knows whether it has events"


@dataclass(frozen=True, kw_only=True)
class PredictedRecording:
    """One recording with what is known, and what the model says of it."""

    subject: str
    predictions: Predictions
    reference: Events
    """All that is labelled, whether it makes events or not."""


@dataclass
class Tally:
    """What became of the recordings."""

    left_out: dict[str, str] = field(default_factory=dict)
    """Those that cannot be scored, and why."""
    without_entry: list[str] = field(default_factory=list)
    """Those of which the reference says nothing, that count as without events."""
    labels_left_out: Counter[str] = field(default_factory=Counter)
    """By reason, labels that say nothing."""
    told: list[str] = field(default_factory=list)
    """What was assumed of labels."""
    predicted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What is to be known of recordings besides their predictions."""

    def notes(self) -> list[str]:
        """What a reader of the scores must know."""
        lines = [f"Labels: {text}." for text in dict.fromkeys(self.told)]
        lines += [
            f"{counted_kind(n, reason)}." for reason, n in sorted(self.labels_left_out.items()) if n
        ]
        if self.without_entry:
            n, lack = len(self.without_entry), "without an entry in the reference"
            one = f"recording {lack} counts as a recording"
            several = f"recordings {lack} count as recordings"
            lines.append(f"{counted(n, one, several)} without events.")
        if self.predicted:
            first = next(iter(self.predicted.values()))[0]
            lines.append(
                f"{counted(len(self.predicted), 'recording has', 'recordings have')} notes, such "
                f"as: {first}"
            )
        return lines


def predicted_recordings(
    predictor: Predictor,
    known: ReferenceLabels,
    tally: Tally,
    *,
    stride: float | None,
    absent_is_none: bool,
    names: Mapping[str, str],
) -> Iterator[PredictedRecording]:
    """Each recording that can be scored; the others are counted.

    Parameters
    ----------
    absent_is_none
        Whether recordings of which the reference says nothing count as without events.
    names
        Subject of each recording.
    """
    for source in known.sources:
        name = source.recording
        lacks = known.lacks(name)
        if lacks is not None and not (absent_is_none and _is_absence(known, name)):
            tally.left_out[name] = NO_ENTRY if _is_absence(known, name) else lacks
            continue
        if lacks is not None:
            tally.without_entry.append(name)
        try:
            predictions, events = _read(
                predictor, known, source, tally, stride, lacks is None, absent_is_none
            )
        except NoLabelsError:
            tally.left_out[name] = NO_ENTRY
            continue
        except BiotError as error:
            tally.left_out[name] = f"it cannot be scored: {error}"
            continue
        reference = Events(name=name, events=events, duration=predictions.duration or 0.0)
        yield PredictedRecording(subject=names[name], predictions=predictions, reference=reference)


def _is_absence(known: ReferenceLabels, name: str) -> bool:
    """Whether the reference says nothing of a recording, rather than something that is at fault."""
    table = known.labels.table
    return known.lacks(name) is not None and (table is None or name not in table.facts)


def _read(
    predictor: Predictor,
    known: ReferenceLabels,
    source: Source,
    tally: Tally,
    stride: float | None,
    is_known: bool,
    absent_is_none: bool,
) -> tuple[Predictions, tuple[Event, ...]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PredictionWarning)
        recording = known.read(source, predictor.preprocessing.ch_names)
        found = []
        try:
            if is_known:
                found = known.stretches(source, recording, tally.labels_left_out, tally.told)
        except NoLabelsError:
            if not absent_is_none:
                raise
            tally.without_entry.append(source.recording)
        predictions = predictor.predict(recording, stride=stride)
    if predictions.notes:
        tally.predicted[source.recording] = predictions.notes
    return replace(predictions, name=source.recording), events_of(found)


def events_of(stretches: Iterable[Stretch]) -> tuple[Event, ...]:
    """Labelled stretches as events, in the order of time."""
    return tuple(
        Event(onset=one.onset, duration=one.duration, label=str(one.label))
        for one in sorted(stretches, key=lambda one: one[:2])
    )


def seen_of(known: ReferenceLabels, names: Mapping[str, str]) -> SeenData:
    """Checksums and subjects of recordings, to compare with what a model learnt from."""
    sums = {source.recording: checksum(source)[1] for source in known.sources}
    return SeenData(
        recordings={found: name for name, found in sums.items() if found is not None},
        subjects=tuple(sorted(set(names.values()))),
        unknown=tuple(name for name, found in sums.items() if found is None),
    )
