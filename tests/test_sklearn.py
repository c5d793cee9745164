"""The estimators keep scikit-learn's promises, on windows of three dimensions."""

from __future__ import annotations

import inspect
import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import estimator_checks_generator

from biot.errors import ConfigError, CorpusError
from biot.sklearn import BIOTClassifier, BIOTTransformer
from biot.sklearn.holdout import validation_windows

TINY = {
    "sfreq": 10.0, "embed_dim": 8, "num_heads": 2, "num_layers": 1, "device": "cpu",
    "random_state": 0,
}  # fmt: skip
FAST = TINY | {"epochs": 12, "patience": 12, "batch_size": 16, "learning_rate": 0.02}


class FlatClassifier(BIOTClassifier):
    """The same for rows, each taken as a window of one channel: what the checks give."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = False
        return tags

    def fit(self, X, y, groups=None, sample_weight=None):
        return super().fit(as_windows(X), y, groups, sample_weight)

    def decision_scores(self, X):
        return super().decision_scores(as_windows(X))


class FlatTransformer(BIOTTransformer):
    """The same for features."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = False
        return tags

    def fit(self, X, y=None):
        return super().fit(as_windows(X), y)

    def transform(self, X):
        return super().transform(as_windows(X))


def as_windows(X):
    """Each row as a window of one channel; what is not a table of numbers is passed on."""
    if hasattr(X, "tocsr"):
        return X
    rows = np.asarray(X)
    return rows[:, None, :] if rows.ndim == 2 and rows.shape[1] else X


CANNOT_APPLY = {
    "check_n_features_in": "n_features_in_ counts channels, of which a row as a window has one",
    "check_n_features_in_after_fitting": "the same: the length of a window is told otherwise",
    "check_classifiers_train": "it tells points of a plane by their signs, which spectra leave out",
    "check_sample_weight_equivalence_on_dense_data": "which windows validate is drawn",
    "check_estimators_pickle": "a gap in so short a row leaves no token; a test below does it",
}
"""scikit-learn's checks that mean tables, and why they say nothing of windows."""


def data(n: int = 60, seed: int = 0):
    """Windows of two channels and 2 s, with a 3-Hz wave or without."""
    generator = np.random.default_rng(seed)
    y = np.array(["rest", "wave"])[np.arange(n) % 2]
    X = generator.normal(size=(n, 2, 20)).astype(np.float32)
    X += 2 * (y == "wave")[:, None, None] * np.sin(2 * np.pi * 3 * np.arange(20) / 10)
    return X, y


def checks(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(
            estimator_checks_generator(
                estimator, legacy=True, expected_failed_checks=CANNOT_APPLY, mark="skip"
            )
        )


def name_of(check) -> str:
    check = getattr(check, "__wrapped__", check)
    return getattr(check, "func", check).__name__


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(estimator, check, id=f"{type(estimator).__name__}-{name_of(check)}")
        for made in (
            FlatClassifier(**(FAST | {"epochs": 40, "patience": 40})), FlatTransformer(**TINY)
        )
        for estimator, check in checks(made)
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
@pytest.mark.no_cover  # being traced takes half as long again, and other tests cover the same
def test_scikit_learns_checks_hold_on_rows_taken_as_windows(estimator, check):
    check(estimator)


def test_every_check_that_is_left_out_is_one_of_scikit_learns():
    known = {name_of(check) for _, check in checks(FlatClassifier(**FAST))}
    known |= {name_of(check) for _, check in checks(FlatTransformer(**TINY))}
    assert set(CANNOT_APPLY) <= known


@pytest.mark.parametrize("estimator", [BIOTClassifier(**FAST), BIOTTransformer(**TINY)])
def test_the_checks_that_scikit_learn_runs_on_windows_hold(estimator):
    for subject, check in checks(estimator):
        check(subject)


def test_it_learns_predicts_and_says_how_sure_it_is():
    X, y = data()
    model = BIOTClassifier(**FAST).fit(X[:40], y[:40])
    assert model.score(X[40:], y[40:]) > 0.8
    p = model.predict_proba(X[40:])
    np.testing.assert_allclose(p.sum(axis=1), 1)
    decided = model.preprocessing_.decide(p)
    np.testing.assert_array_equal(model.classes_[decided], model.predict(X[40:]))
    assert model.classes_.tolist() == ["rest", "wave"]
    assert (model.n_features_in_, model.n_times_in_) == (2, 20)


def test_training_as_scikit_learn_checks_it_on_windows_that_spectra_tell_apart():
    """`check_classifiers_train`, with waves in the place of points."""
    X, y = data()
    model = BIOTClassifier(**FAST)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[60, 59\]"):
        model.fit(X, y[:-1])
    model.fit(X.tolist(), y.tolist())
    predicted, p = model.predict(X), model.predict_proba(X)
    assert predicted.shape == (60,)
    assert p.shape == (60, 2)
    assert np.mean(predicted == y) > 0.83
    decided = model.preprocessing_.decide(p)
    np.testing.assert_array_equal(decided, model.classes_.searchsorted(predicted))
    with pytest.raises(ValueError, match=r"X has 20 channels"):
        model.predict(X.transpose(0, 2, 1))


def test_probabilities_of_a_rare_class_are_near_its_prevalence_unless_that_is_switched_off():
    generator = np.random.default_rng(0)
    y = (generator.random(400) < 0.1).astype(int)
    X = generator.normal(size=(400, 1, 20)) * (1 + 0.4 * y[:, None, None])
    given = {**FAST, "scale": "none", "epochs": 4, "class_weight": "balanced"}
    calibrated = BIOTClassifier(**given).fit(X, y)
    plain = BIOTClassifier(**given, calibration=False).fit(X, y)
    p, q = calibrated.predict_proba(X)[:, 1], plain.predict_proba(X)[:, 1]
    assert p.mean() == pytest.approx(y.mean(), abs=0.06)
    assert q.mean() > y.mean() + 0.1
    assert brier_score_loss(y, p) < brier_score_loss(y, q)
    assert roc_auc_score(y, p) == pytest.approx(roc_auc_score(y, q))
    assert np.mean(calibrated.predict(X) == plain.predict(X)) > 0.9


def test_it_stops_early():
    X, y = data()
    shuffled = np.random.default_rng(1).permutation(y)
    model = BIOTClassifier(**(FAST | {"epochs": 200, "patience": 2})).fit(X, shuffled)
    assert model.n_iter_ == len(model.history_) < 200


def test_pickles_clones_and_the_same_seed_say_the_same():
    X, y = data()
    X[::3, 0, 5] = np.nan
    model = BIOTClassifier(**(FAST | {"epochs": 2})).fit(X, y)
    expected = model.predict_proba(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), expected)
    np.testing.assert_array_equal(clone(model).fit(X, y).predict_proba(X), expected)
    names = set(inspect.signature(BIOTClassifier.__init__).parameters) - {"self"}
    assert set(model.get_params()) == names


@pytest.mark.parametrize("kind", [BIOTClassifier, BIOTTransformer])
def test_a_random_state_gives_a_seed_and_what_is_none_is_refused(kind):
    X, y = data(12)
    given = (FAST | {"epochs": 1}) if kind is BIOTClassifier else TINY

    def weights(random_state):
        model = kind(**(given | {"random_state": random_state})).fit(X, y).model_
        return model.encoder.channel_tokens.weight.detach().numpy()

    first, again = (weights(np.random.RandomState(3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, weights(np.random.RandomState(4)))
    np.testing.assert_array_equal(weights(np.int64(3)), weights(3))
    with pytest.raises(ConfigError, match=r"seed must be a whole number, 0 or more, got 'lucky'"):
        weights("lucky")


def test_it_works_in_pipelines_searches_and_cross_validation_by_group():
    X, y = data()
    groups = np.arange(60) // 10
    quick = BIOTClassifier(**(FAST | {"epochs": 2}))
    scaled = make_pipeline(FunctionTransformer(np.negative, check_inverse=False), quick)
    scores = cross_val_score(scaled, X, y, cv=GroupKFold(2), groups=groups)
    assert scores.shape == (2,)
    search = GridSearchCV(quick, {"learning_rate": [1e-6, 0.02]}, cv=2).fit(X, y)
    assert search.best_params_["learning_rate"] in (1e-6, 0.02)
    features = make_pipeline(BIOTTransformer(**TINY), LogisticRegression()).fit(X, y)
    assert features.score(X, y) > 0.8
    assert features[0].get_feature_names_out().tolist() == [f"biot{i}" for i in range(8)]


def test_a_refit_is_a_training_on_all_windows_for_the_epochs_that_validation_chose():
    X, y = data()
    given = FAST | {"epochs": 4}
    model = BIOTClassifier(**given, refit=True).fit(X, y)
    n_epochs = len(model.refit_history_)
    assert 1 <= n_epochs <= model.n_iter_
    alone = BIOTClassifier(**given | {"epochs": n_epochs}, valid_share=0).fit(X, y)
    for name, value in model.model_.state_dict().items():
        assert torch.equal(value, alone.model_.state_dict()[name]), name
    assert model.preprocessing_.temperature is not None
    assert alone.preprocessing_.temperature is None
    assert alone.preprocessing_.thresholds is None
    largest = alone.decision_scores(X).argmax(axis=1)
    assert np.array_equal(alone.predict(X), alone.classes_[largest])
    assert alone.n_iter_ == n_epochs
    assert alone.refit_history_ == []
    assert "Nothing validated (valid_share is 0)" in alone.notes_[0]


def test_groups_train_or_validate(monkeypatch):
    import biot.sklearn.estimators as module

    X, y = data()
    groups, seen = np.arange(60) // 6, {}
    original = module.learn

    def spy(fabric, contract, train, valid, *args, **kwargs):
        seen["train"], seen["valid"] = len(train.truth), len(valid.truth)
        return original(fabric, contract, train, valid, *args, **kwargs)

    monkeypatch.setattr(module, "learn", spy)
    BIOTClassifier(**(FAST | {"epochs": 1})).fit(X, y, groups=groups)
    assert seen == {"train": 48, "valid": 12}
    valid = validation_windows(np.arange(60) % 2, groups, 0.2, 0)
    assert len(np.unique(groups[valid])) * 6 == len(valid) == 12


def test_it_starts_from_a_model_in_every_mode(tmp_path):
    X, y = data()
    first = BIOTClassifier(**FAST, ch_names=("C3", "C4")).fit(X, y)
    first.model_.save_pretrained(tmp_path / "model", preprocessing=first.preprocessing_)
    given = {"sfreq": 10.0, "ch_names": ("C3", "C4"), "from_model": tmp_path / "model",
             "device": "cpu"}  # fmt: skip
    probe = BIOTClassifier(**given, mode="logistic").fit(X, y)
    assert probe.score(X, y) > 0.9
    assert (probe.n_iter_, probe.history_) == (1, [])
    found = BIOTTransformer(**given).fit(X).transform(X)
    assert found.shape == (60, 8)
    with pytest.raises(ConfigError, match=r"mode 'head' trains on the features"):
        BIOTClassifier(**FAST, mode="head").fit(X, y)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"sfreq": None}, ConfigError, r"sfreq is missing"),
        ({"ch_names": ("C3",)}, ConfigError, r"ch_names names 1 channel, X has 2"),
        ({"settings": {"colour": 1}}, ConfigError, r"no setting 'colour'"),
    ],
)
def test_parameters_that_do_not_suit_are_refused(changes, error, message):
    X, y = data()
    with pytest.raises(error, match=message):
        BIOTClassifier(**(FAST | changes)).fit(X, y)


def test_windows_that_do_not_suit_are_refused():
    X, y = data()
    with pytest.raises(ConfigError, match=r"X must be \(windows, channels, samples\)"):
        BIOTClassifier(**FAST).fit(X[:, 0], y)
    with pytest.raises(ConfigError, match=r"y holds one class only"):
        BIOTClassifier(**FAST).fit(X, np.zeros(60))
    with pytest.raises(CorpusError, match=r"X: none of 48 training windows holds \d+ samples"):
        BIOTClassifier(**FAST).fit(np.full_like(X, np.nan), y)
    model = BIOTClassifier(**(FAST | {"epochs": 1})).fit(X, y)
    with pytest.raises(ConfigError, match=r"windows of 15 samples, .* was fitted to 20"):
        model.predict(X[..., :15])
    with pytest.raises(ConfigError, match=r"X has 1 channel, but BIOTClassifier is expecting 2"):
        model.predict(X[:, :1])
    X[3] = np.nan
    with pytest.raises(CorpusError, match=r"X\[3\] holds no whole token .* \(1 such windows\)"):
        model.predict(X)
