"""The ridge beside a model's scores, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler

from biot.errors import CorpusError
from biot.evaluation.baselines import RidgeBaseline
from biot.evaluation.baselines.ridge import _PENALTIES
from biot.evaluation.tasks import Classes, MultiLabel, Regression


def problem(n_classes=3, n_windows=240, seed=0):
    """Features of which two tell the classes, with a shift of each subject."""
    generator = np.random.default_rng(seed)
    y = generator.integers(0, n_classes, n_windows)
    subjects = np.arange(n_windows) % 8
    x = generator.normal(size=(n_windows, 20)) * 3 + 5
    x[:, 0] += 2.0 * y
    x[:, 1] -= 1.5 * (y == 1)
    return x + generator.normal(size=(8, 1))[subjects], y, subjects


def test_it_is_scikit_learns_ridge_on_standardised_features():
    x, y, subjects = problem()
    found = RidgeBaseline.fit(x, y, Classes(names=("a", "b", "c")), groups=subjects)
    weight = 240 / (3 * np.bincount(y))
    scaler = StandardScaler().fit(x)
    expected = Ridge(alpha=found.penalty).fit(
        scaler.transform(x), 2 * np.eye(3)[y] - 1, sample_weight=weight[y]
    )
    fresh = problem(seed=1)[0]
    wanted = expected.predict(scaler.transform(fresh))
    assert found.outputs(fresh) == pytest.approx(wanted, abs=1e-8)
    assert (found.predict(fresh) == wanted.argmax(axis=1)).all()
    assert found.predict_proba(fresh).sum(axis=1) == pytest.approx(1)


def test_the_penalty_has_the_least_error_on_groups_that_were_left_out():
    x, y, subjects = problem(n_windows=120)
    found = RidgeBaseline.fit(x, y, Classes(names=("a", "b", "c")), groups=subjects)
    weight = (120 / (3 * np.bincount(y)))[y]
    standard, wanted = StandardScaler().fit_transform(x), 2 * np.eye(3)[y] - 1
    errors = []
    for penalty in _PENALTIES:
        said = np.zeros_like(wanted)
        splitter = StratifiedGroupKFold(5, shuffle=True, random_state=0)
        for rest, held in splitter.split(standard, y, subjects):
            model = Ridge(alpha=penalty).fit(
                standard[rest], wanted[rest], sample_weight=weight[rest]
            )
            said[held] = model.predict(standard[held])
        errors.append(np.average(((said - wanted) ** 2).sum(axis=1), weights=weight))
    assert found.penalty == _PENALTIES[int(np.argmin(errors))]


def test_it_tells_new_people_apart_and_its_probabilities_are_truthful():
    x, y, subjects = problem(n_classes=2, n_windows=800)
    task = Classes(names=("a", "b"))
    found = RidgeBaseline.fit(x[:400], y[:400], task, groups=subjects[:400])
    p = found.predict_proba(x[400:])
    scores = task.scores(y[400:], p, found.predict(x[400:]))
    assert scores["balanced_accuracy"] > 0.6
    assert scores["ece"] < 0.1


def test_a_rare_class_is_found_as_often_as_a_common_one():
    generator = np.random.default_rng(0)
    y = (generator.random(2000) < 0.1).astype(int)
    x = generator.normal(size=(2000, 5))
    x[:, 0] += 2 * y
    found = RidgeBaseline.fit(x, y, Classes(names=("common", "rare")), groups=np.arange(2000) % 9)
    said = found.predict(x)
    recall = [(said[y == k] == k).mean() for k in (0, 1)]
    assert min(recall) > 0.75
    assert found.predict_proba(x)[:, 1].mean() == pytest.approx(0.1, abs=0.03)


def test_tags_and_numbers():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(300, 6))
    tags = np.stack((x[:, 0] > 0, x[:, 1] > 1), axis=1).astype(float)
    task = MultiLabel(names=("p", "q"))
    found = RidgeBaseline.fit(x, tags, task, groups=np.arange(300) % 6)
    assert task.scores(tags, found.predict_proba(x), found.predict(x))["auroc"] > 0.95
    numbers = np.stack((3 * x[:, 0] + 70, 1e-3 * x[:, 1]), axis=1)
    regression = RidgeBaseline.fit(
        x, numbers, Regression(names=("age", "dose")), groups=np.arange(300) % 6
    )
    assert regression.predict(x) == pytest.approx(numbers, rel=0.02, abs=2e-4)
    assert regression.penalty == _PENALTIES[0]


def test_what_is_missing_takes_the_training_mean():
    x, y, subjects = problem()
    x[::7, 3] = np.nan
    found = RidgeBaseline.fit(x, y, Classes(names=("a", "b", "c")), groups=subjects)
    assert found.fill == pytest.approx(np.nanmean(x, axis=0))
    filled = np.where(np.isnan(x), np.nanmean(x, axis=0), x)
    assert found.outputs(x) == pytest.approx(found.outputs(filled))
    nothing = found.outputs(np.full((1, 20), np.nan))
    assert nothing == pytest.approx(found.outputs(found.fill[None]))


def test_windows_without_any_feature_are_left_out_and_none_at_all_is_an_error():
    x, y, subjects = problem()
    x[:40] = np.nan
    task = Classes(names=("a", "b", "c"))
    found = RidgeBaseline.fit(x, y, task, groups=subjects)
    assert found.n_windows == 200
    with pytest.raises(CorpusError, match="None of the 240 windows has a feature"):
        RidgeBaseline.fit(np.full_like(x, np.nan), y, task, groups=subjects)


def test_a_feature_that_never_varies_does_not_matter():
    x, y, subjects = problem()
    x[:, 4], x[:, 5] = 7.0, np.nan
    found = RidgeBaseline.fit(x, y, Classes(names=("a", "b", "c")), groups=subjects)
    changed = x.copy()
    changed[:, 5] = 100.0
    assert found.outputs(changed) == pytest.approx(found.outputs(x))


@pytest.mark.parametrize("groups", [None, np.zeros(240)])
def test_one_subject_is_divided_by_time(groups):
    x, y, _ = problem()
    found = RidgeBaseline.fit(x, y, Classes(names=("a", "b", "c")), groups=groups)
    assert (found.predict(x) == y).mean() > 0.5


@pytest.mark.filterwarnings("error")
def test_very_few_windows_still_give_an_answer():
    x, y = np.arange(3.0)[:, None], np.array([0, 1, 0])
    task = Classes(names=("a", "b", "never"))
    for n in (1, 2, 3):
        found = RidgeBaseline.fit(x[:n], y[:n], task, groups=np.arange(n))
        assert np.isfinite(found.predict_proba(x)).all()


def test_many_windows_are_drawn_from_and_the_answer_stays(monkeypatch):
    x, y, subjects = problem(n_windows=4000)
    task = Classes(names=("a", "b", "c"))
    whole = RidgeBaseline.fit(x, y, task, groups=subjects)
    monkeypatch.setattr("biot.evaluation.baselines.ridge._VALUES", 2000 * 20)
    monkeypatch.setattr("biot.evaluation.baselines.ridge._VALUES_FOR_PENALTY", 600 * 20)
    part = RidgeBaseline.fit(x, y, task, groups=subjects)
    assert (whole.n_windows, part.n_windows) == (4000, 2000)
    assert (part.predict(x) == whole.predict(x)).mean() > 0.85
