"""The simulation: known events that total power does not give away, and real EDF+ files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.errors import ConfigError
from biot.signals import Recording, read_recording
from biot.simulate import CLASSES, ELECTRODES, simulate_eeg, write_edf, write_study


def windows_of(recording: Recording, seconds: float = 4.0) -> tuple[Any, list[str]]:
    """Windows inside the annotated stretches, (n, n_chans, n_times), and their labels."""
    data, n_times = recording.data.astype(np.float64), round(seconds * recording.sfreq)
    windows, labels = [], []
    for event in recording.annotations:
        first = round(event.onset * recording.sfreq)
        for start in range(first, first + round(event.duration * recording.sfreq), n_times):
            if start + n_times <= first + round(event.duration * recording.sfreq):
                windows.append(data[:, start : start + n_times])
                labels.append(event.label)
    return np.stack(windows), labels


@pytest.fixture(scope="module")
def study() -> tuple[Any, Any, Any]:
    """Windows, labels and subjects of six simulated people."""
    parts = [windows_of(simulate_eeg(subject, duration=240.0)) for subject in range(6)]
    windows = np.concatenate([windows for windows, _ in parts])
    labels = np.concatenate([labels for _, labels in parts])
    return windows, labels, np.repeat(range(6), [len(labels) for _, labels in parts])


def balanced_accuracy_on_unseen_subjects(features: Any, labels: Any, subjects: Any) -> float:
    """Logistic regression, each subject predicted by a model of the others."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
    )
    predicted = cross_val_predict(
        classifier, features, labels, groups=subjects, cv=LeaveOneGroupOut()
    )
    return float(balanced_accuracy_score(labels, predicted))


def test_total_power_of_each_channel_does_not_tell_the_class(study: tuple[Any, Any, Any]) -> None:
    windows, labels, subjects = study
    log_power = np.log(np.mean(windows**2, axis=-1))
    assert balanced_accuracy_on_unseen_subjects(log_power, labels, subjects) < 0.5
    variance = windows.var(axis=-1)
    assert balanced_accuracy_on_unseen_subjects(variance, labels, subjects) < 0.5


def test_the_shape_of_the_spectrum_tells_the_class(study: tuple[Any, Any, Any]) -> None:
    windows, labels, subjects = study
    power = np.abs(np.fft.rfft(windows * np.hanning(windows.shape[-1]))) ** 2
    bands = power[..., 4:124].reshape(*power.shape[:2], 15, 8).mean(axis=-1)  # 1 to 31 Hz
    share = np.log(bands / bands.sum(axis=-1, keepdims=True)).reshape(len(windows), -1)
    assert balanced_accuracy_on_unseen_subjects(share, labels, subjects) > 0.75


def test_spindles_are_waves_between_12_and_15_hz_strongest_at_the_centre() -> None:
    windows, labels = windows_of(simulate_eeg(3))
    power = np.abs(np.fft.rfft(windows)) ** 2
    sigma = power[..., 48:61].sum(axis=-1) / power[..., 4:161].sum(axis=-1)  # 12-15 of 1-40 Hz
    during = np.array(labels) == "spindles"
    share = dict(zip(ELECTRODES, sigma[during].mean(axis=0), strict=True))
    otherwise = dict(zip(ELECTRODES, sigma[~during].mean(axis=0), strict=True))
    for name in ("C3", "C4"):
        assert share[name] > 3 * otherwise[name]
        assert share[name] > 1.5 * max(share["O1"], share["O2"], share["Fp1"], share["Fp2"])


def test_annotations_cover_the_recording_end_to_end_with_every_class() -> None:
    recording = simulate_eeg(1, duration=100.123)
    onset = 0.0
    for event in recording.annotations:
        assert event.onset == pytest.approx(onset, abs=1e-6)
        onset += event.duration
    assert onset == pytest.approx(recording.duration, abs=1e-6)
    assert {event.label for event in recording.annotations} == set(CLASSES)


def test_a_subject_and_a_seed_fix_every_sample() -> None:
    first, again = simulate_eeg(2, seed=5, duration=40), simulate_eeg(2, seed=5, duration=40)
    np.testing.assert_array_equal(first.data, again.data)
    assert first.annotations == again.annotations
    for other in (simulate_eeg(3, seed=5, duration=40), simulate_eeg(2, seed=6, duration=40)):
        assert not np.array_equal(first.data, other.data)


def test_amplitudes_are_those_of_scalp_eeg() -> None:
    for subject in range(3):
        recording = simulate_eeg(subject, duration=60)
        assert recording.units == ("µV",) * len(ELECTRODES)
        assert (recording.data.std(axis=1) > 8).all()
        assert (recording.data.std(axis=1) < 80).all()
        assert np.abs(recording.data).max() < 400


def test_the_edf_file_holds_the_samples_and_the_annotations(tmp_path: Path) -> None:
    recording = simulate_eeg(0, duration=40)
    opened = read_recording(write_edf(recording, tmp_path / "a.edf"))
    assert opened.ch_names == recording.ch_names
    assert opened.units == recording.units
    assert opened.sfreq == recording.sfreq
    np.testing.assert_allclose(opened.data, recording.data, atol=0.01)
    assert [event.label for event in opened.annotations] == [
        event.label for event in recording.annotations
    ]
    for read, written in zip(opened.annotations, recording.annotations, strict=True):
        assert read.onset == pytest.approx(written.onset, abs=1e-3)
        assert read.duration == pytest.approx(written.duration, abs=1e-3)


def test_a_study_is_one_file_a_subject_and_the_same_bytes_again(tmp_path: Path) -> None:
    first = write_study(tmp_path / "a" / "b", subjects=[0, 4], duration=40)
    again = write_study(str(tmp_path / "c"), subjects=[0, 4], duration=40)
    assert [path.name for path in first] == ["sub-01_eeg.edf", "sub-05_eeg.edf"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"subject": 0, "duration": 39.0}, r"at least 40 s .* got 39 s at 256 Hz"),
        ({"subject": 0, "duration": float("nan")}, r"at least 40 s .* got nan s"),
        ({"subject": 0, "sfreq": 100.0}, r"128 Hz or more, got 300 s at 100 Hz"),
        ({"subject": -1}, r"subject and seed must be 0 or more, got -1 and 0"),
    ],
)
def test_what_cannot_be_simulated_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        simulate_eeg(**arguments)
