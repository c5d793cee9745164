"""Rules for events that suit a model, found on the validation recordings of its run."""

# R windows of a recording, K labels
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from math import exp, isfinite, log
from operator import add
from typing import Any

import numpy as np

from biot.choices import EventScore
from biot.corpus.manifest import Manifest
from biot.decision import Decision
from biot.errors import ConfigError, counted
from biot.evaluation.events.counts import EventCounts
from biot.evaluation.events.counts import event_counts as counts_of
from biot.evaluation.events.rules import EventScoring
from biot.evaluation.metrics import Floats
from biot.events.detect import detect
from biot.events.event import Event
from biot.events.rules import EventRules
from biot.model.biot import BIOT
from biot.preprocessing import Preprocessing
from biot.training.datasets import Subset, batches_of
from biot.training.distributed import placed
from biot.training.finetuning.config import FinetuneConfig
from biot.training.scoring import predict_logits

__all__ = ["EventTuning", "require_events", "tune_events"]

_OPTION = "tune_events (--tune-events)"
_FINE = 100.0  # Hz, of the grid on which overlaps are counted


@dataclass(frozen=True, kw_only=True)
class EventTuning:
    """The rules that were kept, and how well their events agree with the labels."""

    rules: EventRules
    scoring: EventScoring
    n_tried: int
    """Sets of rules that were tried."""
    before: EventCounts
    """On validation, with no rule but the background."""
    valid: EventCounts
    """On validation, with the rules that were kept."""
    test: EventCounts | None
    """On the test, with these rules; None where it holds no events, or no time."""
    valid_all: EventCounts
    """On validation, of one event of each label over all of every recording."""
    test_all: EventCounts | None
    """The same on the test."""
    n_valid: int
    """Validation recordings."""
    n_test: int

    def to_dict(self) -> dict[str, Any]:
        """For ``metrics.json``."""
        return {
            "rules": self.rules.to_dict(),
            "scoring": asdict(self.scoring),
            "n_tried": self.n_tried,
            "valid": {
                **_scores(self.valid, self.n_valid),
                "f1_without_rules": _number(self.before.f1),
                "f1_of_one_event_over_all": _number(self.valid_all.f1),
            },
            "test": None if self.test is None or self.test_all is None else {
                **_scores(self.test, self.n_test),
                "f1_of_one_event_over_all": _number(self.test_all.f1),
            },
            "in_words": list(self.in_words),
        }  # fmt: skip

    @property
    def in_words(self) -> tuple[str, ...]:
        """A sentence each."""
        how = (
            "any overlap finds an event" if not self.scoring.tolerance_end
            else "with SzCORE's tolerances"
        )  # fmt: skip
        told = [
            f"Rules for events: {self.rules}.",
            f"Event F1 on validation: {self.valid.f1:.3f} with these rules, "
            f"{self.before.f1:.3f} without ({_counted(self.valid, self.n_valid)}; {how}). Rules "
            "that are chosen on these recordings flatter them.",
            _compared(self.valid, self.valid_all),
        ]
        if self.test is None or self.test_all is None:
            told.append("Event F1 on the test: not known, since its labels make no events.")
        else:
            told.append(
                f"Event F1 on the test: {self.test.f1:.3f} ({_counted(self.test, self.n_test)}). "
                f"{_compared(self.test, self.test_all)}"
            )
        return tuple(told)

    @property
    def figures(self) -> dict[str, float]:
        """For the model's card."""
        parts = {"validation": self.valid, "test": self.test}
        return {
            f"{name} event F1 ({counts.reference} events)": counts.f1
            for name, counts in parts.items()
            if counts is not None and isfinite(counts.f1)
        }


def _compared(found: EventCounts, everything: EventCounts) -> str:
    """What calling everything an event reaches, and whether the model's events are better."""
    told = f"One event over all of every recording would have {everything.f1:.3f}"
    if found.f1 > everything.f1:  # not so where it is NaN: no event at all
        return f"{told}."
    return f"{told}: the model has not been shown to find events."


def _counted(counts: EventCounts, n_recordings: int) -> str:
    """Such as ``"1 event in 2 recordings"``."""
    return f"{counted(counts.reference, 'event')} in {counted(n_recordings, 'recording')}"


def _scores(counts: EventCounts, n_recordings: int) -> dict[str, Any]:
    return {
        "n_recordings": n_recordings, "n_events": counts.reference,
        "n_predicted": counts.predicted,
        **{name: _number(getattr(counts, name)) for name in ("f1", "sensitivity", "precision")},
    }  # fmt: skip


def _number(value: float) -> float | None:
    return value if isfinite(value) else None


@dataclass(frozen=True, kw_only=True)
class _Trace:
    """The windows of one recording in the order of time."""

    start: Floats
    stop: Floats
    truth: Floats
    """(R, K) 1 where a label holds."""
    probabilities: Floats | None = None

    def events(
        self, values: Floats, names: Sequence[str], decision: Decision, rules: EventRules
    ) -> tuple[Event, ...]:
        return detect(self.start, self.stop, values, names, decision, rules)


def require_events(part: Subset, contract: Preprocessing, config: FinetuneConfig) -> EventRules:
    """Refuse, before the training, validation windows on which no rules could be tuned.

    Returns
    -------
    EventRules
        With the background alone.

    Raises
    ------
    ConfigError
        With the reason and the way out.
    """
    if contract.task == "regression":
        raise ConfigError(f"{_OPTION}: the task is regression, and numbers make no events.")
    manifest = Manifest.load(part.corpus.path)
    if manifest is not None and manifest.parameters.get("source") == "arrays":
        raise ConfigError(
            f"{_OPTION}: the windows of {part.corpus.path} came as arrays, which do not say when "
            "they were recorded. Leave it out, or prepare recordings with `biot prepare`."
        )
    names = contract.label_names or ()
    plain = EventRules(background=config.event_background)
    try:
        background = plain.background_among(names)
    except ConfigError as error:
        raise ConfigError(f"event_{error}") from None
    if contract.task == "classes" and background is None and config.event_background is None:
        raise ConfigError(
            f"{_OPTION}: which of the labels {', '.join(names)} makes no events? Name it with "
            "event_background (--event-background), or give an empty text if all make events."
        )
    traces = _traces(part, contract)
    if not any((one.truth != one.truth[0]).any() for one in traces):
        raise ConfigError(
            f"{_OPTION}: each of the {counted(len(traces), 'validation recording')} has one label "
            "throughout, "
            "so that none of them holds an event that begins or ends. Leave it out, or choose "
            "another seed or valid_share (--seed, --valid-share)."
        )
    if not any(_reference(traces, contract, plain)):
        raise ConfigError(
            f"{_OPTION}: the "
            f"{counted(len(traces), 'validation recording holds', 'validation recordings hold')} "
            "no event"
            f"{'' if background is None else f', only {background}'}. Choose another seed or "
            "valid_share (--seed, --valid-share)."
        )
    return plain if background is None else EventRules(background=background)


def tune_events(
    fabric: Any, model: BIOT, contract: Preprocessing, valid: Subset, test: Subset,
    config: FinetuneConfig, plain: EventRules, *,
    tested: tuple[BIOT, Preprocessing] | None = None,
) -> EventTuning:  # fmt: skip
    """The rules of a small grid whose events agree best with the labels of the validation.

    What counts as an event of the reference is a stretch of neighbouring windows with one label;
    time without a labelled window is left out. First smoothing and thresholds are chosen, then the
    shortest event and the gaps that are closed, by the event F1 over all recordings and labels; of
    equals by the F1 of samples, then the rules that come first, which are those with fewer of them.
    Rules whose events fill the time, see :func:`_fills`, are not taken, as an event that never ends
    finds every other. The refractory time is left at 0.

    Parameters
    ----------
    model
        As trained.
    contract
        With the decision of the model.
    valid, test
        Windows; the test takes no part in the choice.
    plain
        From :func:`require_events`.
    tested
        The model that is scored on the test and its contract, where they are others: of a refit.
    """
    traces = _predicted(fabric, model, contract, valid, config)
    reference = _reference(traces, contract, plain)
    scoring = _scoring(config.event_scoring, reference)

    def score(rules: EventRules) -> EventCounts:
        return _counts(traces, reference, contract, rules, scoring)

    step = _step(traces)
    before = score(plain)
    kept, best, n_tried = plain, before, 1
    for candidates in (_levels, _durations):
        for rules in candidates(kept, step, contract):
            found, n_tried = score(rules), n_tried + 1
            if not _fills(found) and _rank(found) > _rank(best):
                kept, best = rules, found
    final, its = tested or (model, contract)
    of_test = _predicted(fabric, final, its, test, config)
    true = _reference(of_test, its, plain)
    is_timed = any((one.truth != one.truth[0]).any() for one in of_test)
    return EventTuning(
        rules=kept, scoring=scoring, n_tried=n_tried, before=before, valid=best,
        test=_counts(of_test, true, its, kept, scoring) if any(true) and is_timed else None,
        valid_all=_of_everything(traces, reference, contract, plain, scoring),
        test_all=_of_everything(of_test, true, contract, plain, scoring) if of_test else None,
        n_valid=len(traces), n_test=len(of_test),
    )  # fmt: skip


def _rank(counts: EventCounts) -> tuple[float, float]:
    """The larger the better; rounded, so that sums in another order count as equal."""
    of_events, of_samples = (
        round(one.f1, 9) if isfinite(one.f1) else 0.0 for one in (counts, counts.sample)
    )
    return of_events, of_samples


def _fills(counts: EventCounts) -> bool:
    """Whether events take over half as much time again as the labels', and a quarter of all."""
    sample = counts.sample
    said, all_time = sample.tp + sample.fp, sample.reference + sample.fp + sample.tn
    return said > 1.5 * sample.reference and said > all_time / 4


def _of_everything(
    traces: Sequence[_Trace],
    reference: Sequence[Sequence[Event]],
    contract: Preprocessing,
    plain: EventRules,
    scoring: EventScoring,
) -> EventCounts:
    """Counts of one event of each label over all of every recording."""
    names = contract.label_names or ()
    background = plain.background_among(names)
    found = [
        counts_of(_spans(true, name), [(float(one.start.min()), end)], end, scoring)
        for one, true in zip(traces, reference, strict=True)
        for end in [float(one.stop.max())]
        for name in names
        if name != background
    ]
    return reduce(add, found)


def _levels(base: EventRules, step: float, contract: Preprocessing) -> Iterator[EventRules]:
    """Smoothing over 0, 3 or 5 windows, with thresholds around the model's own."""
    own = _odds(contract, base)
    pairs: list[tuple[float | None, float | None]] = [(None, None)]
    for lower in (0, 1.5):  # with one threshold, then with a lower one at which events end
        pairs += [
            (_probability(own + shift), _probability(own + shift - lower))
            for shift in (1, -1, 2, -2, 3)
        ]
    for on, off in pairs:
        for smoothing in (0, 3 * step, 5 * step):
            if smoothing or on is not None:
                yield base.changed(smoothing=smoothing, on=on, off=off)


def _probability(odds: float) -> float:
    """Of the logarithm of its odds, as people write it."""
    return min(max(round(1 / (1 + exp(-odds)), 3), 0.001), 0.999)


def _durations(base: EventRules, step: float, _: Preprocessing) -> Iterator[EventRules]:
    """Gaps of none, one or three windows closed; events of fewer than two or four left out."""
    for shortest in (0, 2 * step, 4 * step):
        for gap in (0, 1.5 * step, 3.5 * step):
            if shortest or gap:
                yield base.changed(min_duration=shortest, merge_gap=gap)


def _odds(contract: Preprocessing, base: EventRules) -> float:
    """Logarithm of the odds from which on the model itself says yes; of several labels, a mean."""
    names = contract.label_names or ()
    limits = contract.decision.limits(len(names))
    if limits is None:
        return 0.0
    if contract.task == "classes" and base.background_among(names) == names[1]:
        limits = (1 - limits[0],)
    return float(np.mean([log(x / (1 - x)) for x in np.clip(limits, 0.01, 0.99)]))


def _scoring(kind: EventScore, reference: Sequence[Sequence[Event]]) -> EventScoring:
    """SzCORE's; or any overlap, where longer events than the longest of the reference are split."""
    if kind == "szcore":
        return EventScoring()
    longest = max(event.duration for events in reference for event in events)
    return EventScoring(
        tolerance_start=0, tolerance_end=0, min_gap=0, max_event_duration=max(longest, 0.1),
        rate=_FINE, sample_rate=_FINE,
    )  # fmt: skip


def _counts(
    traces: Sequence[_Trace],
    reference: Sequence[Sequence[Event]],
    contract: Preprocessing,
    rules: EventRules,
    scoring: EventScoring,
) -> EventCounts:
    """Over all recordings and labels."""
    names, decision = contract.label_names or (), contract.decision
    found = []
    for trace, true in zip(traces, reference, strict=True):
        assert trace.probabilities is not None
        said = trace.events(trace.probabilities, names, decision, rules)
        end = float(trace.stop.max())
        found += [counts_of(_spans(true, n), _spans(said, n), end, scoring) for n in names]
    return reduce(add, found)


def _spans(events: Sequence[Event], label: str) -> list[tuple[float, float]]:
    return [(event.onset, event.stop) for event in events if event.label == label]


def _reference(
    traces: Sequence[_Trace], contract: Preprocessing, plain: EventRules
) -> list[tuple[Event, ...]]:
    """Stretches of neighbouring windows with one label; most windows decide where they overlap."""
    decision, names = Decision(task=contract.task), contract.label_names or ()
    return [trace.events(trace.truth, names, decision, plain) for trace in traces]


def _step(traces: Sequence[_Trace]) -> float:
    """Seconds between the starts of windows, as most have them."""
    steps = np.concatenate([np.diff(trace.start) for trace in traces])
    return float(np.median(steps[steps > 0]))


def _predicted(
    fabric: Any, model: BIOT, contract: Preprocessing, part: Subset, config: FinetuneConfig
) -> list[_Trace]:
    """The recordings with the model's probabilities."""
    outputs, _, _ = predict_logits(
        placed(fabric, model), batches_of(part, config.batch_size), fabric.device
    )
    return _traces(part, contract, contract.decision.probabilities(outputs))


def _traces(
    part: Subset, contract: Preprocessing, probabilities: Floats | None = None
) -> list[_Trace]:
    """The labelled windows of each recording."""
    corpus, rows = part.corpus, part.rows
    n_names = len(contract.label_names or ())
    truth = part.labels if part.labels.ndim == 2 else np.eye(n_names)[part.labels]
    start = corpus.starts[rows]
    stop = start + corpus.lengths[rows] / corpus.sfreq
    names, codes = np.unique(corpus.recordings[rows], return_inverse=True)
    traces = []
    for code in range(len(names)):
        own = np.flatnonzero(codes == code)
        own = own[np.argsort(start[own], kind="stable")]
        traces.append(
            _Trace(
                start=start[own], stop=np.maximum.accumulate(stop[own]),
                truth=np.asarray(truth[own], dtype=np.float64),
                probabilities=None if probabilities is None else probabilities[own],
            )
        )  # fmt: skip
    return traces
