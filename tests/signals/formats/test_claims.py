"""What a file claims of itself is checked before memory or time is spent on it."""

from __future__ import annotations

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from biot.errors import ConfigError, RecordingError
from biot.signals import read_recording, resampled


@pytest.mark.parametrize(
    ("duration", "message"),
    [
        ("0.00001", r"its rate would be 1e\+06 Hz; .* up to 1,000,000 Hz are read"),
        ("1e-9", r"its rate would be 1e\+10 Hz"),
        ("1e-99999", r"duration of a data record is 1e-99999 s"),
        ("1e99999", r"should be a number, but the header has '1e99999'"),
        ("99999999", r"40 samples at 1e-07 Hz would last 4,630 days; up to 366 are read"),
    ],
)
def test_a_duration_that_no_record_has_is_refused(write_edf, make_signal, duration, message):
    n = 11 if duration == "0.00001" else 10
    path = write_edf([make_signal(n_times=4 * n, per_record=n)], duration=duration)
    message = message.replace("1e\\+06", "1.1e\\+06")
    with pytest.raises(RecordingError, match=rf"^made.edf: .*{message}"):
        read_recording(path)


def test_a_physical_range_beyond_any_sensor_is_refused(write_edf, make_signal):
    path = write_edf([make_signal(physical=("-1e308", "1e308"))])
    with pytest.raises(RecordingError, match=r"are -1e\+308 and 1e\+308, which no sensor measures"):
        read_recording(path)


def stamp(seconds):
    return f"+{seconds}\x14\x14\x00".encode()


@pytest.fixture
def with_a_gap(write_edf, make_signal):
    """Four records of a second each, ten samples a second, a day between the second and third."""
    texts = [stamp(second) for second in (0, 1, 86_400, 86_401)]
    return write_edf([make_signal()], texts=texts, reserved="EDF+D")


def test_a_gap_of_days_is_known_as_a_gap(with_a_gap):
    recording = read_recording(with_a_gap)
    assert recording.gaps == ((20, 864_000),)
    assert recording.is_gap(20, 864_000)
    assert not recording.is_gap(19, 30)
    assert not recording.is_gap(863_999, 864_001)
    at_5_hz = resampled(recording, 5)
    assert at_5_hz.gaps == ((10, 432_000),)
    first, last = at_5_hz.gaps[0]
    assert np.isnan(at_5_hz.read(first, first + 100)).all()
    assert np.isnan(at_5_hz.read(last - 100, last)).all()
    with pytest.raises(ConfigError, match="method='fft' needs every sample"):
        resampled(recording, 5, method="fft")


def archive_of(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def npy(array, shape=None):
    file = io.BytesIO()
    np.save(file, array)
    if shape is None:
        return file.getvalue()
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": shape}
    claimed = io.BytesIO()
    np.lib.format.write_array_header_1_0(claimed, header)
    return claimed.getvalue() + array.tobytes()


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path):
    rest = {"ch_names": npy(np.array(["C3", "C4"])), "sfreq": npy(np.array(200.0))}
    rest["units"] = npy(np.array("uV"))
    data = npy(np.zeros((2, 10), np.float32), shape=(2, 10**9))
    archive_of(tmp_path / "claims.npz", data=data, **rest)
    zeros = npy(np.zeros((2, 20_000_000), np.float32))
    archive_of(tmp_path / "zeros.npz", data=zeros, **rest)
    del zeros
    tracemalloc.start()
    for name, size in (("claims.npz", "7,629 MB"), ("zeros.npz", "153 MB")):
        with pytest.raises(RecordingError, match=rf"^{name}: data of shape .* would take {size}"):
            read_recording(tmp_path / name)
    assert tracemalloc.get_traced_memory()[1] < 30e6
    tracemalloc.stop()


@pytest.mark.parametrize("rate", ["1e300", "1e-9", "0"])
def test_a_rate_that_a_table_claims_is_checked(tmp_path, rate):
    path = tmp_path / "table.csv"
    path.write_text("sfreq,C3\n" + f"{rate},1\n" * 9)
    with pytest.raises(RecordingError, match=r"^table.csv: .*rate (would|must) be|would last"):
        read_recording(path)


@pytest.mark.parametrize("n_times", [40, 4000])
def test_a_file_that_went_through_a_transfer_in_text_mode_is_refused(
    write_edf, make_signal, n_times
):
    path = write_edf([make_signal(n_times=n_times)])
    content = path.read_bytes()
    if n_times == 40:  # one byte 10 only: the surplus of one byte tells
        content = bytearray(content.replace(b"\n", b"\v"))
        content[-7] = 10
    path.write_bytes(bytes(content).replace(b"\n", b"\r\n"))
    with pytest.raises(RecordingError, match=r"^made.edf: was changed by a transfer in text mode"):
        read_recording(path)


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_other_binary_files_from_such_a_transfer_are_refused_too(tmp_path, suffix):
    data = np.random.default_rng(0).normal(size=(2, 3000)).astype("f4")
    path = tmp_path / f"made{suffix}"
    if suffix == ".npz":
        np.savez(path, data=data, ch_names=np.array(["C3", "C4"]), sfreq=100.0, units="uV")
    else:
        arrow = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(arrow.table({"C3": data[0]}), path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(RecordingError, match=rf"^made{suffix}: was changed by a transfer in text"):
        read_recording(path)


@pytest.mark.parametrize("name", ["table.xlsx", "table.xls", "table.ods", "table.csv"])
def test_a_spreadsheet_is_refused_with_the_way_out(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 and more")
    with pytest.raises(RecordingError, match=rf"^{name}: is a spreadsheet.* Save the sheet"):
        read_recording(tmp_path / name)


def test_a_file_that_may_not_be_read_is_not_called_damaged(write_edf, make_signal, monkeypatch):
    path = write_edf([make_signal()])
    real = type(path).open

    def closed(self, *args, **options):
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *args, **options)

    monkeypatch.setattr(type(path), "open", closed)
    with pytest.raises(RecordingError, match=r"^made.edf: cannot be read: Permission denied\.$"):
        read_recording(path)
