"""Stages of sleep, statistics of nights, and how well nights were staged."""

from __future__ import annotations

import json
import math
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from biot.errors import ConfigError
from biot.evaluation.events.nights import Night, score_nights
from biot.evaluation.events.sleep import sleep_statistics, stage_of, stages_among
from biot.events.stages import STAGES

NIGHT = [*"WWWW", "N1", "N2", "N2", "N3", "N3", "W", "N2", "R", "R", "N1", "W", "W"]


@pytest.mark.parametrize(
    ("spelling", "stage"),
    [
        ("W", "W"), ("Wake|0", "W"), ("Sleep stage W", "W"), ("wake", "W"), ("Stage 0", None),
        ("Sleep stage 1", "N1"), ("Stage 1 sleep|1", "N1"), ("S1", "N1"), ("NREM1", "N1"),
        ("Sleep stage N2", "N2"), ("Sleep_stage_2", "N2"), ("Stage 2 sleep", "N2"),
        ("Sleep stage 3", "N3"), ("Sleep stage 4", "N3"), ("SWS", "N3"), ("N4", "N3"),
        ("SWS (S3+S4)", "N3"),
        ("REM", "R"), ("REM sleep|5", "R"), ("Sleep stage R", "R"), ("Stage REM", "R"), ("R", "R"),
        ("Sleep stage ?", ""), ("Movement time", ""), ("MT", ""), ("", ""), ("Unscored|9", ""),
        ("1", None), ("spindle", None), ("V", None), ("walking", None),
    ],
)  # fmt: skip
def test_a_stage_is_known_by_its_published_names(spelling, stage):
    assert stage_of(spelling) == stage


def test_labels_are_stages_of_sleep_where_all_are():
    assert stages_among(("W", "S1", "S2", "SWS", "REM")) == {
        "W": "W", "S1": "N1", "S2": "N2", "SWS": "N3", "REM": "R",
    }  # fmt: skip
    assert stages_among(("W", "N1", "N2", "N3", "R", "MT"))["MT"] == ""
    for others in (("bckg", "seiz"), ("N", "S", "V", "F", "Q"), ("W", "R"), ("0", "1", "2", "3")):
        assert stages_among(others) is None


def test_statistics_of_a_night_by_hand():
    found = sleep_statistics(NIGHT, 30.0)
    assert found.time_in_bed == 8.0
    assert found.sleep_onset_latency == 2.0
    assert found.total_sleep_time == 4.5  # 9 epochs
    assert found.sleep_period == 5.0  # epochs 4 to 13
    assert found.waso == 0.5  # the epoch of wake within, not those at the end
    assert found.sleep_efficiency == pytest.approx(100 * 4.5 / 8)
    assert found.sleep_maintenance == pytest.approx(90.0)
    assert found.rem_latency_from_start == 5.5
    assert found.rem_latency == 3.5
    assert found.minutes == {"W": 3.5, "N1": 1.0, "N2": 1.5, "N3": 1.0, "R": 1.0}
    assert found.percent["N2"] == pytest.approx(100 * 1.5 / 4.5)


def by_runs(stages, epoch):
    """The same from runs of equal stages, in the words of YASA's documentation."""
    runs = [(stage, len(list(run)) * epoch / 60) for stage, run in groupby(stages)]
    ends = np.cumsum([length for _, length in runs])
    asleep = [i for i, (stage, _) in enumerate(runs) if stage in ("N1", "N2", "N3", "R")]
    if not asleep:
        return None
    first, last = asleep[0], asleep[-1]
    start = ends[first] - runs[first][1]
    total = sum(runs[i][1] for i in asleep)
    rem = [i for i, (stage, _) in enumerate(runs) if stage == "R"]
    return {
        "time_in_bed": ends[-1],
        "sleep_period": ends[last] - start,
        "total_sleep_time": total,
        "sleep_efficiency": 100 * total / ends[-1],
        "sleep_maintenance": 100 * total / (ends[last] - start),
        "waso": sum(length for stage, length in runs[first:last] if stage == "W"),
        "sleep_onset_latency": start,
        "rem_latency": ends[rem[0]] - runs[rem[0]][1] - start if rem else math.nan,
    }


@given(st.lists(st.sampled_from([*STAGES, ""]), min_size=1, max_size=60),
       st.sampled_from([20.0, 30.0]))  # fmt: skip
def test_statistics_equal_those_reckoned_from_runs_of_stages(stages, epoch):
    found, expected = sleep_statistics(stages, epoch).to_dict(), by_runs(stages, epoch)
    if expected is None:
        assert found["total_sleep_time"] == 0
        assert math.isnan(found["sleep_onset_latency"])
    for name, value in (expected or {}).items():
        assert found[name] == pytest.approx(value, nan_ok=True), name
    assert sum(found[f"minutes_{s}"] for s in STAGES) <= found["time_in_bed"] + 1e-9


def test_a_hypnogram_with_other_labels_is_refused():
    with pytest.raises(ConfigError, match="'spindle', which is no stage of sleep"):
        sleep_statistics(["W", "spindle"])
    with pytest.raises(ConfigError, match="epoch must be above 0"):
        sleep_statistics(["W"], 0)


@pytest.fixture(scope="module")
def nights():
    draw = np.random.default_rng(0)
    made = []
    for number in range(4):
        true = draw.choice(STAGES, 200)
        said = np.where(draw.random(200) < 0.6, true, draw.choice(STAGES, 200))
        true[:3] = ""
        made.append(Night(name=f"n{number}", subject=f"s{number // 2}",
                          true=tuple(true), predicted=tuple(said)))  # fmt: skip
    return made


def test_kappa_and_confusion_are_those_of_scikit_learn(nights):
    found = score_nights(nights, n_bootstrap=100)
    true = np.concatenate([night.true for night in nights])
    said = np.concatenate([night.predicted for night in nights])
    known = true != ""
    expected = confusion_matrix(true[known], said[known], labels=STAGES)
    np.testing.assert_array_equal(found.confusion, expected)
    kappas = [cohen_kappa_score(n.true[3:], n.predicted[3:]) for n in nights]
    np.testing.assert_allclose(found.kappas, kappas)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["kappa"]["mean"] == pytest.approx(np.mean(kappas))
    assert plain["kappa"]["sd"] == pytest.approx(np.std(kappas, ddof=1))
    low, high = found.kappa_interval
    per_subject = sorted((np.mean(kappas[:2]), np.mean(kappas[2:])))
    assert (low, high) == (pytest.approx(per_subject[0]), pytest.approx(per_subject[1]))


def test_statistics_stand_side_by_side_with_limits_of_agreement(nights):
    found = score_nights(nights, n_bootstrap=0)
    apart = []
    for night in nights:
        # epochs that either did not score count on neither side
        sides = [["" if t == "" else s for t, s in zip(night.true, side, strict=True)]
                 for side in (night.true, night.predicted)]  # fmt: skip
        apart.append(np.diff([sleep_statistics(side).total_sleep_time for side in sides])[0])
    one = found.agreement["total_sleep_time"]
    assert one.difference == pytest.approx(np.mean(apart))
    spread = 1.96 * np.std(apart, ddof=1)
    assert one.limits == (pytest.approx(np.mean(apart) - spread),
                          pytest.approx(np.mean(apart) + spread))  # fmt: skip
    text = str(found)
    assert "788 epochs of 4 nights of 2 subjects" in text
    assert "total sleep time, min" in text
    assert "no interval" in text


def test_a_night_of_one_stage_has_no_kappa_and_says_why():
    found = score_nights([Night(name="x", subject="x", true=("N2",) * 4, predicted=("N2",) * 4)])
    assert math.isnan(found.kappas[0])
    assert "undefined: kappa of x (one true stage)." in str(found)
    with pytest.raises(ConfigError, match="2 true epochs, but 1 predicted"):
        score_nights([Night(name="x", subject="x", true=("W", "R"), predicted=("W",))])
