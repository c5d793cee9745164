"""`evaluate_events`: how well a model finds events in recordings or in a corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from biot.corpus.builder.labels.mapping import LabelMap
from biot.corpus.builder.reference import ReferenceLabels, names_recordings
from biot.corpus.builder.settings import PrepareConfig
from biot.corpus.leakage import SeenData, note_of_leakage, require_disjoint
from biot.corpus.schema import INFO_FILE, LABELS_FILE, STATE_FILE
from biot.device import Device, Precision
from biot.errors import ConfigError, CorpusError, counted, listed
from biot.evaluation.events.curve import OperatingCurve, operating_curve, thresholds_of
from biot.evaluation.events.nights import SleepEvaluation, score_nights
from biot.evaluation.events.rules import EventScoring
from biot.evaluation.events.scores import EventEvaluation, score_events
from biot.evaluation.events.sleep import stages_among
from biot.events.event import Event, Events
from biot.events.rules import EventRules
from biot.inference.predictions import Predictions
from biot.inference.predictor import Predictor
from biot.inference.scoring.corpora import WindowedRecording, covered_seconds, recordings_of
from biot.inference.scoring.nights import night_of
from biot.inference.scoring.recordings import (
    PredictedRecording,
    Tally,
    events_of,
    predicted_recordings,
    seen_of,
)
from biot.inference.scoring.report import EventReport

__all__ = ["Absent", "evaluate_events", "is_corpus"]

Absent = Literal["left out", "no events"]
"""What it means that a reference has no entry for a recording."""

_OWN = ("windows", "labels")
_WORDS = ("annotations", "sidecars", "layout")


@dataclass(frozen=True, kw_only=True)
class _Data:
    """What is to be scored."""

    recordings: list[PredictedRecording]
    recorded: dict[str, float] | None
    tally: Tally
    notes: tuple[str, ...]


def evaluate_events(
    model: str | Path,
    data: str | Path | Sequence[str | Path],
    reference: str | Path,
    *,
    labels: Mapping[str, Any] | None = None,
    scoring: EventScoring | None = None,
    rules: EventRules | None = None,
    rule_changes: Mapping[str, Any] | None = None,
    stride: float | None = None,
    absent: Absent = "left out",
    curve: bool = False,
    device: Device = "auto",
    precision: Precision = "32",
    batch_size: int = 64,
    n_bootstrap: int = 1000,
    seed: int = 0,
    allow_leakage: bool = False,
) -> EventReport:
    """Event scores of a model; for stages of sleep, scores of nights beside them.

    Parameters
    ----------
    model
        Folder of the model.
    data
        Recordings and folders of them, each of which is predicted; or a corpus.
    reference
        Where the true events are. Of recordings: a table of labels, as `prepare` and `biot labels`
        have it; a folder with a file of labels for each recording, by name; one such file for one
        recording; ``"annotations"``, ``"sidecars"`` or ``"layout"``, as `prepare` knows them. Of
        a corpus: ``"windows"``, its labelled windows; ``"labels"``, its table of labels; or a table
        that names its recordings.
    labels
        Settings of `prepare` that say more of these labels, by name: `label_map`, `file_column`,
        `sidecar`, `subject`, `layout` and the like.
    scoring
        When an event counts as found; None: SzCORE's rules.
    rules, rule_changes
        How probabilities become events; None takes the model's rules. What differs from them, by
        name.
    stride
        Seconds between windows of recordings; None: the window.
    absent
        Recordings of which the reference says nothing are left out, or have ``"no events"``. A file
        of labels without events, or a row without a label, says that there are none.
    curve
        Try other thresholds too.
    device, precision, batch_size, n_bootstrap, seed, allow_leakage
        As in :func:`biot.evaluate`.

    Raises
    ------
    BiotError
        If there is nothing to score, the labels are none of the model's, or the model learnt from
        these subjects or recordings.
    """
    if absent not in ("left out", "no events"):
        raise ConfigError(f"absent must be 'left out' or 'no events', got {absent!r}.")
    where = [Path(data)] if isinstance(data, str | Path) else [Path(one) for one in data]
    how = scoring or EventScoring()
    more = dict(labels or {})
    if absent == "no events":
        more["background"] = "no event"  # for what is told of recordings without a file
    settings = _labels_from(more, reference)
    computing: dict[str, Any] = {"device": device, "precision": precision}
    if len(where) == 1 and is_corpus(where[0]):
        found = _of_corpus(
            Path(model), where[0], more, str(reference), stride, allow_leakage,
            {**computing, "batch_size": batch_size},
        )  # fmt: skip
    else:
        found = _of_recordings(
            Path(model), where, settings, reference, stride, absent == "no events", allow_leakage,
            computing,
        )  # fmt: skip
    if not found.recordings:
        raise CorpusError(
            f"None of the {counted(len(found.tally.left_out), 'recording')} could be scored: "
            f"{listed([f'{n} ({why})' for n, why in found.tally.left_out.items()], 3)}"
        )
    return _scored(found, how, rules, rule_changes or {}, curve, n_bootstrap, seed)


def is_corpus(path: Path) -> bool:
    """Whether a folder is a corpus, not one of recordings."""
    return (path / STATE_FILE).is_file() or (path / INFO_FILE).is_file()


def _labels_from(labels: Mapping[str, Any], reference: str | Path) -> PrepareConfig:
    """The settings of labels, which come from the reference."""
    path, known = Path(reference), str(reference) in _WORDS
    if not (known or str(reference) in _OWN or path.exists()):
        raise ConfigError(
            f"events must be a table of labels, a folder of files of labels, or one of "
            f"{', '.join((*_WORDS, *_OWN))}; {reference} does not exist."
        )
    is_table = path.is_file() and ("file_column" in labels or names_recordings(path))
    return PrepareConfig(**{**labels, "labels": str(path) if known or is_table else "annotations"})


def _of_recordings(
    model: Path,
    where: list[Path],
    settings: PrepareConfig,
    reference: str | Path,
    stride: float | None,
    absent_is_none: bool,
    allow_leakage: bool,
    computing: dict[str, Any],
) -> _Data:
    if str(reference) in _OWN:
        raise ConfigError(
            f"events is {str(reference)!r}, which is of a corpus, but {where[0]} is none. Give a "
            f"table, a folder of files of labels, or {', '.join(_WORDS)}."
        )
    predictor = Predictor.from_pretrained(model, **computing)
    contract = predictor.preprocessing
    settings = replace(settings, task=contract.task) if contract.task != "classes" else settings
    place = _place(reference, settings.file_column is not None)
    known = ReferenceLabels.open(where, settings, place=place)
    names = {one.recording: known.subject(one) for one in known.sources}
    leakage = require_disjoint(
        SeenData.load(model), seen_of(known, names),
        where=f"the training of {model} and {listed(list(map(str, where)), 3)}",
        allow_leakage=allow_leakage,
    )  # fmt: skip
    tally = Tally()
    found = predicted_recordings(
        predictor, known, tally, stride=stride, absent_is_none=absent_is_none, names=names
    )
    note = note_of_leakage(leakage)
    notes = (*([] if note is None else [note]), *(f"Labels: {text}." for text in known.notes))
    return _Data(recordings=list(found), recorded=None, tally=tally, notes=notes)


def _place(reference: str | Path, named: bool) -> Path | None:
    """The folder or file of labels that a reference is; None for a table of recordings or a word.

    A file that names no recording is the file of labels of one, or a list of several.
    """
    path = Path(reference)
    if str(reference) in _WORDS:
        return None
    return None if path.is_file() and (named or names_recordings(path)) else path


def _notes_of_corpus(leakage: str | None, in_windows: float, in_all: float) -> list[str]:
    """What a reader of the scores must know, from the seconds in windows and in recordings."""
    notes = [] if leakage is None else [leakage]
    if in_windows < 0.999 * in_all:
        notes.append(
            f"False positives a day are of the {in_windows / 3600:.2f} h that lie in windows of "
            "the corpus; nobody knows what lies between."
        )
    return notes


def _of_corpus(
    model: Path,
    corpus: Path,
    labels: Mapping[str, Any],
    reference: str,
    stride: float | None,
    allow_leakage: bool,
    computing: dict[str, Any],
) -> _Data:
    if stride is not None:
        raise ConfigError(f"stride is for recordings; the windows of {corpus} lie where they are.")
    if reference in _WORDS or (reference not in _OWN and Path(reference).is_dir()):
        raise ConfigError(
            f"{corpus} is a corpus, which holds windows only, and events {reference!r} is read "
            "with recordings. Give windows, labels or a table that names its recordings, as `biot "
            "labels` makes one of files of labels; or the recordings instead of the corpus."
        )
    data, found = recordings_of(model, corpus, **computing)
    leakage = require_disjoint(
        SeenData.load(model), SeenData.of(data),
        where=f"the training of {model} and {corpus}", allow_leakage=allow_leakage,
    )  # fmt: skip
    tally, recordings = Tally(), list(found)
    scored = _referenced(recordings, corpus, labels, reference, tally)
    recorded = {one.predictions.name: covered_seconds(one.predictions) for one in scored}
    lengths = sum(one.predictions.duration or 0.0 for one in scored)
    notes = _notes_of_corpus(note_of_leakage(leakage), sum(recorded.values()), lengths)
    return _Data(recordings=scored, recorded=recorded, tally=tally, notes=tuple(notes))


def _referenced(
    recordings: Sequence[WindowedRecording],
    corpus: Path,
    labels: Mapping[str, Any],
    reference: str,
    tally: Tally,
) -> list[PredictedRecording]:
    """The recordings of a corpus of which something is known, with that."""
    named = labels.get("label_map")
    label_map = None if named is None else LabelMap.read(named)
    known = None
    if reference != "windows":
        table = corpus / LABELS_FILE if reference == "labels" else Path(reference)
        names = [one.name for one in recordings]
        known = ReferenceLabels.named(names, _labels_from(labels, table))
    scored = []
    for one in recordings:
        lacks = None if known is None else known.lacks(one.name)
        if known is None and not one.is_labelled:
            lacks = "none of its windows has a label"
        if lacks is not None:
            tally.left_out[one.name] = lacks
            continue
        events = (
            _mapped(one.labelled, label_map) if known is None
            else _of_table(known, one.name, one.predictions, tally)
        )  # fmt: skip
        length = one.predictions.duration or 0.0
        true = Events(name=one.name, events=events, duration=length)
        scored.append(
            PredictedRecording(subject=one.subject, predictions=one.predictions, reference=true)
        )
    return scored


def _mapped(events: tuple[Event, ...], label_map: LabelMap | None) -> tuple[Event, ...]:
    pairs = {} if label_map is None else label_map.pairs
    named = (replace(event, label=pairs.get(event.label, event.label)) for event in events)
    return tuple(event for event in named if event.label)


def _of_table(
    known: ReferenceLabels, name: str, predictions: Predictions, tally: Tally
) -> tuple[Event, ...]:
    """The events that a table has of a recording of a corpus."""
    return events_of(known.in_table(name, predictions.duration or 0.0, tally.labels_left_out))


def _scored(
    found: _Data,
    how: EventScoring,
    rules: EventRules | None,
    changes: Mapping[str, Any],
    curve: bool,
    n_bootstrap: int,
    seed: int,
) -> EventReport:
    recordings = found.recordings
    predicted = [one.predictions.to_events(rules, **changes) for one in recordings]
    reference = [
        replace(one.reference, background=events.background)
        for one, events in zip(recordings, predicted, strict=True)
    ]
    scores: EventEvaluation = score_events(
        reference, predicted, how,
        subjects={one.predictions.name: one.subject for one in recordings},
        recorded=found.recorded, n_bootstrap=n_bootstrap, seed=seed,
    )  # fmt: skip
    drawn = None
    if curve:
        drawn = _curve(found, reference, rules, changes, how, predicted[0])
    return EventReport(
        events=scores,
        rules=predicted[0].rules,
        curve=drawn,
        sleep=_sleep(recordings, n_bootstrap, seed),
        left_out=found.tally.left_out,
        notes=(*found.notes, *found.tally.notes(), *_unusable(recordings)),
    )


def _unusable(recordings: Sequence[PredictedRecording]) -> list[str]:
    """What is to be said of windows of which the model says nothing."""
    lost = sum(int((~one.predictions.usable).sum()) for one in recordings)
    total = sum(len(one.predictions) for one in recordings)
    if not lost:
        return []
    return [
        f"Of {total} windows {lost} hold no usable data: nothing is predicted there, and the time "
        "counts as recorded, as SzCORE counts it."
    ]


def _curve(
    found: _Data,
    reference: Sequence[Events],
    rules: EventRules | None,
    changes: Mapping[str, Any],
    how: EventScoring,
    chosen: Events,
) -> OperatingCurve:
    """Scores over thresholds; the second threshold keeps its share of the first."""
    recordings = found.recordings
    own = rules or recordings[0].predictions.events_rules or EventRules()
    used = own.changed(**changes)
    share = 1.0 if used.on is None or used.off is None else used.off / max(used.on, 1e-9)

    def events_at(threshold: float | None) -> list[Events]:
        at = used
        if threshold is not None:
            at = replace(used, on=threshold, off=threshold * share)
        return [one.predictions.to_events(at) for one in recordings]

    names = recordings[0].predictions.label_names
    columns = [place for place, name in enumerate(names) if name != chosen.background]
    values = np.concatenate([one.predictions.probabilities[:, columns] for one in recordings])
    return operating_curve(
        reference, events_at, thresholds_of(values), how,
        rules=chosen.rules, recorded=found.recorded,
    )  # fmt: skip


def _sleep(
    recordings: Sequence[PredictedRecording], n_bootstrap: int, seed: int
) -> SleepEvaluation | None:
    """Scores of nights, where the model's labels are stages."""
    first = recordings[0].predictions
    stages = stages_among(first.label_names) if first.task == "classes" else None
    if stages is None:
        return None
    pairs = [
        (one, night_of(one.predictions, one.reference, one.subject, stages)) for one in recordings
    ]
    nights = [night for _, night in pairs if night is not None]
    if not nights:
        return None
    without = [one.predictions.name for one, night in pairs if night is None]
    notes = (
        [f"{counted(len(without), 'recording')} without stages: {listed(without, 3)}"]
        if without
        else []
    )
    return score_nights(nights, n_bootstrap=n_bootstrap, seed=seed, notes=notes)
