"""Times in tables of samples: the right rate, or a refusal that says what was seen."""

from __future__ import annotations

import warnings
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biot.errors import RecordingError
from biot.signals import read_recording

N = 600
SIGNAL = np.random.default_rng(1).normal(size=N) * 20


@pytest.fixture(scope="module")
def rate_of(tmp_path_factory):
    """The rate of a table with these times, and what was said."""

    def rate_of(name, times, separator=",", **options):
        path = tmp_path_factory.mktemp("times") / "made.csv"
        more = [name] if isinstance(name, str) else name
        columns = [times] if isinstance(name, str) else times
        signal = [f"{x:.4f}" for x in SIGNAL]
        if separator == ";":
            signal = [x.replace(".", ",") for x in signal]
        rows = zip(*columns, signal, strict=False)
        text = "\n".join(separator.join(map(str, row)) for row in [[*more, "Fp1"], *rows])
        path.write_text(text)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            recording = read_recording(path, **options)
        assert recording.ch_names == ("Fp1",)
        return recording.sfreq, " ".join(str(w.message) for w in caught)

    return rate_of


def seconds(rate, n=N, start=0.0):
    return start + np.arange(n) / rate


@pytest.mark.parametrize(("factor", "unit"), [(1, "s"), (1e3, "ms"), (1e6, "µs"), (1e9, "ns")])
@pytest.mark.parametrize("start", [0.0, 1.7e9])
def test_numbers_are_seconds_or_parts_of_them_since_the_start_or_1970(rate_of, factor, unit, start):
    times = [round(x * factor) if factor > 1e3 else f"{x * factor:.4f}" for x in seconds(250)]
    if start:
        times = [f"{int(start * factor) + int(float(t)) + float(t) % 1:.4f}" for t in times]
        times = [t.rpartition(".")[0] if factor > 1e3 else t for t in times]
    rate, said = rate_of("timestamp", times)
    assert rate == 250
    assert (f"taken as {unit}, which makes 250 Hz" in said) == (factor > 1)
    for name in (f"time_{unit}", f"Time ({unit})", f"timestamp [{unit}]"):
        assert rate_of(name, times) == (250, "")


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from([25, 50, 51.2, 64, 100, 128, 200, 250, 256, 500, 512, 1000]),
    start=st.floats(0, 2e9),
    decimals=st.integers(4, 6),
)
def test_a_rate_is_found_again_however_times_are_rounded(rate_of, rate, start, decimals):
    times = [f"{start + x:.{decimals}f}" for x in seconds(rate)]
    assert rate_of("time", times)[0] == pytest.approx(rate, rel=1e-3 if rate > 500 else 1e-6)


def clock(rate, start, pattern, digits=None):
    first = datetime.strptime(start, "%Y-%m-%d %H:%M:%S")
    every = [first + timedelta(seconds=x) for x in seconds(rate)]
    return [f"{t:{pattern}}"[:digits] for t in every]


@pytest.mark.parametrize(
    ("name", "start", "pattern", "digits"),
    [
        ("time", "2020-01-01 00:59:58", "%H:%M:%S.%f", -3),
        ("time", "2020-01-01 23:59:58", "%H:%M:%S.%f", -3),
        ("Clock", "2020-01-01 12:59:58", "%H:%M:%S:%f", -3),
        ("time", "2020-01-01 12:59:58", "%M:%S.%f", -3),
        ("Time", "2020-01-01 11:59:58", "%I:%M:%S.%f %p", None),
        ("Date", "2020-12-31 23:59:58", "%d/%m/%Y %H:%M:%S.%f", -3),
        ("Date", "2020-12-31 23:59:58", "%m/%d/%Y %H:%M:%S.%f", -3),
        ("Date", "2020-03-04 23:59:58", "%d/%m/%Y %H:%M:%S.%f", -3),
        ("Date", "2020-03-04 23:59:58", "%m/%d/%Y %H:%M:%S.%f", -3),
        ("Date", "2020-03-04 23:59:58", "%d.%m.%Y %H:%M:%S.%f", -3),
        ("datetime", "2020-03-04 23:59:58", "%Y-%m-%dT%H:%M:%S.%fZ", None),
        ("datetime", "2020-03-04 23:59:58", "%Y-%m-%dT%H:%M:%S.%f+02:00", None),
        ("datetime", "2020-03-04 23:59:58", "%Y/%m/%d %H:%M:%S.%f", None),
        ("time stamp", "2020-03-04 23:59:58", "%Y-%m-%d %H:%M:%S:%f", -3),
    ],
)
def test_dates_and_times_of_day_go_over_midnight(rate_of, name, start, pattern, digits):
    assert rate_of(name, clock(50, start, pattern, digits)) == (50, "")


def test_a_comma_may_stand_before_the_decimals(rate_of):
    times = [text.replace(".", ",") for text in clock(50, "2020-01-01 10:00:00", "%H:%M:%S.%f")]
    assert rate_of("time", times, ";") == (50, "")
    numbers = [f"{x:.3f}".replace(".", ",") for x in seconds(50)]
    assert rate_of("Zeit time", numbers, ";") == (50, "")


def test_date_and_time_may_stand_in_two_columns(rate_of):
    times = clock(50, "2020-01-01 23:59:58", "%H:%M:%S.%f")
    dates = clock(50, "2020-01-01 23:59:58", "%d/%m/%Y")
    assert rate_of(["Date", "Time"], [dates, times]) == (50, "")


def test_nanoseconds_since_a_phone_was_started_are_found_by_the_rate(rate_of):
    rate, said = rate_of("timestamp", 49_105_962_326_000 + np.arange(N) * 50_000_000)
    assert rate == 20
    assert "taken as ns, which makes 20 Hz" in said
    assert rate_of("MILLISEC", np.round(np.arange(N) * 1000 / 30).astype(int)) == (30, "")
    with pytest.raises(RecordingError, match=r"0\.1 Hz"):  # ten seconds apart, since 1970
        rate_of("timestamp", 1_700_000_000_000 + np.arange(N) * 10_000)


def test_times_of_day_without_seconds_count_rows_a_minute_or_are_refused(rate_of):
    minutes = [f"01/02/2020 10:{i // 120:02d}" for i in range(N)]
    assert rate_of("time", minutes)[0] == 2
    with pytest.raises(RecordingError, match="hours and minutes, or minutes and seconds"):
        rate_of("time", [text[-5:] for text in minutes])


@pytest.mark.parametrize("size", [2, 12, 18])
def test_rows_that_share_the_time_of_their_packet_count_one_by_one(rate_of, size):
    times = [f"{1.7e9 + i // size * size / 256:.6f}" for i in range(N)]
    assert rate_of("timestamps", times) == (256, "")


@pytest.mark.parametrize("rate", [50, 51.2, 64, 100])
@pytest.mark.parametrize("shift", [0.0, 0.37])
def test_times_in_whole_seconds_give_the_rate_of_the_rows_between(rate_of, rate, shift):
    times = [int(1.7e9 + x + shift) for x in seconds(rate)]
    found, _ = rate_of("timestamp", times)
    assert found == pytest.approx(rate, rel=0.02)


def test_times_of_arrival_jitter_and_are_told_of(rate_of):
    late = np.random.default_rng(2).exponential(0.004, size=N)
    times = np.maximum.accumulate(seconds(256) + late)
    rate, said = rate_of("timestamps", [f"{x:.6f}" for x in 1.7e9 + times])
    assert rate == pytest.approx(256, rel=0.002)
    assert "off an even spacing, as times of arrival are" in said


def test_a_lost_packet_is_refused_with_its_place(rate_of):
    times = seconds(256)
    times[240:] += 12 / 256
    with pytest.raises(RecordingError, match=r"at 256 Hz they lack 0\.0468\d* s before row 241 of"):
        rate_of("timestamps", times)
    assert rate_of("timestamps", times, sfreq=256)[0] == 256


@pytest.mark.parametrize("back", [0.5, 3600.0, 7200.5])
def test_a_clock_that_was_set_back_is_refused(rate_of, back):
    times = seconds(100, start=40_000.0)
    times[300:] -= back
    with pytest.raises(RecordingError, match=r"go back by|was set back"):
        rate_of("time", times)
    rate, said = rate_of("time", times, sfreq=100)
    assert rate == 100
    assert "read at 100 Hz as given" in said


@pytest.mark.parametrize(
    ("name", "times", "message"),
    [
        ("time (s)", seconds(0.25), r"0\.25 Hz and a length of 2396 s for 600 rows.*Give sfreq="),
        ("time_s", seconds(256) * 1000, r"0\.256 Hz"),
        ("timestamp", clock(1 / 60, "2020-01-01 10:00:00", "%Y-%m-%d %H:%M:%S"), r"0\.01667 Hz"),
        ("timestamp", clock(1 / 900, "2020-01-01 10:00:00", "%Y-%m-%d %H:%M:%S"), "6.2 days"),
        ("time", np.arange(N) * 60, r"0\.01667 Hz"),
        ("time", np.arange(N), "counts 1 a row, which may be seconds, milliseconds or row numbers"),
        ("time", np.zeros(N), "are not evenly spaced: they do not advance"),
        ("time", ["10:00:00"] * N, "do not advance"),
        ("time", np.cumsum(np.random.default_rng(3).exponential(size=N)), "not evenly spaced"),
        ("time", [*seconds(50)[:-1], "nan"], "should hold times, but row 600 of samples has none"),
        ("time", [*clock(50, "2020-01-01 10:00:00", "%H:%M:%S.%f")[:-1], "later"], "row 600 .*'l"),
    ],
)
def test_times_that_make_no_sense_are_refused_and_not_needed(rate_of, name, times, message):
    with pytest.raises(RecordingError, match=message):
        rate_of(name, times)
    rate, said = rate_of(name, times, sfreq=64)
    assert rate == 64
    assert said == "" or "64 Hz" in said


def test_a_rate_above_the_columns_goes_before_times(tmp_path):
    path = tmp_path / "made.csv"
    rows = "\n".join(f"{i / 100},{x:.3f}" for i, x in enumerate(SIGNAL))
    path.write_text(f"# Sampling rate: 1 kHz\n# of nobody\ntime,Fp1\n{rows}\n")
    with pytest.warns(UserWarning, match="read at 1000 Hz as it says, but .* they tell 100 Hz"):
        assert read_recording(path).sfreq == 1000
    path.write_text(f"Fs = 100\nSampling rate = 200 Hz\ntime,Fp1\n{rows}\n")
    with pytest.raises(RecordingError, match=r"several sampling rates, 100, 200 Hz\. Give sfreq="):
        read_recording(path)


@pytest.mark.parametrize(
    ("name", "a_unit"),
    [("time (min)", 60), ("minutes", 60), ("time_min", 60), ("time [h]", 3600), ("hours", 3600),
     ("time (days)", 86_400), ("datenum", 86_400)],
)  # fmt: skip
def test_times_may_be_in_minutes_hours_or_days(rate_of, name, a_unit):
    start = 738_000 if name == "datenum" else 0
    assert rate_of(name, [f"{start + t / a_unit:.11f}" for t in seconds(250)]) == (250, "")


def test_dates_as_spreadsheets_number_them_are_days(rate_of):
    rate, said = rate_of("time", [f"{45_000 + t / 86_400:.10f}" for t in seconds(250)])
    assert rate == 250
    assert "taken as days, which makes 250 Hz" in said


def test_a_fast_rate_of_times_without_a_unit_is_told_of(rate_of):
    rate, said = rate_of("time", [f"{t / 60:.9f}" for t in seconds(250)])
    assert rate == 15_000
    assert "do not say their unit; they were taken as s, which makes 15000 Hz" in said


def test_an_index_of_dates_or_differences_as_pandas_writes_it_gives_the_rate(rate_of):
    pd = pytest.importorskip("pandas")
    dates = pd.date_range("2023-01-31 23:59:59", periods=N, freq="4ms").astype(str)
    assert rate_of("", dates)[0] == 250
    assert rate_of("time", map(str, pd.timedelta_range("0s", periods=N, freq="4ms")))[0] == 250
