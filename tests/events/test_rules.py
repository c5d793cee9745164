"""The rules for events: bounds, words, and the label that makes no events."""

from __future__ import annotations

import json

import pytest

from biot import EventRules
from biot.errors import ConfigError
from biot.events.rules import background_of


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"^smoothing must be 0 or more, got -1"):
        EventRules(smoothing=-1)
    with pytest.raises(ConfigError, match=r"^on must be 0 or more and at most 1, got 1\.5"):
        EventRules(on=1.5)
    with pytest.raises(ConfigError, match=r"^off must be at most on, got 0\.7 and 0\.6"):
        EventRules(on=0.6, off=0.7)
    with pytest.raises(ConfigError, match="min_duration must be finite, got inf"):
        EventRules(min_duration=float("inf"))
    with pytest.raises(ConfigError, match=r"no rule 'min_length'.*Rules are smoothing, on, off"):
        EventRules().changed(min_length=3)


def test_one_threshold_that_is_changed_alone_moves_the_other_where_it_must():
    tuned = EventRules(on=0.7, off=0.5)
    assert tuned.changed(on=0.6).off == 0.5
    assert tuned.changed(on=0.3).off == 0.3
    assert tuned.changed(off=0.8).on == 0.8
    assert tuned.changed(on=None) == EventRules(off=0.5)
    with pytest.raises(ConfigError, match="off must be at most on"):
        tuned.changed(on=0.3, off=0.4)


@pytest.mark.parametrize(
    ("names", "background"),
    [
        (("bckg", "seiz"), "bckg"),
        (("seizure", "Non-seizure"), "Non-seizure"),
        (("rest", "task"), "rest"),
        (("Resting State", "13", "17"), "Resting State"),
        (("(AFIB", "(N", "(B"), "(N"),
        (("NORM", "MI", "STTC"), "NORM"),
        (("preictal", "ictal", "interictal"), "interictal"),
        (("W", "N1", "N2", "N3", "R"), None),
        (("normal", "none", "seizure"), None),  # two say so
        (("N", "A"), None),
        (("0", "1"), None),
        (("bckg",), None),
        ((), None),
    ],
)
def test_the_background_is_known_by_a_name_that_says_so(names, background):
    assert background_of(names) == background
    assert EventRules().background_among(names) == background


def test_a_background_that_is_given_counts():
    assert EventRules(background="W").background_among(("W", "N1")) == "W"
    assert EventRules(background="").background_among(("bckg", "seiz")) is None
    with pytest.raises(
        ConfigError, match=r"^background 'seis' is none of the labels bckg, seiz. Did you mean"
    ):
        EventRules(background="seis").background_among(("bckg", "seiz"))


def test_rules_say_themselves_in_words():
    assert str(EventRules()) == (
        "an event begins where the model decides for it and ends where it no longer does"
    )
    assert str(
        EventRules(
            smoothing=5, on=0.7, off=0.4, min_duration=2, merge_gap=3, refractory=10,
            background="rest",
        )
    ) == (
        "probabilities are means over 5 s; an event begins from p ≥ 0.7 on and ends below p = 0.4; "
        "gaps below 3 s are closed; events shorter than 2 s are left out; none begins within 10 s "
        "of the last one's end; rest makes no events"
    )  # fmt: skip


def test_rules_come_back_from_json():
    for rules in (EventRules(), EventRules(on=0.7, off=0.2, smoothing=3, background="")):
        assert EventRules.from_dict(json.loads(json.dumps(rules.to_dict()))) == rules
    with pytest.raises(ConfigError, match="on must be 0 or more and at most 1"):
        EventRules.from_dict({"on": 3})
    with pytest.raises(ConfigError, match=r"no rule 'smoothign'.*Did you mean 'smoothing'"):
        EventRules.from_dict({"smoothign": 3})
    with pytest.raises(ConfigError, match="names with values"):
        EventRules.from_dict([1])
