"""Stretches that annotations mark as spoilt."""

from __future__ import annotations

import numpy as np
import pytest

from biot.errors import RecordingError
from biot.signals import Annotation, Recording
from biot.signals.preprocess import is_missing, without_bad_spans


@pytest.fixture
def make_recording():
    def make(*annotations, data=None):
        values = np.arange(200.0).reshape(2, 100) if data is None else data
        names = {"ch_names": ("Cz", "Pz"), "units": ("µV", "µV")}
        return Recording.from_array(values, sfreq=10, annotations=annotations, **names)

    return make


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        *[("BAD_blink", True), ("bad segment", True), ("EDGE boundary", True), ("BAD", True)],
        *[("Badminton", False), ("edgewise", False), ("not bad", False)],
    ],
)
def test_only_marks_of_spoilt_data_are_missing(label, expected):
    assert is_missing(Annotation(0.0, 1.0, label)) is expected


def test_bad_stretches_are_nan_wherever_reading_starts(make_recording):
    marks = Annotation(1.0, 0.5, "BAD_jump"), Annotation(8.0, 0.0, "EDGE boundary")
    recording = make_recording(*marks, Annotation(3.0, 1.0, "seizure"))
    cleaned = without_bad_spans(recording)
    expected = recording.data
    expected[:, 10:15] = np.nan
    expected[:, 80] = np.nan
    np.testing.assert_array_equal(cleaned.data, expected)
    for start, stop in [(0, 12), (12, 90), (13, 14), (20, 30)]:
        np.testing.assert_array_equal(cleaned.read(start, stop), expected[:, start:stop])
    assert np.isfinite(recording.data).all()


def test_an_infinite_value_raises_and_names_the_channel(make_recording):
    data = np.zeros((2, 100))
    data[1, 50] = np.inf
    cleaned = without_bad_spans(make_recording(data=data))
    assert cleaned.read(0, 50).shape == (2, 50)
    with pytest.raises(RecordingError, match="channel Pz holds an infinite value"):
        cleaned.read(0, 51)
