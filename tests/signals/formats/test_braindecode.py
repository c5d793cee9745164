"""Braindecode's data sets, by what they offer: nothing of braindecode is needed."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

from biot.errors import RecordingError
from biot.signals import from_braindecode

mne = pytest.importorskip("mne")

DATA = np.random.default_rng(0).normal(size=(2, 300)) * 1e-5
INFO = mne.create_info(["Fp1", "X7"], 100.0, ["eeg", "ecg"])
CROPS = np.array([[0, 0, 100], [1, 50, 150], [2, 200, 300]])


class Part:
    """A data set of windows, as braindecode's are used."""

    def __init__(self, **extra):
        self.raw = mne.io.RawArray(DATA, INFO, verbose="ERROR")
        self.description = {"subject": 3, "session": "a"}
        self.crop_inds = CROPS
        self.y = [0, 1, 0]
        self.__dict__.update(extra)

    def __len__(self):
        return len(self.crop_inds)

    def __getitem__(self, i):
        _, start, stop = self.crop_inds[i]
        return DATA[:, start:stop].astype("float32"), self.y[i], self.crop_inds[i].tolist()


def test_windows_are_segments_with_their_targets():
    dataset = SimpleNamespace(datasets=[Part(), Part(description={"subject": 4})])
    found = from_braindecode(dataset)
    assert [about for about, _ in found] == [{"subject": 3, "session": "a"}, {"subject": 4}]
    recording = found[0][1]
    assert (recording.ch_names, recording.units) == (("Fp1", "X7"), ("µV", "mV"))
    assert (recording.sfreq, recording.starts, recording.n_times) == (100, (0, 100, 200), 300)
    labels = [(a.onset, a.duration, a.label) for a in recording.annotations]
    assert labels == [(0, 1, "0"), (1, 1, "1"), (2, 1, "0")]
    expected = np.hstack([DATA[:, a:b] for _, a, b in CROPS]) * [[1e6], [1e3]]
    np.testing.assert_allclose(recording.data, expected, rtol=1e-5)
    np.testing.assert_allclose(recording.read(90, 210), expected[:, 90:210], rtol=1e-5)
    assert recording.read(5, 5).shape == (2, 0)


def test_windows_begin_at_the_place_of_the_first():
    part = Part(crop_inds=CROPS[1:], y=[1, 0])
    part.raw.set_meas_date(datetime(2021, 3, 4, tzinfo=UTC))
    ((_, recording),) = from_braindecode(part)
    assert recording.meas_date == datetime(2021, 3, 4, 0, 0, 0, 500_000, tzinfo=UTC)
    ((_, recording),) = from_braindecode(Part())
    assert recording.meas_date is None


def test_a_single_part_and_one_without_windows_are_taken_too():
    ((_, recording),) = from_braindecode(Part())
    assert recording.n_times == 300
    raw = SimpleNamespace(raw=Part().raw, description={})
    ((_, recording),) = from_braindecode(raw)
    np.testing.assert_allclose(recording.data[0], DATA[0] * 1e6, rtol=1e-5)
    assert recording.starts == (0,)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Part(targets_from="channels"), "the targets are channels of the signal"),
        (Part(crop_inds=CROPS[:0], y=[]), "holds no window"),
        ([1, 2], "takes data sets of recordings, got list.*from_mne"),
    ],
)
def test_what_has_no_labelled_windows_is_refused(dataset, message):
    with pytest.raises(RecordingError, match=message):
        from_braindecode(dataset)


def test_windows_of_several_lengths_are_refused():
    crops = np.array([[0, 0, 100], [1, 100, 150]])
    with pytest.raises(RecordingError, match=r"window 1 has the shape \(2, 50\).*\(2, 100\)"):
        from_braindecode(Part(crop_inds=crops, y=[0, 1]))
