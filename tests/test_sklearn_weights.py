"""Weights of windows and classes, units of arrays, and what is said in our words."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    cohen_kappa_score,
    f1_score,
    roc_auc_score,
)

from biot import BIOT
from biot.corpus import from_arrays
from biot.errors import ConfigError
from biot.evaluation.metrics import scores
from biot.evaluation.tasks import best_threshold
from biot.sklearn import BIOTClassifier, BIOTTransformer

TINY = {
    "sfreq": 10.0, "embed_dim": 8, "num_heads": 2, "num_layers": 1, "device": "cpu",
    "random_state": 0,
}  # fmt: skip
WHOLE = TINY | {
    "epochs": 6, "patience": 6, "batch_size": 500, "learning_rate": 0.02, "spectrum": "magnitude",
}  # fmt: skip
"""All windows in one step: nothing depends on which come together, nor do statistics of spectra."""


def data(n: int = 60, seed: int = 0, rare: int = 2):
    """Windows of two channels and 2 s; one of so many has a wave of 3 Hz."""
    generator = np.random.default_rng(seed)
    y = (np.arange(n) % rare == 0).astype(int)
    X = 10 * generator.normal(size=(n, 2, 20)).astype(np.float32)
    X += 8 * y[:, None, None] * np.sin(2 * np.pi * 3 * np.arange(20) / 10)
    return X, y


def repeated(weight, *arrays):
    return [np.repeat(array, weight, axis=0) for array in arrays]


# windows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{}, {"class_weight": "balanced"}, {"metric": "loss"},
                                   {"metric": "auroc", "class_weight": {0: 1, 1: 3}}])  # fmt: skip
def test_a_weight_of_two_is_the_window_twice_and_a_weight_of_zero_is_none(given):
    X, y = data()
    groups = np.arange(60) // 30  # one half trains, the other validates
    weight = np.random.default_rng(1).integers(0, 4, 30)
    weight = np.concatenate([weight, weight])  # so that both halves are split as before
    model = BIOTClassifier(**(WHOLE | given))
    weighted = model.fit(X, y, groups, sample_weight=weight)
    found, thresholds = weighted.decision_scores(X), weighted.preprocessing_.decision
    more = repeated(weight, X, y, groups)
    again = BIOTClassifier(**(WHOLE | given)).fit(*more)
    np.testing.assert_allclose(found, again.decision_scores(X), atol=1e-4)
    assert len(weighted.history_) == len(again.history_)
    for one, other in zip(weighted.history_, again.history_, strict=True):
        assert one.valid_score == pytest.approx(other.valid_score, abs=1e-5)
        assert one.valid_loss == pytest.approx(other.valid_loss, abs=1e-5)
    decision = again.preprocessing_.decision
    assert thresholds.temperature == pytest.approx(decision.temperature, rel=1e-3)
    assert thresholds.thresholds == pytest.approx(decision.thresholds, abs=1e-3)


@pytest.mark.parametrize("mode", ["ridge", "logistic"])
def test_linear_modes_take_weights_as_repetitions(mode, tmp_path):
    X, y = data()
    groups, weight = np.arange(60) // 30, np.tile(np.arange(30) % 3, 2)
    first = BIOTClassifier(**(WHOLE | {"epochs": 1})).fit(X, y, groups)
    first.model_.save_pretrained(tmp_path, preprocessing=first.preprocessing_)
    given = {"sfreq": 10, "from_model": tmp_path, "mode": mode, "device": "cpu"}
    found = BIOTClassifier(**given).fit(X, y, groups, sample_weight=weight)
    again = BIOTClassifier(**given).fit(*repeated(weight, X, y, groups))
    np.testing.assert_allclose(found.predict_proba(X), again.predict_proba(X), atol=1e-3)


def test_weights_may_add_up_to_one_and_equal_ones_are_none():
    X, y = data()
    weight = np.random.default_rng(1).uniform(0.5, 2, 60)
    weight /= weight.mean()
    expected = BIOTClassifier(**WHOLE).fit(X, y, sample_weight=weight).predict_proba(X)
    again = BIOTClassifier(**WHOLE).fit(X, y, sample_weight=weight / weight.sum()).predict_proba(X)
    np.testing.assert_allclose(again, expected, atol=1e-5)
    plain = BIOTClassifier(**WHOLE).fit(X, y).predict_proba(X)
    equal = BIOTClassifier(**WHOLE).fit(X, y, sample_weight=np.full(60, 3.0)).predict_proba(X)
    np.testing.assert_array_equal(equal, plain)
    assert not np.allclose(plain, expected, atol=1e-5)


def test_weights_go_on_with_mixup():
    X, y = data()
    given = WHOLE | {"settings": {"mixup": 0.5}, "epochs": 2}
    plain = BIOTClassifier(**given).fit(X, y).history_[0].train_loss
    weight = np.random.default_rng(1).uniform(0.1, 5, 60)
    assert BIOTClassifier(**given).fit(X, y, sample_weight=weight).history_[0].train_loss != plain


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(59), r"one weight for each of 60 windows, got shape \(59,\)"),
        (np.ones((60, 2)), r"got shape \(60, 2\)"),
        (-np.arange(60.0), r"sample_weight\[1\] is -1; weights must be finite and 0 or more"),
        (np.full(60, np.nan), r"sample_weight\[0\] is nan"),
        (np.zeros(60), r"zero for every window"),
        (["heavy"] * 60, r"sample_weight must hold numbers"),
    ],
)
def test_weights_that_do_not_suit_are_refused(weight, message):
    X, y = data()
    with pytest.raises(ConfigError, match=message):
        BIOTClassifier(**WHOLE).fit(X, y, sample_weight=weight)


def test_the_score_weighs_windows_as_scikit_learn_does():
    X, y = data()
    model = BIOTClassifier(**(WHOLE | {"epochs": 1})).fit(X, y)
    weight = np.random.default_rng(1).uniform(0, 2, 60)
    expected = accuracy_score(y, model.predict(X), sample_weight=weight)
    assert model.score(X, y, sample_weight=weight) == expected


def test_weighted_scores_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    truth, weight = generator.integers(0, 2, 50), generator.uniform(0, 3, 50)
    p = generator.uniform(size=50)
    found = scores(truth, np.stack((1 - p, p), axis=1), weight=weight)
    said, given = (p > 0.5).astype(int), {"sample_weight": weight}
    assert found["balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(truth, said, **given)
    )
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, said, **given))
    assert found["cohen_kappa"] == pytest.approx(cohen_kappa_score(truth, said, **given))
    expected = f1_score(truth, said, average="weighted", **given)
    assert found["weighted_f1"] == pytest.approx(expected)
    assert found["auroc"] == pytest.approx(roc_auc_score(truth, p, **given))
    assert found["auprc"] == pytest.approx(average_precision_score(truth, p, **given))
    assert found["brier"] == pytest.approx(brier_score_loss(truth, p, **given))
    thrice = generator.integers(0, 3, 50)
    many = scores(*repeated(thrice, truth, np.stack((1 - p, p), axis=1)))
    once = scores(truth, np.stack((1 - p, p), axis=1), weight=thrice.astype(float))
    assert once == pytest.approx(many)
    best = best_threshold(*repeated(thrice, truth == 1, p), "balanced_accuracy")
    weighted = best_threshold(truth == 1, p, "balanced_accuracy", weight=thrice.astype(float))
    assert (p >= weighted)[thrice > 0].tolist() == (p >= best)[thrice > 0].tolist()


# classes --------------------------------------------------------------------------------------


def test_class_weights_move_what_is_predicted_and_balanced_is_the_mapping_of_the_same():
    X, y = data(120, rare=6)
    given = WHOLE | {"epochs": 4}
    plain = BIOTClassifier(**given).fit(X, y)
    heavy = BIOTClassifier(**given, class_weight={1: 1000.0}).fit(X, y)
    light = BIOTClassifier(**given, class_weight={1: 1e-3}).fit(X, y)
    assert (heavy.predict(X) == 1).mean() > 0.9
    assert (light.predict(X) == 0).mean() > 0.9
    named = {0: 120 / 200, 1: 120 / 40, 2: 5.0}  # a fold may lack a class
    balanced = BIOTClassifier(**given, class_weight="balanced").fit(X, y)
    same = BIOTClassifier(**given, class_weight=named).fit(X, y)
    np.testing.assert_allclose(balanced.predict_proba(X), same.predict_proba(X), atol=1e-6)
    assert not np.allclose(balanced.decision_scores(X), plain.decision_scores(X), atol=1e-4)


def test_without_calibration_class_weights_are_weights_of_windows():
    X, y = data(120, rare=6)
    given = WHOLE | {"calibration": False, "metric": "loss", "epochs": 4}
    by_class = BIOTClassifier(**given, class_weight={0: 0.5, 1: 3.0}).fit(X, y)
    by_window = BIOTClassifier(**given).fit(X, y, sample_weight=np.where(y, 3.0, 0.5))
    np.testing.assert_allclose(by_class.predict_proba(X), by_window.predict_proba(X), atol=1e-5)
    most = by_class.predict_proba(X).argmax(axis=1)
    np.testing.assert_array_equal(by_class.predict(X), most)


def test_probabilities_of_a_rare_class_are_near_its_share_whatever_the_weights():
    X, y = data(300, rare=10)
    X -= 4 * y[:, None, None] * np.sin(2 * np.pi * 3 * np.arange(20) / 10)  # hard to tell
    given = TINY | {"epochs": 15, "patience": 15, "batch_size": 64, "learning_rate": 0.01}
    for weight in (None, "balanced"):
        model = BIOTClassifier(**given, class_weight=weight).fit(X, y)
        assert model.predict_proba(X)[:, 1].mean() == pytest.approx(0.1, abs=0.06)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"class_weight": "even"}, r"must be None, 'balanced', or a mapping .*; got 'even'"),
        ({"class_weight": {2: 1.0}}, r"names 2, which y has not\. Its classes are 0, 1"),
        ({"class_weight": {1: 0.0}}, r"class_weight of 1 is 0\.0; it must be above 0"),
        ({"class_weight": "balanced", "settings": {"class_weights": "sampled"}},
         r"class_weight='balanced' and settings\['class_weights'\] are given"),
    ],
)  # fmt: skip
def test_class_weights_that_do_not_suit_are_refused(given, message):
    X, y = data()
    with pytest.raises(ConfigError, match=message):
        BIOTClassifier(**(WHOLE | given)).fit(X, y)


# what is said of a window ---------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_decisions_logarithms_and_probabilities_say_the_same(n_classes, class_weight):
    X, _ = data()
    y = np.array(["deep", "light", "wake"])[np.arange(60) % n_classes]
    model = BIOTClassifier(**WHOLE, class_weight=class_weight).fit(X, y)
    p, decided = model.predict_proba(X), model.decision_function(X)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), p, atol=1e-12)
    if n_classes == 2:
        assert decided.shape == (60,)
        chosen = (decided > 0).astype(int)
        order = np.argsort(decided, kind="stable")
        assert (np.diff(p[order, 1]) >= -1e-12).all()
    else:
        assert decided.shape == (60, 3)
        chosen = decided.argmax(axis=1)
    np.testing.assert_array_equal(model.classes_[chosen], model.predict(X))


# units ----------------------------------------------------------------------------------------

NAMED = {"ch_names": ["C3", "ECG"]}


@pytest.mark.parametrize(
    ("units", "factors"),
    [
        ("V", (1e-6, 1e-6)),
        ("mV", (1e-3, 1e-3)),
        (["uV", "V"], (1, 1e-6)),
        ({"ECG": "mV", "c3": "V"}, (1e-6, 1e-3)),
    ],
)
def test_units_of_each_channel_are_converted(units, factors):
    X, y = data()
    quick = WHOLE | NAMED | {"epochs": 1, "scale": "none"}
    expected = BIOTClassifier(**quick).fit(X, y)
    assert expected.preprocessing_.units == ("µV", "mV")
    factors = np.array(factors)[:, None]
    found = BIOTClassifier(**quick, units=units).fit(X * factors, y)
    assert found.preprocessing_.units == ("µV", "mV")
    np.testing.assert_allclose(
        found.predict_proba(X * factors), expected.predict_proba(X), atol=1e-5
    )


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ("furlong", r"units says 'furlong' of C3, which cannot be converted\. Allowed are V, mV"),
        ("uv ", None),
        (["µV"], r"units names 1 unit, X has 2 channels"),
        (["µV", "mVs"], r"units says 'mVs' of ECG.*Did you mean 'mV'\?"),
        ({"C3": "µV"}, r"units has no unit for ECG\. Give one for each of C3, ECG"),
        ({"C3": "µV", "ECG": "mV", "Oz": "V"}, r"units names Oz, which X has not"),
    ],
)
def test_units_that_do_not_suit_are_refused_with_those_that_do(units, message):
    X, y = data()
    model = BIOTClassifier(**(WHOLE | NAMED | {"epochs": 1}), units=units)
    if message is None:
        model.fit(X, y)
        return
    with pytest.raises(ConfigError, match=message):
        model.fit(X, y)


@pytest.mark.parametrize(("units", "factor"), [("µV", 1.0), ("mV", 1e-3), (["uV", "V"], (1, 1e-6))])
def test_windows_get_the_units_of_the_pretrained_model(tmp_path, units, factor):
    X, y = data()
    corpus = from_arrays(
        X, y, subject=np.arange(60) % 6, sfreq=10, ch_names=NAMED["ch_names"], units="µV",
        scale="none", out=tmp_path / "corpus",
    )  # fmt: skip
    assert corpus.preprocessing.units == ("µV", "µV")  # an estimator makes mV of an ECG
    size = {"embed_dim": 8, "num_heads": 2, "num_layers": 1}
    pretrained = BIOT(
        n_outputs=2, channels=NAMED["ch_names"], n_times=20, sfreq=10, hop_length=5, **size
    )
    pretrained.save_pretrained(tmp_path / "model", preprocessing=corpus.preprocessing)
    given = {"sfreq": 10, "from_model": tmp_path / "model", "scale": "none", "device": "cpu"}
    scaled = X * np.broadcast_to(factor, 2)[:, None]
    features = BIOTTransformer(**given, **NAMED, units=units).fit(scaled)
    with torch.no_grad():
        expected = pretrained.eval().encoder(torch.from_numpy(X).float())
    np.testing.assert_allclose(features.transform(scaled), expected, atol=1e-5)


def test_volts_that_are_taken_for_microvolts_are_told():
    X, y = data()
    quick = WHOLE | {"epochs": 1}
    told = r"^X: as eeg, EEG channel 1, EEG channel 2 have implausible amplitudes.*\d µV"
    with pytest.warns(UserWarning, match=told):
        model = BIOTClassifier(**quick).fit(X * 1e-6, y)
    with pytest.warns(UserWarning, match=told):
        model.predict(X * 1e-6)
    with pytest.warns(UserWarning, match=r"^X: as eeg, C3 have implausible amplitudes"):
        BIOTClassifier(**quick, ch_names=["C3", "ACC_X"], units=["V", "g"]).fit(X / 10, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        BIOTClassifier(**quick, units="V").fit(X * 1e-6, y).predict(X * 1e-6)


def test_many_classes_are_told_in_our_words_only():
    X, _ = data()
    y = np.arange(60) % 45
    model = BIOTClassifier(**(WHOLE | {"epochs": 1}))
    with pytest.warns(UserWarning, match=r"^y holds 45 classes in 60 windows\.") as caught:
        model.fit(X, y)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 0 <= model.score(X, y) <= 1
