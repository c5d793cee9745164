"""Windows that share samples are found, and told where some train and others validate."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biot.sklearn import BIOTClassifier
from biot.sklearn.holdout import shared_samples, tell_of_overlap, validation_windows

mne = pytest.importorskip("mne")

QUICK = {"embed_dim": 8, "num_heads": 2, "num_layers": 1, "epochs": 1, "device": "cpu"}


def noise(n_chans: int, n_times: int, seed: int = 0):
    return np.random.default_rng(seed).normal(size=(n_chans, n_times)).astype(np.float32)


def cut(signal, length: int, stride: int):
    starts = range(0, signal.shape[1] - length + 1, stride)
    return np.stack([signal[:, start : start + length] for start in starts])


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(20, 60), st.integers(1, 80), st.integers(0, 3))
def test_neighbours_that_share_samples_are_found_to_the_sample(n_chans, length, stride, seed):
    windows = cut(noise(n_chans, 300, seed), length, stride)
    found = shared_samples(windows, windows)
    shared = length - stride
    if shared >= 9:  # fewer numbers may be equal by chance
        assert found is not None
        assert (found.first, found.second, found.n_shared) == (0, 1, shared)
    elif shared <= 0:
        assert found is None


def test_flat_and_missing_samples_are_no_sign_of_overlap_but_do_not_hide_it():
    flat = np.zeros((5, 2, 50), np.float32)
    assert shared_samples(flat, flat) is None
    assert shared_samples(flat * np.nan, flat * np.nan) is None
    signal = noise(2, 300)
    signal[1] = np.nan
    signal[0, 100:110] = np.nan
    windows = cut(signal, 50, 25)
    found = shared_samples(windows, windows)
    assert found is not None
    assert found.n_shared == 25


def test_identical_windows_share_all_their_samples():
    windows = np.stack([noise(2, 50, seed) for seed in (0, 1, 1)])
    found = shared_samples(windows, windows)
    assert found is not None
    assert (found.first, found.second, found.n_shared) == (1, 2, 50)


def epochs(step: float, tmax: float = 0.99, **given):
    info = mne.create_info(["Fz", "Cz"], 100.0, "eeg")
    raw = mne.io.RawArray(noise(2, 3000) * 1e-5, info, verbose="ERROR")
    events = mne.make_fixed_length_events(raw, duration=step)
    given = {"baseline": None, "preload": True} | given
    return mne.Epochs(raw, events, tmin=0, tmax=tmax, verbose="ERROR", **given)


@pytest.mark.parametrize(
    ("change", "n_shared"),
    [
        (lambda: epochs(0.5), 50),
        (lambda: epochs(0.5, baseline=(0, 0.1)), 50),
        (lambda: epochs(0.5).resample(50, verbose="ERROR"), 25),
        (lambda: epochs(0.9, tmax=1.0), 11),
        (lambda: epochs(1.0), None),
        (lambda: epochs(1.0, tmax=1.0), None),  # a single sample
    ],
)
def test_epochs_that_share_samples_are_found_by_their_events(change, n_shared):
    made = change()
    found = shared_samples(made, made.get_data())
    assert (found.n_shared if found else None) == n_shared
    singles = [made[number] for number in range(len(made))]
    found = shared_samples(singles, made.get_data())
    assert (found.n_shared if found else None) == n_shared


def test_events_that_are_made_up_do_not_make_an_overlap():
    info = mne.create_info(["Fz", "Cz"], 100.0, "eeg")
    apart = cut(noise(2, 3000), 100, 100)
    made = mne.EpochsArray(apart, info, verbose="ERROR")
    assert made.events[:3, 0].tolist() == [0, 1, 2]
    assert shared_samples(made, apart) is None
    sliding = cut(noise(2, 3000), 100, 40)
    found = shared_samples(mne.EpochsArray(sliding, info, verbose="ERROR"), sliding)
    assert found is not None
    assert found.n_shared == 60


def test_epochs_of_two_recordings_do_not_overlap_with_each_other():
    one, other = epochs(1.0), epochs(1.0)
    other.apply_function(lambda x: x[::-1], verbose="ERROR")
    both = np.concatenate([one.get_data(), other.get_data()])
    assert shared_samples([one, other], both) is None
    found = shared_samples(
        [one, epochs(0.5)], np.concatenate([one.get_data(), epochs(0.5).get_data()])
    )
    assert found is not None
    assert (found.first, found.second) == (len(one), len(one) + 1)


def test_fit_tells_of_overlap_unless_groups_are_given():
    X = 20 * cut(noise(2, 1000), 50, 25)
    y = np.arange(len(X)) % 2
    model = BIOTClassifier(**QUICK, sfreq=50, ch_names=["C3", "C4"])
    with pytest.warns(UserWarning, match=r"windows overlap: 0 and 1 share 25 of 50 .*groups="):
        model.fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y, groups=np.arange(len(X)) // 10)
        model.fit(X[::2], np.arange(len(X[::2])) % 2)


def test_a_class_that_no_group_validates_is_told_in_our_words():
    truth = np.array([0] * 10 + [1] * 2)
    groups = np.array([0, 1, 2, 3, 4] * 2 + [0, 0])
    for seed in range(5):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            valid = validation_windows(truth, groups, 0.2, seed)
        told = [str(warning.message) for warning in caught]
        absent = set(truth) - set(truth[valid])
        assert len(told) == bool(absent)
        assert all(f"{len(absent)} of 2 classes of y are in no group" in text for text in told)
        assert all("n_splits" not in text for text in told)
    assert tell_of_overlap(np.zeros((2, 1, 9)), np.zeros((2, 1, 9))) is None
