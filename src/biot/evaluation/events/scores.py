"""`score_events`: event and sample scores over recordings and subjects."""

# S subjects, R resamples
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError, counted, listed
from biot.evaluation.events.counts import (
    Counts,
    EventCounts,
    event_counts,
)
from biot.evaluation.events.labels import common_labels
from biot.evaluation.events.rules import EventScoring
from biot.evaluation.events.tables import scores_text
from biot.evaluation.metrics import (
    Floats,
    Intervals,
    draw_intervals,
    mean_intervals,
    mean_of_defined,
    share,
)
from biot.evaluation.plain import without_nan
from biot.events.event import Events

__all__ = ["EventEvaluation", "RecordingCounts", "Summary", "score_events"]

_COUNTS = ("reference", "tp", "fp", "duration")


@dataclass(frozen=True, kw_only=True)
class RecordingCounts:
    """What was found in one recording."""

    name: str
    subject: str
    labels: dict[str, EventCounts]
    """By label that makes events."""

    @property
    def counts(self) -> EventCounts:
        """Of all labels together; the time counts once."""
        return _together(list(self.labels.values()))


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Scores of events, or of samples: of all recordings pooled, and the mean over subjects."""

    counts: Counts
    """Of all recordings together."""
    intervals: Intervals | None
    """95 % bootstrap interval over subjects of each pooled score; None where it cannot be had."""
    mean: dict[str, float]
    """Mean over the subjects for whom a score is defined."""
    sd: dict[str, float]
    """Standard deviation over these subjects; NaN for fewer than two."""
    mean_intervals: Intervals | None
    n_defined: dict[str, int]
    """Subjects for whom a score is defined."""

    @property
    def scores(self) -> dict[str, float]:
        """The pooled scores; NaN where one is undefined."""
        return self.counts.scores

    def to_dict(self) -> dict[str, Any]:
        """Plain values; NaN where undefined."""
        return {
            **counts_dict(self.counts),
            "intervals": self.intervals,
            "mean_over_subjects": self.mean,
            "sd_over_subjects": self.sd,
            "mean_intervals": self.mean_intervals,
            "n_subjects_defined": self.n_defined,
        }


@dataclass(frozen=True, kw_only=True)
class EventEvaluation:
    """Event scores of a model; ``str()`` gives tables, `to_dict` plain values."""

    scoring: EventScoring
    label_names: tuple[str, ...]
    """Labels that make events."""
    recordings: tuple[RecordingCounts, ...]
    events: Summary
    samples: Summary
    one_event_over_all: EventCounts
    """What one event of each label over all of every recording would reach."""
    n_marked: int
    """Reference events before any was merged or split."""
    no_intervals: str | None
    """Why there are no intervals."""
    notes: tuple[str, ...] = ()
    """What a reader of the scores must know, a sentence each."""

    @property
    def labels(self) -> dict[str, EventCounts]:
        """Counts of each label over all recordings."""
        return {
            name: _added([one.labels[name] for one in self.recordings]) for name in self.label_names
        }

    @property
    def subjects(self) -> dict[str, EventCounts]:
        """Counts of each subject over its recordings."""
        return _by_subject(self.recordings)

    @property
    def n_without_events(self) -> int:
        """Recordings without a reference event; what is predicted there is false."""
        return sum(one.counts.reference == 0 for one in self.recordings)

    @property
    def hours(self) -> float:
        """Recorded hours that the scores are of."""
        return self.events.counts.duration / 3600

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them: what is undefined is None."""
        plain: dict[str, Any] = without_nan(
            {
                "n_recordings": len(self.recordings),
                "n_recordings_without_events": self.n_without_events,
                "n_subjects": len(self.subjects),
                "hours": self.hours,
                "label_names": self.label_names,
                "rules": {
                    one.name: getattr(self.scoring, one.name) for one in fields(EventScoring)
                },
                "events": self.events.to_dict(),
                "samples": self.samples.to_dict(),
                "one_event_over_all": both_dict(self.one_event_over_all),
                "n_reference_events_marked": self.n_marked,
                "no_intervals": self.no_intervals,
                "labels": {name: both_dict(one) for name, one in self.labels.items()},
                "subjects": {name: both_dict(one) for name, one in self.subjects.items()},
                "recordings": {
                    one.name: {"subject": one.subject, **both_dict(one.counts)}
                    for one in self.recordings
                },
                "notes": self.notes,
            }
        )
        return plain

    def __str__(self) -> str:
        return scores_text(self.to_dict())

    def __repr__(self) -> str:
        counts = self.events.counts
        return (
            f"EventEvaluation({counted(len(self.recordings), 'recording')}, {self.hours:.2f} h, "
            f"{counts.reference} events: sensitivity {counts.sensitivity:.3f}, "
            f"F1 {counts.f1:.3f}, {counts.fp_per_day:.3g} false positives a day)"
        )


def score_events(
    reference: Sequence[Events],
    predicted: Sequence[Events],
    scoring: EventScoring | None = None,
    *,
    subjects: Mapping[str, str] | None = None,
    recorded: Mapping[str, float] | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> EventEvaluation:
    """How well events were found in recordings, each label by itself.

    Parameters
    ----------
    reference, predicted
        One of each for every recording, which meet by name. Recordings without reference events
        belong to them: what is predicted there is false. Labels meet by name, whatever their case;
        the background makes no events; reference events of labels that are not predicted do not
        count, and `notes` say so.
    scoring
        The rules; None: SzCORE's.
    subjects
        Whose each recording is, by its name; None: each is its own subject.
    recorded
        Seconds that false positives a day refer to, by recording; None: its whole length, as
        SzCORE counts, whether the model could say something of all of it or not.
    n_bootstrap, seed
        Resamples of subjects for the intervals (0 for none), and their seed.
    notes
        What else is to be said.

    Raises
    ------
    ConfigError
        If there is no recording, a name is there twice or on one side only, or no label of the
        reference is among those predicted.
    """
    how = scoring or EventScoring()
    pairs = _pairs(reference, predicted)
    meeting = common_labels([true for true, _ in pairs], [said for _, said in pairs])
    found, over_all, n_marked = [], [], 0
    for true, said in pairs:
        spans = meeting.spans(true), meeting.spans(said)
        labels = {
            name: event_counts(spans[0][name], spans[1][name], said.duration, how)
            for name in meeting.names
        }
        whole = [(0.0, said.duration)]
        over_all += [event_counts(of, whole, said.duration, how) for of in spans[0].values()]
        n_marked += sum(map(len, spans[0].values()))
        seconds = None if recorded is None else recorded.get(said.name)
        if seconds is not None:
            labels = {name: _looked_at(one, seconds) for name, one in labels.items()}
        subject = said.name if subjects is None else subjects[said.name]
        found.append(RecordingCounts(name=said.name, subject=subject, labels=labels))
    own = _by_subject(found)
    total = _added(list(own.values()))
    few = "one subject: no interval" if len(own) < 2 else None
    return EventEvaluation(
        scoring=how,
        label_names=meeting.names,
        recordings=tuple(found),
        events=_summary(total, list(own.values()), n_bootstrap, seed),
        samples=_summary(total.sample, [one.sample for one in own.values()], n_bootstrap, seed),
        one_event_over_all=_added(over_all),
        n_marked=n_marked,
        no_intervals=few or ("no resamples were asked for" if n_bootstrap < 1 else None),
        notes=(*notes, *meeting.notes),
    )


def _pairs(reference: Sequence[Events], predicted: Sequence[Events]) -> list[tuple[Events, Events]]:
    """Reference and prediction of each recording, in the order of the predictions."""
    for what, given in (("reference", reference), ("predicted", predicted)):
        names = [one.name for one in given]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"{what} has {listed(twice)} more than once; give each once.")
    true = {one.name: one for one in reference}
    said = {one.name: one for one in predicted}
    alone = [name for name in (*true, *said) if not (name in true and name in said)]
    if alone:
        raise ConfigError(
            f"reference and predicted must be of the same recordings; {listed(alone)} is in one of "
            "them only. A recording without events has Events with none."
        )
    if not said:
        raise ConfigError("There is no recording to score.")
    return [(true[name], one) for name, one in said.items()]


def _looked_at(counts: EventCounts, seconds: float) -> EventCounts:
    """Counts of a recording of which only so many seconds were looked at."""
    sample = counts.sample
    n_samples = round(seconds * (sample.reference + sample.fp + sample.tn) / sample.duration)
    tn = max(0, n_samples - sample.reference - sample.fp)
    looked = replace(sample, tn=tn, duration=seconds)
    return replace(counts, duration=seconds, sample=looked)


def _added(counts: Sequence[EventCounts]) -> EventCounts:
    """Counts of several recordings."""
    total = counts[0]
    for one in counts[1:]:
        total = total + one
    return total


def _together(counts: Sequence[EventCounts]) -> EventCounts:
    """Counts of several labels in the same time."""
    total, first = _added(counts), counts[0]
    sample = replace(total.sample, duration=first.sample.duration)
    return replace(total, duration=first.duration, sample=sample)


def _by_subject(recordings: Sequence[RecordingCounts]) -> dict[str, EventCounts]:
    whose: dict[str, list[EventCounts]] = {}
    for one in recordings:
        whose.setdefault(one.subject, []).append(one.counts)
    return {name: _added(own) for name, own in sorted(whose.items())}


def _summary(total: Counts, subjects: Sequence[Counts], n_bootstrap: int, seed: int) -> Summary:
    names = list(total.scores)
    values = {name: np.array([one.scores[name] for one in subjects]) for name in names}
    return Summary(
        counts=total,
        intervals=draw_intervals(_pooled(subjects), len(subjects), n_bootstrap, seed),
        mean={name: mean_of_defined(of) for name, of in values.items()},
        sd={name: _sd(of) for name, of in values.items()},
        mean_intervals=mean_intervals(values, n_bootstrap, seed),
        n_defined={name: int(np.isfinite(of).sum()) for name, of in values.items()},
    )


def _pooled(subjects: Sequence[Counts]) -> Callable[[npt.NDArray[np.int64]], dict[str, Floats]]:
    """From how often each subject is drawn to the pooled scores of each resample."""
    table_SN = np.array(
        [[getattr(one, name) for name in _COUNTS] for one in subjects], dtype=np.float64
    )

    def scores_of(draws_RS: npt.NDArray[np.int64]) -> dict[str, Floats]:
        reference, tp, fp, duration = (draws_RS @ table_SN).T
        return {
            "sensitivity": share(tp, reference),
            "precision": share(tp, tp + fp),
            "f1": share(2 * tp, tp + fp + reference),
            "fp_per_day": share(fp * 86400, duration),
            "fp_per_hour": share(fp * 3600, duration),
        }

    return scores_of


def _sd(values: Floats) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.std(ddof=1)) if len(defined) > 1 else math.nan


def counts_dict(counts: Counts) -> dict[str, Any]:
    """Counts and scores of events or samples, and why a score is undefined."""
    plain = {key: value for key, value in asdict(counts).items() if key != "sample"}
    return {**plain, "fn": counts.fn, **counts.scores, "undefined": counts.undefined}


def both_dict(counts: EventCounts) -> dict[str, Any]:
    """The same of events, with those of samples beside them."""
    return {**counts_dict(counts), "samples": counts_dict(counts.sample)}
