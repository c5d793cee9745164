"""MNE's epochs as X: their names, rate and units count, and nothing contradicts them."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    cross_val_score,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import make_pipeline

from biot.errors import BiotError, ChannelError, ConfigError
from biot.inference import Predictor
from biot.signals import Recording, from_mne, resample
from biot.sklearn import BIOTClassifier, BIOTTransformer

mne = pytest.importorskip("mne")

NAMES = ["Fz", "Cz", "Pz"]
SFREQ = 100.0
TINY = {"embed_dim": 8, "num_heads": 2, "num_layers": 1, "device": "cpu", "random_state": 0}
FAST = TINY | {"epochs": 8, "patience": 8, "batch_size": 16, "learning_rate": 0.02}


def signals(n: int = 40, seed: int = 0):
    """(n, 3, 100) µV and two classes: a wave of 10 Hz in Fz, or of 20 Hz in Pz."""
    generator = np.random.default_rng(seed)
    y, time = np.arange(n) % 2, np.arange(100) / SFREQ
    X = 5 * generator.standard_normal((n, 3, 100))
    for window, label in zip(X, y, strict=True):
        window[2 * label] += 40 * np.sin(
            2 * np.pi * (10, 20)[label] * time + generator.uniform(0, 6)
        )
    return X, y


def epochs_of(X, names=NAMES, types="eeg", sfreq=SFREQ, y=None):
    events = None
    if y is not None:
        events = np.c_[np.arange(len(X)) * 1000, np.zeros(len(X)), y].astype(int)
    info = mne.create_info(list(names), sfreq, types)
    return mne.EpochsArray(X * 1e-6, info, events=events, verbose="ERROR")


def quietly(epochs, function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(epochs, *args, **kwargs)


@pytest.fixture(scope="module")
def fitted():
    X, y = signals()
    return BIOTClassifier(**FAST).fit(epochs_of(X), y)


def test_epochs_bring_names_rate_and_units_and_their_events_are_labels():
    X, y = signals()
    epochs = epochs_of(X, y=y + 3)
    model = BIOTClassifier(**FAST).fit(epochs, epochs.events[:, 2])
    contract = model.preprocessing_
    assert (contract.ch_names, contract.sfreq, contract.n_times) == (tuple(NAMES), 100.0, 100)
    assert contract.units == ("µV",) * 3
    assert model.classes_.tolist() == [3, 4]
    assert model.feature_names_in_.tolist() == NAMES
    assert (model.n_features_in_, model.n_times_in_) == (3, 100)
    assert model.score(epochs, epochs.events[:, 2]) > 0.9


def test_epochs_and_the_array_of_the_same_microvolts_say_the_same(fitted):
    X, y = signals()
    arrays = BIOTClassifier(**FAST, sfreq=100, ch_names=NAMES).fit(X, y)
    np.testing.assert_allclose(
        arrays.predict_proba(X), fitted.predict_proba(epochs_of(X)), atol=1e-5
    )
    by_name = arrays.predict_proba(epochs_of(X[:, ::-1], NAMES[::-1]))
    np.testing.assert_allclose(by_name, arrays.predict_proba(X), atol=1e-5)


def test_reordered_channels_give_the_same_answer(fitted):
    X, _ = signals(seed=1)
    expected = fitted.predict_proba(epochs_of(X))
    reordered = epochs_of(X).reorder_channels(NAMES[::-1])
    np.testing.assert_allclose(fitted.predict_proba(reordered), expected, atol=1e-6)
    renamed = epochs_of(X, ["EEG FZ-REF", "cz", "Pz."])
    np.testing.assert_allclose(fitted.predict_proba(renamed), expected, atol=1e-6)


def test_channels_that_are_absent_or_bad_are_missing_data_and_told(fitted):
    X, _ = signals(seed=1)
    gap = X.copy()
    gap[:, 1] = np.nan
    expected = fitted.predict_proba(epochs_of(gap))
    without = epochs_of(X).drop_channels(["Cz"])
    with pytest.warns(UserWarning, match=r"^X: Cz absent, taken as missing data\.$"):
        np.testing.assert_allclose(fitted.predict_proba(without), expected, atol=1e-6)
    bad = epochs_of(X)
    bad.info["bads"] = ["Cz"]
    with pytest.warns(UserWarning, match=r"^X: Cz marked as bad, taken as missing data\.$"):
        np.testing.assert_allclose(fitted.predict_proba(bad), expected, atol=1e-6)
    with pytest.raises(ChannelError, match=r"No channel of the recording"):
        fitted.predict(epochs_of(X, ["ECG", "Oz", "T7"]))


def test_channels_that_are_unknown_and_triggers_are_left_out_and_told(fitted):
    X, y = signals(seed=1)
    more = np.concatenate([X, X[:, :2]], axis=1)
    wide = epochs_of(more, [*NAMES, "Oz", "X1"], ["eeg"] * 4 + ["stim"])
    told = r"^X: X1 \(triggers\) left out; Oz unknown to the fitted estimator, not used\.$"
    with pytest.warns(UserWarning, match=told):
        found = fitted.predict_proba(wide)
    np.testing.assert_allclose(found, fitted.predict_proba(epochs_of(X)), atol=1e-6)
    with pytest.warns(UserWarning, match=r"^X: X1 \(triggers\) left out\.$"):
        model = BIOTClassifier(**(FAST | {"epochs": 1})).fit(wide, y)
    assert model.preprocessing_.ch_names == (*NAMES, "Oz")


def test_volts_become_the_unit_of_each_kind_of_channel():
    X, y = signals()
    epochs = epochs_of(X, ["Fz", "ECG", "HEOG"], ["eeg", "ecg", "eog"])
    model = BIOTClassifier(**(FAST | {"epochs": 1})).fit(epochs, y)
    assert model.preprocessing_.units == ("µV", "mV", "µV")


def test_epochs_of_another_rate_are_resampled_and_told(fitted):
    X, _ = signals(seed=1)
    fast = resample(X, 100, 200)
    expected = fitted.predict_proba(epochs_of(resample(fast, 200, 100)))
    with pytest.warns(UserWarning, match=r"^X: resampled from 200 to 100 Hz\.$"):
        found = fitted.predict_proba(epochs_of(fast, sfreq=200))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    with pytest.warns(UserWarning, match=r"from 50 to 100 Hz, which leaves nothing above 25 Hz"):
        fitted.predict(epochs_of(resample(X, 100, 50), sfreq=50))


@pytest.mark.parametrize(("at_fit", "at_predict"), [(100, 200), (100, 250), (200, 100), (128, 100)])
def test_the_last_instant_that_mne_includes_is_no_obstacle(at_fit, at_predict):
    """Epochs from 0 to 1 s have 101 samples at 100 Hz, 201 at 200 Hz."""
    generator, y = np.random.default_rng(0), np.arange(12) % 2
    quick = BIOTClassifier(**(FAST | {"epochs": 1}))
    X = 5 * generator.standard_normal((12, 3, at_fit + 1))
    model = quick.fit(epochs_of(X, sfreq=at_fit), y)
    other = epochs_of(resample(X, at_fit, at_predict)[..., : at_predict + 1], sfreq=at_predict)
    assert len(other.times) == at_predict + 1
    with pytest.warns(UserWarning, match=r"resampled from"):
        assert model.predict(other).shape == (12,)
    with pytest.raises(ConfigError, match=r"windows of \d+ samples .*was fitted to"):
        model.predict(other.crop(0, 0.5))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sfreq": 200}, r"sfreq=200 was given, but X is at 100 Hz\. Leave sfreq out"),
        ({"ch_names": ["Fz", "Cz", "Oz"]}, r"differ: Oz not in X; Pz not in ch_names"),
        ({"ch_names": ["Fz", "Cz"]}, r"differ: Pz not in ch_names\. Leave ch_names out"),
        ({"units": "mV"}, r"units says 'mV' of Fz, but X knows its units"),
        ({"units": {"Fz": "V", "Cz": "V"}}, r"units has no unit for Pz"),
    ],
)
def test_what_is_given_must_agree_with_the_epochs(given, message):
    X, y = signals()
    with pytest.raises(ConfigError, match=message):
        BIOTClassifier(**(FAST | given)).fit(epochs_of(X), y)


def test_what_agrees_may_be_given_and_gives_the_order_of_the_channels():
    X, y = signals()
    given = {"sfreq": 100, "ch_names": NAMES[::-1], "units": "V"}
    model = BIOTClassifier(**FAST, **given).fit(epochs_of(X), y)
    assert model.preprocessing_.ch_names == tuple(NAMES[::-1])
    assert model.preprocessing_.units == ("µV",) * 3
    assert model.score(epochs_of(X), y) > 0.9


def test_arrays_after_epochs_are_taken_in_the_order_that_is_told(fitted):
    X, _ = signals(seed=1)
    with pytest.warns(UserWarning, match=r"taken to be Fz, Cz, Pz, in this order, at 100 Hz"):
        found = fitted.predict_proba(X)
    np.testing.assert_allclose(found, fitted.predict_proba(epochs_of(X)), atol=1e-5)
    with pytest.raises(ConfigError, match=r"X has 2 channels, but BIOTClassifier is expecting 3"):
        fitted.predict(X[:, :2])


def test_epochs_after_an_array_without_names_are_refused():
    X, y = signals()
    model = BIOTClassifier(**(FAST | {"epochs": 1}), sfreq=100).fit(X, y)
    with pytest.raises(ChannelError, match=r"3 channels without names.*Fit it with ch_names="):
        model.predict(epochs_of(X))


def test_epochs_that_were_dropped_are_missed_among_the_labels():
    X, y = signals()
    X[3] *= 1000
    info = mne.create_info(NAMES, SFREQ, "eeg")
    raw = mne.io.RawArray(np.concatenate(list(X), axis=1) * 1e-6, info, verbose="ERROR")
    events = np.c_[np.arange(40) * 100, np.zeros(40), y].astype(int)
    epochs = mne.Epochs(raw, events, tmin=0, tmax=0.99, baseline=None, reject={"eeg": 1e-3},
                        preload=False, verbose="ERROR")  # fmt: skip
    quick = BIOTClassifier(**(FAST | {"epochs": 1}))
    with pytest.raises(ConfigError, match=r"X has 39 epochs that were not dropped, y has 40"):
        quick.fit(epochs, events[:, 2])
    epochs.drop_bad(verbose="ERROR")
    assert quick.fit(epochs, epochs.events[:, 2]).predict(epochs).shape == (39,)


@pytest.mark.parametrize("make", [
    lambda X: mne.io.RawArray(X[0] * 1e-6, mne.create_info(NAMES, SFREQ, "eeg"), verbose="ERROR"),
    lambda X: Recording.from_array(X[0], ch_names=NAMES, sfreq=100, units=["µV"] * 3),
])  # fmt: skip
def test_a_recording_that_is_not_cut_is_refused_with_the_way(make):
    X, y = signals()
    with pytest.raises(ConfigError, match=r"not cut into windows\. Cut it with mne\.make_fixed"):
        BIOTClassifier(**FAST).fit(make(X), y)


def test_lists_of_epochs_may_mark_different_channels_as_bad_but_have_one_rate():
    X, y = signals()
    parts = [epochs_of(X[:20]), epochs_of(X[20:, ::-1], NAMES[::-1])]
    parts[1].info["bads"] = ["Cz"]
    with pytest.warns(UserWarning, match=r"Cz marked as bad"):
        model = BIOTClassifier(**FAST).fit(parts, y)
    assert quietly(parts, model.score, y) > 0.9
    with pytest.raises(ConfigError, match=r"100 samples at 100 and 200 Hz"):
        BIOTClassifier(**FAST).fit([parts[0], epochs_of(X[20:], sfreq=200)], y)
    with pytest.raises(ConfigError, match=r"one item is a ndarray"):
        BIOTClassifier(**FAST).fit([parts[0], X], y)


def test_cross_validation_searches_and_pipelines_take_epochs():
    X, y = signals()
    epochs, groups = epochs_of(X), np.arange(40) // 8
    quick = BIOTClassifier(**FAST)
    scores = cross_val_score(quick, epochs, y, cv=GroupKFold(2), groups=groups)
    expected = cross_val_score(
        clone(quick).set_params(sfreq=100), X, y, cv=GroupKFold(2), groups=groups
    )
    np.testing.assert_allclose(scores, expected)
    search = GridSearchCV(quick, {"learning_rate": [1e-6, 0.02]}, cv=2).fit(epochs, y)
    assert search.best_params_["learning_rate"] == 0.02
    assert search.predict(epochs).shape == (40,)
    train, test, y_train, y_test = train_test_split(epochs, y, random_state=0)
    features = make_pipeline(
        BIOTTransformer(**TINY, spectrum="magnitude"), LogisticRegression()
    ).fit(train, y_train)
    assert features.score(test, y_test) > 0.8


def test_single_epochs_in_a_list_are_the_epochs(fitted):
    X, _ = signals(seed=1)
    epochs = epochs_of(X)
    singles = [epochs[number] for number in range(40)]
    np.testing.assert_array_equal(fitted.predict_proba(singles), fitted.predict_proba(epochs))


def test_a_saved_model_says_of_the_epochs_what_the_estimator_says(fitted, tmp_path):
    X, _ = signals(seed=1)
    epochs = epochs_of(X).reorder_channels(NAMES[::-1])
    fitted.model_.save_pretrained(tmp_path, preprocessing=fitted.preprocessing_)
    predictor = Predictor.from_pretrained(tmp_path, device="cpu")
    found = predictor.predict(from_mne(epochs)).probabilities
    np.testing.assert_allclose(fitted.predict_proba(epochs), found, atol=1e-6)


def test_the_transformer_matches_channels_too():
    X, y = signals()
    features = BIOTTransformer(**TINY).fit(epochs_of(X), y)
    expected = features.transform(epochs_of(X))
    reordered = epochs_of(X).reorder_channels(NAMES[::-1])
    np.testing.assert_allclose(features.transform(reordered), expected, atol=1e-6)
    with pytest.raises(BiotError, match=r"X has windows of 50 samples"):
        features.transform(epochs_of(X[..., :50]))


def test_windows_that_a_pretrained_model_is_not_for_are_refused_in_their_own_words(
    fitted, tmp_path
):
    X, y = signals()
    fitted.model_.save_pretrained(tmp_path, preprocessing=fitted.preprocessing_)
    model = BIOTClassifier(from_model=tmp_path, mode="ridge", device="cpu")
    assert model.fit(epochs_of(X).reorder_channels(NAMES[::-1]), y).score(epochs_of(X), y) > 0.9
    features = BIOTTransformer(from_model=tmp_path).fit(epochs_of(X[:, :2], NAMES[:2]))
    assert features.n_features_in_ == 2
    with pytest.raises(BiotError, match=r"X is at 50 Hz, .* was trained at 100 Hz\. Resample X"):
        model.fit(epochs_of(resample(X, 100, 50), sfreq=50), y)
    with pytest.raises(BiotError, match=r"does not know Oz of X; it has the channels Fz, Cz, Pz"):
        model.fit(epochs_of(X, ["Fz", "Cz", "Oz"]), y)
    arrays = clone(model).set_params(sfreq=100, ch_names=NAMES, units="g")
    with pytest.raises(BiotError, match=r"Fz is in 'g' in X, .* was trained with 'µV'.*units="):
        arrays.fit(X, y)
    replace(fitted.preprocessing_, l_freq=0.5, notch=40.0).save(tmp_path)
    with pytest.raises(
        BiotError, match=r"filtered windows \(l_freq 0\.5 Hz, notch 40 Hz\).*biot\."
    ):
        model.fit(epochs_of(X), y)


def test_what_is_to_be_known_of_a_training_is_kept():
    X, y = signals()
    shuffled = np.random.default_rng(0).permutation(y)
    model = (
        BIOTClassifier(**FAST).set_params(epochs=1, learning_rate=1e-6).fit(epochs_of(X), shuffled)
    )
    assert any("learnt nothing" in note for note in model.notes_)


def test_other_objects_of_mne_are_refused():
    X, y = signals()
    with pytest.raises(ConfigError, match=r"X is a EvokedArray, which holds no windows"):
        BIOTClassifier(**FAST).fit(epochs_of(X).average(), y)


def test_groups_and_weights_reach_fit_where_scikit_learn_routes_them():
    X, y = signals()
    given = {"groups": np.arange(40) // 8, "sample_weight": np.linspace(0.5, 2, 40)}
    with sklearn.config_context(enable_metadata_routing=True):
        model = BIOTClassifier(**FAST).set_fit_request(groups=True, sample_weight=True)
        model.set_score_request(sample_weight=True)
        found = cross_validate(model, epochs_of(X), y, cv=GroupKFold(2), params=given)
    assert (found["test_score"] > 0.8).all()


def test_windows_of_braindecode_are_taken_as_they_are():
    X, y = signals()
    raw = mne.io.RawArray(np.hstack(list(X)) * 1e-6, epochs_of(X).info, verbose="ERROR")

    class Part:
        def __init__(self):
            self.raw, self.description, self.y = raw, {"subject": 1}, y.tolist()
            self.crop_inds = np.array([[0, start, start + 100] for start in range(0, 4000, 100)])

        def __len__(self):
            return 40

        def __getitem__(self, index):
            return (X[index] * 1e-6).astype("float32"), y[index], self.crop_inds[index].tolist()

    model = BIOTClassifier(**FAST).fit(Part(), y)
    expected = BIOTClassifier(**FAST).fit(epochs_of(X), y)
    np.testing.assert_allclose(
        model.predict_proba(epochs_of(X)), expected.predict_proba(epochs_of(X)), atol=1e-4
    )
