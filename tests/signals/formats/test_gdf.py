"""GDF files, written byte by byte."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from biot.errors import RecordingError
from biot.signals import Annotation, read_recording

mne = pytest.importorskip("mne")
pytestmark = pytest.mark.filterwarnings("ignore:.*implausible amplitudes:UserWarning")

RATE, N_RECORDS = 100, 3
DIGITAL = np.random.default_rng(0).integers(-3000, 3000, (3, RATE * N_RECORDS)).astype("<i2")
NAMES = (b"Fp1", b"ECG", b"Thing")
EEG = (b"Fp1", b"ECG", b"Cz")


def _columns(second, units, n_samples, limits, names, types):
    n = len(names)
    out = b"".join(name.ljust(16, b"\x00") for name in names) + bytes(80 * n)
    if second:
        out += bytes(6 * n) + struct.pack(f"<{n}H", *units)
    else:
        out += b"".join(unit.ljust(8) for unit in units)
    for side in (0, 1):
        out += struct.pack(f"<{n}d", *(limit[side] / 10 for limit in limits))
    for side in (0, 1):
        digital = [limit[side] for limit in limits]
        out += (
            struct.pack(f"<{n}d", *digital) if second else struct.pack(f"<{n}q", *map(int, digital))
        )
    out += (
        bytes(68 * n) + struct.pack(f"<{3 * n}f", *[50] * n, *[1] * n, *[0] * n)
        if second
        else bytes(80 * n)
    )
    out += struct.pack(f"<{n}i", *n_samples) + struct.pack(f"<{n}i", *types)
    return out + bytes(32 * n)


def _event_table(version, mode, events, rate):
    """`events`: 1-based sample, type, channel, length in samples; the latter two in mode 3."""
    if version < "2":
        table = struct.pack("<4BI", mode, rate % 256, rate // 256, 0, len(events))
    else:
        table = struct.pack("<4Bf", mode, len(events), 0, 0, rate)
    columns = list(zip(*events, strict=True))[: 4 if mode == 3 else 2]
    for form, column in zip("IHHI", columns, strict=False):
        table += struct.pack(f"<{len(column)}{form}", *column)
    return table


@pytest.fixture
def write_gdf(tmp_path):
    def write(
        version,
        units,
        n_samples=(RATE,) * 3,
        n_bytes=None,
        *,
        digital=DIGITAL,
        limits=((-32768, 32767),) * 3,
        mode=1,
        events=((51, 769, 0, 0), (201, 770, 0, 0)),
        event_rate=RATE,
        names=NAMES,
        types=(3, 3, 3),
    ):
        second = version >= "2"
        n_header = 256 * (1 + len(names))
        main = f"GDF {version}".encode()
        if second:
            main = main.ljust(184, b"\x00") + struct.pack("<H", n_header // 256)
        else:
            main = main.ljust(168, b" ") + b"2020010100000000" + struct.pack("<q", n_header)
        main = main.ljust(236, b"\x00") + struct.pack("<qII", N_RECORDS, 1, 1)
        main += struct.pack("<HH", len(names), 0) if second else struct.pack("<I", len(names))
        body = main + _columns(second, units, n_samples, limits, names, types)
        for i in range(N_RECORDS):
            for row, count in zip(digital, n_samples, strict=True):
                body += row[i * count : (i + 1) * count].tobytes()
        if mode:
            body += _event_table(version, mode, events, event_rate)
        path = tmp_path / "made.gdf"
        path.write_bytes(body[:n_bytes])
        return path

    return write


@pytest.mark.parametrize(
    ("version", "units"), [("1.25", (b"uV", b"mV", b"mmHg")), ("2.10", (4275, 4274, 0))]
)
def test_gdf_numbers_are_those_of_its_bytes(write_gdf, version, units):
    recording = read_recording(write_gdf(version, units))
    assert (recording.ch_names, recording.sfreq) == (("Fp1", "ECG", "Thing"), RATE)
    assert recording.units == ("µV", "mV", "mmHg" if version == "1.25" else "")
    np.testing.assert_allclose(recording.data, DIGITAL / 10, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(
        recording.read(99, 201), DIGITAL[:, 99:201] / 10, rtol=1e-4, atol=1e-3
    )
    assert recording.annotations == (Annotation(0.5, 0, "769"), Annotation(2, 0, "770"))


def test_a_unit_that_mne_does_not_know_is_not_taken_for_volts(write_gdf):
    recording = read_recording(write_gdf("1.25", (b"mV", b"uV", b"")))
    assert recording.units == ("µV", "mV", "")
    expected = DIGITAL / 10 * np.array([[1e3], [1e-3], [1]])
    np.testing.assert_allclose(recording.data, expected, rtol=1e-4, atol=1e-3)


def test_several_rates_are_refused(write_gdf):
    path = write_gdf("1.25", (b"uV", b"mV", b""), n_samples=(100, 50, 100))
    with pytest.raises(RecordingError, match=r"^made.gdf: .*several rates \(\[50, 100\].*Convert"):
        read_recording(path)


@pytest.mark.parametrize("n_bytes", [2500, 1500, 700, 100])
def test_a_truncated_file_is_refused(write_gdf, n_bytes):
    with pytest.raises(RecordingError, match=r"^made.gdf: "):
        read_recording(write_gdf("2.10", (4275, 4274, 0), n_bytes=n_bytes))


BOTH = pytest.mark.parametrize(
    ("version", "units"), [("1.25", (b"uV", b"mV", b"uV")), ("2.10", (4275, 4274, 4275))]
)


@BOTH
def test_samples_at_or_below_the_digital_minimum_are_missing(write_gdf, version, units):
    """BCI Competition IV: runs lie 100 such samples apart, and so is what was out of range."""
    limits = ((-1024, 1023), (-2000, 2000), (-32767, 32767))
    digital = np.clip(DIGITAL, -1023, 1023)
    marked = np.zeros(digital.shape, bool)
    marked[:, 120:220] = marked[0, 7] = marked[2, 250] = True
    digital = np.where(marked, [[-1024], [-2000], [-32768]], digital).astype("<i2")
    recording = read_recording(write_gdf(version, units, digital=digital, limits=limits, names=EEG))
    np.testing.assert_array_equal(np.isnan(recording.data), marked)
    np.testing.assert_allclose(recording.data[~marked], digital[~marked] / 10, rtol=1e-4, atol=1e-3)
    raw = mne.io.read_raw_gdf(recording.path, verbose="ERROR").get_data()[0, :120] * 1e6
    raw[7] = np.nan
    np.testing.assert_allclose(recording.read(0, 120)[0], raw, rtol=1e-4, atol=1e-3)


@BOTH
def test_a_minimum_of_zero_and_a_trigger_mark_nothing(write_gdf, version, units):
    digital = np.stack([np.zeros(300), np.full(300, -5), np.full(300, 9)]).astype("<i2")
    limits = ((0, 100), (-5, 100), (-10, 10))
    names = (b"DIN1", b"Trigger", b"Cz")
    path = write_gdf(version, units, digital=digital, limits=limits, names=names)
    assert not np.isnan(read_recording(path).data).any()


@BOTH
def test_events_of_mode_3_have_durations_and_their_own_rate(write_gdf, version, units):
    events = ((1, 32766, 0, 0), (51, 769, 0, 125), (101, 1023, 2, 50), (151, 32766, 0, 0))
    path = write_gdf(version, units, mode=3, events=events, event_rate=50)
    recording = read_recording(path)
    assert recording.annotations == (
        Annotation(0, 0, "32766"),
        Annotation(1, 2.5, "769"),
        Annotation(2, 1, "1023"),
        Annotation(3, 0, "32766"),
    )


@BOTH
def test_a_new_run_begins_a_segment(write_gdf, version, units):
    events = ((1, 32766, 0, 0), (51, 769, 0, 25), (151, 32766, 0, 0))
    recording = read_recording(write_gdf(version, units, mode=3, events=events))
    assert recording.starts == (0, 150)


@BOTH
def test_a_mark_of_an_end_gives_a_duration_where_the_table_has_none(write_gdf, version, units):
    events = [(11, 769), (61, 769 + 0x8000), (101, 770), (131, 771 + 0x8000)]
    found = read_recording(write_gdf(version, units, events=events)).annotations
    assert found == (
        Annotation(0.1, 0.5, "769"),
        Annotation(1, 0, "770"),
        Annotation(1.3, 0, str(771 + 0x8000)),
    )


@BOTH
def test_a_file_without_a_table_of_events_is_read(write_gdf, version, units):
    recording = read_recording(write_gdf(version, units, mode=0, names=EEG))
    assert recording.annotations == ()
    np.testing.assert_allclose(recording.data, DIGITAL / 10, rtol=1e-4, atol=1e-3)


@BOTH
def test_numbers_of_several_types_are_refused(write_gdf, version, units):
    path = write_gdf(version, units, types=(3, 4, 3))  # MNE takes all for the first
    with pytest.raises(RecordingError, match=r"^made.gdf: .*several types \(\[3, 4\]\).*Convert"):
        read_recording(path)


def test_a_table_that_ends_early_is_refused(write_gdf):
    path = write_gdf("2.10", (4275, 4274, 0))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(RecordingError, match=r"^made.gdf: .*Copy it|Check"):
        read_recording(path)
