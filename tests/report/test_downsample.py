"""Signals made small enough for a page: extremes stay, gaps stay, the size is bounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biot.errors import RecordingError
from biot.report.timeline.downsample import BLOCK, columns, details, encode, scan
from biot.signals.recording import Recording


def recording_of(data, sfreq=100.0, **options) -> Recording:
    names = tuple(f"C{i}" for i in range(len(data)))
    return Recording.from_array(
        data, ch_names=names, sfreq=sfreq, units=("µV",) * len(data), **options
    )


@given(
    st.integers(1, 3), st.integers(1, 5000), st.integers(2, 700), st.integers(0, 2**32 - 1),
    st.sampled_from((0.0, 0.3, 1.0)),
)  # fmt: skip
def test_the_extremes_of_every_column_are_kept(n_chans, n_times, budget, seed, share_missing):
    rng = np.random.default_rng(seed)
    data = rng.standard_cauchy((n_chans, n_times)).astype(np.float32)  # now and then a spike
    data[rng.random(data.shape) < share_missing] = np.nan
    whole = scan(recording_of(data), range(n_chans), budget=budget).whole
    shown = whole.decoded()
    size = whole.per_column
    assert shown.shape == (n_chans, -(-n_times // size), 2)
    for column in range(shown.shape[1]):
        samples = data[:, column * size : (column + 1) * size]
        for row in range(n_chans):
            known = samples[row][~np.isnan(samples[row])]
            if not len(known):
                assert np.isnan(shown[row, column]).all()
                continue
            # within a whole number of the block
            unit = whole.unit[row, column // BLOCK]
            room = 0.51 * unit + 1e-6 * np.abs(whole.middle[row, column // BLOCK])
            assert abs(shown[row, column, 0] - known.min()) <= room
            assert abs(shown[row, column, 1] - known.max()) <= room


def test_a_spike_of_one_sample_in_a_day_stays_as_high_as_it_was():
    n_times = 24 * 3600 * 100

    def read_samples(start, stop):
        data = np.sin(np.arange(start, stop, dtype=np.float32))[None].copy()
        if start <= 5_000_001 < stop:
            data[0, 5_000_001 - start] = 250
        return data

    recording = Recording(
        path=None, ch_names=("C",), sfreq=100, n_times=n_times, units=("µV",),
        read_samples=read_samples,
    )  # fmt: skip
    whole = scan(recording, [0], budget=100_000).whole
    column = 5_000_001 // whole.per_column
    assert whole.codes.nbytes <= 100_000
    assert whole.decoded()[0, column, 1] == pytest.approx(250, abs=0.6)
    assert np.nanmax(np.delete(whole.decoded()[0, :, 1], column)) < 2


@given(st.integers(1, 40), st.integers(1, 3_000_000), st.integers(1000, 10_000))
def test_the_whole_recording_fits_the_budget(n_chans, n_times, budget):
    from biot.report.timeline.downsample import _resolution

    bits, per_column = _resolution(n_chans, n_times, budget)
    n_columns = -(-n_times // per_column)
    size = n_chans * n_columns * (bits // 8) * (1 if per_column == 1 else 2)
    assert size <= budget * 8 / 5 + 2 * n_chans


def test_a_short_recording_keeps_every_sample():
    data = np.random.default_rng(0).normal(0, 30, (4, 10_000)).astype(np.float32)
    whole = scan(recording_of(data), [0, 2]).whole
    assert (whole.bits, whole.per_column) == (16, 1)
    np.testing.assert_allclose(whole.decoded()[..., 0], data[[0, 2]], atol=0.005)


def test_missing_flat_and_saturated_samples_are_counted():
    data = np.random.default_rng(0).normal(0, 30, (3, 6000)).astype(np.float32)
    data[0, 1000:2500] = np.nan
    data[1, 3000:3600] = 7.0
    data[2, [5, 80, 4000]] = 500
    recording = recording_of(data)
    limits = ((-500.0, 500.0),) * 3
    found = scan(Recording(**{**vars(recording), "limits": limits}), [0], budget=1000)
    assert found.n_missing.tolist() == [1500, 0, 0]
    assert found.n_flat.tolist() == [0, 600, 0]
    assert found.n_at_ends.tolist() == [0, 0, 3]
    assert found.highest[2] == 500


def test_an_infinite_value_is_missing():
    data = np.zeros((1, 100), np.float32)
    data[0, 3] = np.inf
    found = scan(recording_of(data), [0])
    assert found.n_missing.tolist() == [1]
    assert np.isnan(found.whole.decoded()[0, 3]).all()


def test_details_are_kept_in_the_order_wanted_until_the_budget_is_used():
    data = np.random.default_rng(0).normal(0, 30, (2, 100_000)).astype(np.float32)
    spans = [(500.0, 510.0), (100.0, 110.0), (505.0, 520.0), (800.0, 900.0), (0.0, 1.0)]
    found = details(recording_of(data), [0, 1], spans, budget=2 * 3500)
    assert [(one.start, one.stop) for one in found] == [(100, 110), (500, 520)]
    np.testing.assert_allclose(found[0].decoded()[..., 1], data[:, 10_000:11_000], atol=1)


def test_fast_details_keep_the_extremes_of_columns():
    data = np.random.default_rng(0).normal(0, 1, (1, 40_000)).astype(np.float32)
    (found,) = details(recording_of(data, sfreq=2000.0), [0], [(-5.0, 3.0)])
    assert (found.start, found.per_column) == (0, 4)
    expected = data[:, :6000].reshape(1, -1, 4)
    np.testing.assert_allclose(found.decoded()[..., 0], expected.min(axis=2), atol=0.05)
    np.testing.assert_allclose(found.decoded()[..., 1], expected.max(axis=2), atol=0.05)


def test_gaps_of_days_are_not_read():
    read = []

    def read_samples(start, stop):
        read.append(stop - start)
        return np.ones((1, stop - start), np.float32)

    n = 50_000_000
    recording = Recording(
        path=None, ch_names=("C",), sfreq=100, n_times=n, units=("µV",), gaps=((1000, n - 1000),),
        read_samples=read_samples,
    )  # fmt: skip
    found = scan(recording, [0], budget=10_000)
    assert sum(read) < n / 3
    assert np.isnan(found.whole.decoded()[0, found.whole.n_columns // 2]).all()


def test_an_empty_recording_is_refused():
    with pytest.raises(RecordingError, match="holds no samples, so there is nothing to draw"):
        scan(recording_of(np.zeros((1, 0))), [0])


def test_a_constant_column_stays_what_it_is():
    middle, unit, codes = encode(np.full((1, 300), 5.5, np.float32), 8, pairs=False)
    assert (middle == 5.5).all()
    assert not unit.any()
    assert not codes.any()


def test_what_is_no_whole_column_is_one_of_fewer_samples():
    found = columns(np.array([[3.0, 1.0, 2.0, 9.0]], np.float32), 3)
    np.testing.assert_array_equal(found, [[1, 3, 9, 9]])
