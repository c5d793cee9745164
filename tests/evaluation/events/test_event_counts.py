"""Event and sample scores against timescoring, the package of SzCORE's authors."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from timescoring import scoring as published
from timescoring.annotations import Annotation

from biot.errors import ConfigError
from biot.evaluation.events.counts import event_counts
from biot.evaluation.events.rules import EventScoring

RULES = [
    EventScoring(),
    EventScoring(tolerance_start=0, tolerance_end=0, min_gap=0, max_event_duration=1e6),
    EventScoring(min_overlap=0.5, tolerance_start=5, tolerance_end=5, min_gap=10),
    EventScoring(max_event_duration=20, min_gap=3.5, tolerance_start=1.5, tolerance_end=0.05),
]


def random_case(seed: int) -> tuple[list, list, float]:
    """Events of all lengths: touching, overlapping, close together, long, at both ends, none."""
    draw = np.random.default_rng(seed)
    duration = float(draw.choice([30, 100.3, 900, 3600, 4207.77]))
    on_grid = draw.random() < 0.5

    def events() -> list[tuple[float, float]]:
        found, now = [], 0.0 if draw.random() < 0.3 else draw.exponential(duration / 10)
        for _ in range(draw.integers(0, 12)):
            stop = now + draw.choice([0.04, 1, 10, 45, 200, 299.9, 300, 300.1, 700]) * draw.choice(
                [1, draw.random()]
            )
            found.append((now, min(stop, duration)))
            # overlapping, touching, closer than 90 s, 90 s, further
            now = stop + draw.choice([-0.3, 0, 0.05, 5, 89.9, 90, 90.1, duration / 8])
            now = max(now, found[-1][0])
            if now >= duration:
                break
        if found and draw.random() < 0.3:
            found[-1] = (found[-1][0], duration)
        return [(round(a, 1), round(b, 1)) for a, b in found] if on_grid else found

    reference, predicted = events(), events()
    if draw.random() < 0.4:  # most predictions lie near the truth
        shift = draw.normal(0, 40, len(reference))
        predicted = sorted(
            (min(max(0.0, a + s), duration), min(max(0.0, b + s), duration))
            for (a, b), s in zip(reference, shift, strict=True)
        )
    return not_nested(reference), not_nested(predicted), duration


def not_nested(events):
    """timescoring's merging shortens an event that holds another one to the end of that one."""
    ends = np.maximum.accumulate([stop for _, stop in events]) if events else []
    return [(float(a), float(b)) for (a, _), b in zip(events, ends, strict=True)]


def by_timescoring(reference, predicted, duration, rules):
    n_samples = round(duration * 10)
    both = [Annotation(list(events), 10, n_samples) for events in (reference, predicted)]
    param = published.EventScoring.Parameters(
        rules.tolerance_start, rules.tolerance_end, rules.min_overlap,
        rules.max_event_duration, rules.min_gap,
    )  # fmt: skip
    with np.errstate(invalid="ignore"):
        return published.EventScoring(*both, param), published.SampleScoring(*both)


DOCS = Path(__file__).parents[3] / "docs"
NAMES = {"sensitivity": "sensitivity", "precision": "precision", "f1": "f1", "fp_per_day": "fpRate"}


@pytest.mark.parametrize(("rules", "n_cases"), [*zip(RULES, (500, 150, 150, 150), strict=True)])
def test_scores_equal_those_of_timescoring_on_500_random_cases(rules, n_cases):
    totals = np.zeros(3, int)
    for seed in range(n_cases):
        reference, predicted, duration = random_case(seed)
        ours = event_counts(reference, predicted, duration, rules)
        events, samples = by_timescoring(reference, predicted, duration, rules)
        for own, theirs in ((ours, events), (ours.sample, samples)):
            found = (own.reference, own.tp, own.fp)
            assert found == (theirs.refTrue, theirs.tp, theirs.fp), (seed, reference, predicted)
            for name, their_name in NAMES.items():
                np.testing.assert_allclose(own.scores[name], getattr(theirs, their_name))
        totals += [ours.reference, ours.tp, ours.fp]
        assert ours.predicted == len(events.hyp.events)
        mask = ~(samples.ref.mask | samples.hyp.mask)
        assert (ours.sample.fn, ours.sample.tn) == (samples.fnMask.sum(), mask.sum())
    if n_cases == 500:
        cells = " | ".join(map(str, (500, 500, 500, *totals)))
        assert f"| {cells} |" in (DOCS / "event_scores.md").read_text(encoding="utf-8")


def test_overlapping_and_unsorted_events_equal_those_of_timescoring_from_a_mask():
    rules = EventScoring()
    for seed in range(100):
        draw = np.random.default_rng(seed)
        spans, masks = [], []
        for _ in range(2):
            onset = draw.integers(0, 17000, draw.integers(0, 8))
            stop = np.minimum(onset + draw.integers(1, 4000, len(onset)), 18000)
            mask = np.zeros(18000, bool)
            for first, last in zip(onset, stop, strict=True):
                mask[first:last] = True
            spans.append(list(zip(onset / 10, stop / 10, strict=True)))
            masks.append(Annotation(mask, 10))
        ours = event_counts(*spans, 1800.0, rules)
        theirs = published.EventScoring(*masks), published.SampleScoring(*masks)
        for own, other in zip((ours, ours.sample), theirs, strict=True):
            assert (own.reference, own.tp, own.fp) == (other.refTrue, other.tp, other.fp), seed


@pytest.mark.parametrize(
    ("reference", "predicted", "expected"),  # reference, tp, fp, predicted
    [
        ([], [], (0, 0, 0, 0)),
        ([(100, 130)], [], (1, 0, 0, 0)),
        ([], [(100, 130)], (0, 0, 1, 1)),
        ([(100, 130)], [(69, 70.1)], (1, 1, 0, 1)),  # ends in the tolerance before
        ([(100, 130)], [(60, 70)], (1, 0, 1, 1)),  # ends where the tolerance begins
        ([(100, 130)], [(189.9, 200)], (1, 1, 0, 1)),  # begins in the tolerance behind
        ([(100, 130)], [(190, 200)], (1, 0, 1, 1)),
        ([(100, 130), (219.9, 230)], [(100, 130)], (1, 1, 0, 1)),  # less than 90 s apart: one
        ([(100, 130), (220, 230)], [(100, 130)], (2, 1, 0, 1)),  # 90 s apart: two
        ([(100, 900)], [(100, 110)], (3, 1, 0, 1)),  # 800 s are three events
        ([(100, 110)], [(100, 900)], (1, 1, 2, 3)),  # two of three parts touch nothing found
        ([(100, 110), (104, 106)], [(107, 109)], (1, 1, 0, 1)),  # one event within another
        ([(0, 10)], [(990, 1000)], (1, 0, 1, 1)),  # at both ends
        ([(500, 500)], [(510, 520)], (1, 1, 0, 1)),  # an instant, found by its tolerance
    ],
)
def test_events_are_counted_as_the_rules_say(reference, predicted, expected):
    counts = event_counts(reference, predicted, 1000.0)
    assert (counts.reference, counts.tp, counts.fp, counts.predicted) == expected
    assert counts.fn == counts.reference - counts.tp


def test_scores_follow_from_the_counts():
    counts = event_counts([(100, 130), (400, 430)], [(100, 130), (800, 830)], 43200.0)
    assert (counts.sensitivity, counts.precision, counts.f1) == (0.5, 0.5, 0.5)
    assert counts.fp_per_day == 2.0
    assert counts.fp_per_hour == pytest.approx(1 / 12)
    assert counts.undefined == {}
    sample = counts.sample
    assert (sample.tp, sample.fp, sample.fn, sample.tn) == (30, 30, 30, 43110)


def test_counts_of_recordings_add_up():
    first = event_counts([(100, 130)], [], 3600.0)
    second = event_counts([], [(100, 130)], 1800.0)
    both = first + second
    assert (both.reference, both.tp, both.fp, both.predicted, both.duration) == (1, 0, 1, 1, 5400.0)
    assert (both.sample.fp, both.sample.fn, both.sample.tn) == (30, 30, 5340)


def test_what_is_undefined_is_nan_and_says_why():
    counts = event_counts([], [], 3600.0)
    assert math.isnan(counts.sensitivity)
    assert math.isnan(counts.f1)
    assert counts.fp_per_day == 0.0
    assert counts.undefined == {
        "sensitivity": "no reference event",
        "precision": "nothing was predicted that could be right or wrong",
        "f1": "no event, neither in the reference nor predicted",
    }
    assert set(event_counts([], [], 0.0).undefined.values()) == {"nothing was recorded"}


def test_what_lies_outside_the_recording_does_not_count():
    counts = event_counts([(-20, -10), (990, 1200)], [(1100, 1200), (-5, 3)], 1000.0)
    assert (counts.reference, counts.predicted) == (1, 1)
    assert counts.sample.reference == 10
    assert counts.sample.fp == 3


def test_events_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match=r"goes from 5 s to 4 s"):
        event_counts([(5, 4)], [], 10.0)
    with pytest.raises(ConfigError, match="finite"):
        event_counts([], [(math.nan, 4)], 10.0)
    with pytest.raises(ConfigError, match="duration must be 0 or more"):
        event_counts([], [], -1.0)
    with pytest.raises(ConfigError, match="min_overlap must be 0 or more and below 1"):
        EventScoring(min_overlap=1.0)
