"""GDF files, written byte by byte."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from biot.errors import RecordingError
from biot.signals import Annotation, read_recording

pytest.importorskip("mne")
pytestmark = pytest.mark.filterwarnings("ignore:.*implausible amplitudes:UserWarning")

RATE, N_RECORDS = 100, 3
DIGITAL = np.random.default_rng(0).integers(-3000, 3000, (3, RATE * N_RECORDS)).astype("<i2")
NAMES = (b"Fp1", b"ECG", b"Thing")


def _columns(second, units, n_samples):
    n = len(NAMES)
    limits = [(-32768.0, 32767.0)] * n
    out = b"".join(name.ljust(16, b"\x00") for name in NAMES) + bytes(80 * n)
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
    out += struct.pack(f"<{n}i", *n_samples) + struct.pack(f"<{n}i", *[3] * n)
    return out + bytes(32 * n)


@pytest.fixture
def write_gdf(tmp_path):
    def write(version, units, n_samples=(RATE,) * 3, n_bytes=None):
        second = version >= "2"
        n_header = 256 * (1 + len(NAMES))
        main = f"GDF {version}".encode()
        if second:
            main = main.ljust(184, b"\x00") + struct.pack("<H", n_header // 256)
        else:
            main = main.ljust(168, b" ") + b"2020010100000000" + struct.pack("<q", n_header)
        main = main.ljust(236, b"\x00") + struct.pack("<qII", N_RECORDS, 1, 1)
        main += struct.pack("<HH", len(NAMES), 0) if second else struct.pack("<I", len(NAMES))
        body = main + _columns(second, units, n_samples)
        for i in range(N_RECORDS):
            for row, count in zip(DIGITAL, n_samples, strict=True):
                body += row[i * count : (i + 1) * count].tobytes()
        # two events: mode 1, rate, count, 1-based samples, types
        head = struct.pack("<3B", 2, 0, 0) + struct.pack("<f", RATE)
        if not second:
            head = struct.pack("<3B", RATE, 0, 0) + struct.pack("<I", 2)
        body += b"\x01" + head + struct.pack("<2I2H", 51, 201, 769, 770)
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
    assert recording.annotations == (Annotation(0.5, 0.01, "769"), Annotation(2.0, 0.01, "770"))


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
