"""Event scores over recordings and subjects."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from biot.errors import ConfigError
from biot.evaluation.events.rules import EventScoring
from biot.evaluation.events.scores import score_events
from biot.events.event import Event, Events

HOUR = 3600.0


def events(name, *spans, label="seiz", duration=HOUR, names=("bckg", "seiz"), background="bckg"):
    found = tuple(
        Event(onset=a, duration=b - a, label=rest[0] if rest else label) for a, b, *rest in spans
    )
    return Events(
        name=name, events=found, duration=duration, label_names=names, background=background
    )


REFERENCE = [
    events("a1", (100, 130), (1000, 1060)),
    events("a2"),
    events("b1", (500, 520)),
    events("c1"),
]
PREDICTED = [
    events("a1", (110, 140)),
    events("a2", (2000, 2010), (3000, 3010)),
    events("b1", (500, 520)),
    events("c1"),
]
SUBJECTS = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}


@pytest.fixture(scope="module")
def scored():
    return score_events(REFERENCE, PREDICTED, subjects=SUBJECTS, n_bootstrap=200)


def test_pooled_scores_are_those_of_all_recordings_together(scored):
    counts = scored.events.counts
    assert (counts.reference, counts.tp, counts.fp, counts.fn) == (3, 2, 2, 1)
    assert counts.sensitivity == pytest.approx(2 / 3)
    assert counts.precision == 0.5
    assert counts.f1 == pytest.approx(4 / 7)
    assert counts.fp_per_day == pytest.approx(2 / 4 * 24)
    assert counts.fp_per_hour == pytest.approx(0.5)
    assert scored.hours == 4.0
    assert scored.n_without_events == 2


def test_means_are_over_the_subjects_for_whom_a_score_is_defined(scored):
    # a: 1 of 2 found and 2 false in 2 h; b: 1 of 1 and none false; c: no event at all
    assert scored.events.mean["sensitivity"] == pytest.approx((0.5 + 1) / 2)
    assert scored.events.sd["sensitivity"] == pytest.approx(np.std([0.5, 1], ddof=1))
    assert scored.events.mean["precision"] == pytest.approx((1 / 3 + 1) / 2)
    assert scored.events.mean["fp_per_day"] == pytest.approx((24 + 0 + 0) / 3)
    assert scored.events.n_defined == {
        "sensitivity": 2, "precision": 2, "f1": 2, "fp_per_day": 3, "fp_per_hour": 3,
    }  # fmt: skip
    low, high = scored.events.mean_intervals["sensitivity"]
    assert (low, high) == (0.5, 1.0)


def test_sample_scores_count_seconds_without_tolerances(scored):
    sample = scored.samples.counts
    assert (sample.reference, sample.tp, sample.fp) == (110, 40, 30)
    assert sample.tn == 4 * 3600 - 110 - 30


def test_intervals_of_pooled_scores_draw_subjects_with_all_their_recordings(scored):
    draws = np.random.default_rng(0).multinomial(3, np.full(3, 1 / 3), 200)
    tp, reference = draws @ [1, 1, 0], draws @ [2, 1, 0]
    with np.errstate(invalid="ignore"):
        expected = np.nanquantile(tp / reference, [0.025, 0.975])
    np.testing.assert_allclose(scored.events.intervals["sensitivity"], expected)


def test_the_text_says_counts_scores_subjects_and_rules(scored):
    text = str(scored)
    assert "4 recordings of 3 subjects, 4.00 h; 2 of them without a reference event" in text
    assert "3 in the reference, 2 found, 1 missed; 4 predicted, 2 false" in text
    assert "event: false positives a day" in text
    assert "less than 90 s apart merged" in text
    assert "30 s before and 60 s after" in text
    assert "sensitivity 0.667" in repr(scored)


def test_json_holds_all_and_none_for_what_is_undefined(scored):
    plain = json.loads(json.dumps(scored.to_dict(), allow_nan=False))
    assert plain["subjects"]["c"]["sensitivity"] is None
    assert plain["subjects"]["c"]["undefined"]["sensitivity"] == "no reference event"
    assert plain["recordings"]["a2"]["fp"] == 2
    assert plain["recordings"]["a2"]["subject"] == "a"
    assert plain["rules"]["tolerance_end"] == 60.0
    assert plain["events"]["mean_over_subjects"]["f1"] == pytest.approx((0.4 + 1) / 2)


def test_one_subject_has_no_interval_and_says_so():
    found = score_events(REFERENCE[:1], PREDICTED[:1])
    assert found.events.intervals is None
    assert "No intervals: one subject" in str(found)


def test_each_label_is_scored_by_itself_and_time_counts_once():
    names = ("left", "right")
    true = [events("x", (100, 110, "left"), (2000, 2010, "right"), names=names, background=None)]
    said = [events("x", (100, 110, "right"), (2000, 2010, "right"), names=names, background=None)]
    found = score_events(true, said, EventScoring(min_gap=0))
    assert found.label_names == names
    assert (found.labels["left"].tp, found.labels["left"].fn) == (0, 1)
    assert (found.labels["right"].tp, found.labels["right"].fp) == (1, 1)
    assert found.events.counts.reference == 2
    assert found.hours == 1.0
    assert found.events.counts.fp_per_hour == 1.0


def test_labels_meet_whatever_their_case_and_seizures_whatever_their_word():
    true = [events("x", (100, 130, "Seizure"), (0, 50, "BCKG"), names=(), background=None)]
    found = score_events(true, [events("x", (100, 130))])
    assert found.events.counts.tp == 1
    assert found.notes == ("Reference labels were taken by name: Seizure as seiz.",)


def test_reference_events_of_other_labels_do_not_count_and_are_told():
    true = [events("x", (100, 130), (200, 210, "eyes open"), (900, 910, "eyes open"))]
    found = score_events(true, [events("x", (100, 130))])
    assert found.events.counts.reference == 1
    assert "2 reference events do not count" in found.notes[0]
    assert "eyes open (2)" in found.notes[0]


def test_a_reference_without_any_label_of_the_model_is_refused():
    true = [events("x", (100, 130, "spindle"))]
    with pytest.raises(ConfigError, match=r"spindle \(1\); the model predicts seiz.*spindle=seiz"):
        score_events(true, [events("x", (100, 130))])


def test_recordings_on_one_side_only_are_refused():
    with pytest.raises(ConfigError, match="a2 is in one of them only"):
        score_events(REFERENCE[:1], PREDICTED[:2])
    with pytest.raises(ConfigError, match="predicted has a1 more than once"):
        score_events(REFERENCE[:1], [PREDICTED[0], PREDICTED[0]])
    with pytest.raises(ConfigError, match="no recording"):
        score_events([], [])


def test_false_positives_a_day_may_refer_to_less_than_the_whole_recording():
    found = score_events(REFERENCE[1:2], PREDICTED[1:2], recorded={"a2": 1800.0})
    assert found.events.counts.fp_per_hour == 4.0
    assert found.samples.counts.tn == 1800 - 20
    assert math.isnan(found.events.scores["sensitivity"])


def test_what_one_event_over_everything_reaches_stands_beside_the_scores():
    # 4 s in every 8 s: SzCORE's rules make one stretch of all, in parts of 300 s
    frequent = [(at, at + 4) for at in range(0, 600, 8)]
    found = score_events([events("a", *frequent, duration=600)], [events("a", duration=600)])
    over_all = found.one_event_over_all
    assert (found.n_marked, found.events.counts.reference, over_all.f1) == (75, 2, 1.0)
    assert over_all.sample.f1 == pytest.approx(2 * 0.5 / 1.5)
    text = " ".join(str(found).split())
    assert "would have an event F1 of 1.000 and a sample F1 of 0.667. The events of the" in text
    assert "The rules made 2 of 75 reference events, as they merge those less than 90 s" in text
    assert found.to_dict()["one_event_over_all"]["f1"] == 1.0
