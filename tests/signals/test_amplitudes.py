"""Implausible amplitudes are told of, and nothing is rescaled."""

from __future__ import annotations

import numpy as np
import pytest

from biot.signals import Recording, read_recording
from biot.signals.units import tell_of_amplitudes


def _recording(names, units, factors, n_times=1000):
    noise = np.random.default_rng(0).normal(size=(len(names), n_times))
    data = noise * np.array(factors)[:, np.newaxis]
    return Recording.from_array(data, ch_names=names, sfreq=100, units=units)


def test_volts_that_are_none_are_told_of_and_kept(shared_data):
    path = shared_data / "readers/fif/ssvep_subject07_2012.07.18-09.21.13_raw.fif"
    with pytest.warns(
        UserWarning, match=rf"^{path.name}: as eeg, Oz, .* and 3 more .*6.2e\+03 µV.*not.* rescaled"
    ):
        recording = read_recording(path)
    assert np.std(recording.data) > 1e3


@pytest.mark.parametrize(
    ("name", "unit", "factor"),
    [
        ("Fp1", "µV", 2000),
        ("Fp1", "µV", 1e-5),
        ("V5", "mV", 300),
        ("Acc X", "g", 60),
        ("Gyro X", "rad/s", 300),
    ],
)
def test_what_no_such_signal_has_is_told_of(name, unit, factor):
    with pytest.warns(UserWarning, match=rf"in memory>: as .*{name} have implausible .* {unit}"):
        tell_of_amplitudes(_recording([name, "Thing"], [unit, unit], [factor, factor]))


def test_plausible_flat_missing_and_unknown_channels_are_not_told_of():
    names = ["Fp1", "Fp2", "F3", "V5", "Acc X", "Thing", "C3"]
    units = ["µV", "µV", "µV", "mV", "g", "µV", ""]
    recording = _recording(names, units, [30, 0, np.nan, 0.3, 0.2, 1e9, 1e9])
    assert tell_of_amplitudes(recording) is recording


@pytest.mark.parametrize("n_times", [0, 1, 150])
def test_short_recordings_are_looked_at_whole(n_times):
    tell_of_amplitudes(_recording(["Fp1"], ["µV"], [30], n_times))
