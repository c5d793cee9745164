"""XDF files, written byte by byte."""

from __future__ import annotations

import gzip
import struct
import sys
import warnings

import numpy as np
import pytest

from biot.errors import MissingDependencyError, RecordingError
from biot.signals import read_recording, recordings_in

pyxdf = pytest.importorskip("pyxdf")

RATE = 100.0
DATA = np.random.default_rng(0).normal(size=(2, 600)).astype("<f4") * 20
STAMPS = 50 + np.arange(600) / RATE
BOUNDARY = bytes.fromhex("43A546DCCBF5410FB30ED5467383CBE4")


def _chunk(tag, content):
    return b"\x04" + struct.pack("<IH", len(content) + 2, tag) + content


def _text(value):
    raw = value.encode()
    return b"\x04" + struct.pack("<I", len(raw)) + raw


def _header(number, name, kind, n, rate, form, channels=()):
    rows = "".join(
        f"<channel><label>{label}</label><unit>{unit}</unit></channel>" for label, unit in channels
    )
    desc = f"<desc><channels>{rows}</channels></desc>" if channels else "<desc />"
    xml = (
        f'<?xml version="1.0"?><info><name>{name}</name><type>{kind}</type>'
        f"<channel_count>{n}</channel_count><nominal_srate>{rate}</nominal_srate>"
        f"<channel_format>{form}</channel_format>{desc}</info>"
    )
    return _chunk(2, struct.pack("<I", number) + xml.encode())


def _samples(number, stamps, rows):
    """Chunks of 50 samples; `rows` are the bytes of each sample."""
    out = b""
    for first in range(0, len(rows), 50):
        part = list(zip(stamps, rows, strict=True))[first : first + 50]
        body = struct.pack("<I", number) + b"\x04" + struct.pack("<I", len(part))
        body += b"".join(b"\x08" + struct.pack("<d", at) + row for at, row in part)
        out += _chunk(3, body) + _chunk(5, BOUNDARY)
    return out


def _eeg(number=1, *, stamps=STAMPS, name="amp", kind="EEG", rate=RATE, labels=True, unit="uV"):
    channels = [("Fp1", unit), ("Cz", unit)] if labels else ()
    return _header(number, name, kind, 2, rate, "float32", channels) + _samples(
        number, stamps, [column.tobytes() for column in DATA.T]
    )


def _markers(events, number=2, form="string", kind="Markers"):
    values = [_text(v) if form == "string" else struct.pack("<d", v) for _, v in events]
    return _header(number, "marks", kind, 1, 0, form) + _samples(
        number, [at for at, _ in events], values
    )


def _offsets(number, value):
    return b"".join(
        _chunk(4, struct.pack("<Idd", number, at, value)) for at in np.arange(40.0, 70.0, 1.0)
    )


@pytest.fixture
def write_xdf(tmp_path):
    def write(*parts, name="made.xdf", packed=False):
        content = b"XDF:" + _chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>")
        content += b"".join(parts)
        (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
        return tmp_path / name

    return write


def test_the_eeg_stream_and_its_markers_are_read_without_footers(write_xdf):
    path = write_xdf(_eeg(), _markers([(51.5, "left"), (53.25, "right"), (49.0, "before")]))
    recording = read_recording(path)
    assert (recording.ch_names, recording.units) == (("Fp1", "Cz"), ("µV", "µV"))
    assert (recording.sfreq, recording.n_times, recording.starts) == (RATE, 600, (0,))
    np.testing.assert_allclose(recording.data, DATA, rtol=1e-6)
    found = [(a.onset, a.duration, a.label) for a in recording.annotations]
    assert [(duration, label) for _, duration, label in found] == [
        (0, "before"),
        (0, "left"),
        (0, "right"),
    ]
    assert [onset for onset, *_ in found] == pytest.approx([-1, 1.5, 3.25], abs=1e-6)
    stream = pyxdf.load_xdf(path, [1])[0][0]
    np.testing.assert_array_equal(recording.data, stream["time_series"].T)


@pytest.mark.parametrize(("form", "kind"), [("double64", "Markers"), ("double64", "Trigger")])
def test_numbers_of_a_marker_stream_are_labels_without_a_decimal(write_xdf, form, kind):
    path = write_xdf(_eeg(), _markers([(51.0, 1.0), (52.0, 33.0), (53.0, 2.5)], 2, form, kind))
    recording = read_recording(path)
    assert [a.label for a in recording.annotations] == ["1", "33", "2.5"]


def test_packed_files_are_read_whatever_their_name(write_xdf, tmp_path):
    for name in ("made.xdfz", "MADE.XDFZ", "packed.xdf"):
        path = write_xdf(_eeg(), name=name, packed=True)
        np.testing.assert_allclose(read_recording(path).data, DATA, rtol=1e-6)
    assert len(recordings_in(tmp_path)) == 3


@pytest.mark.parametrize(("unit", "factor"), [("microvolts", 1), ("nV", 1e-3)])
def test_units_are_brought_to_microvolts(write_xdf, unit, factor):
    recording = read_recording(write_xdf(_eeg(unit=unit)))
    assert recording.units == ("µV", "µV")
    np.testing.assert_allclose(recording.data, DATA * factor, rtol=1e-6)


def test_clocks_of_streams_are_brought_together(write_xdf):
    events = [(151.5, "left"), (153.25, "right")]  # a clock that is 100 s ahead
    path = write_xdf(_eeg(), _offsets(1, 0.0), _markers(events), _offsets(2, -100.0))
    onsets = [a.onset for a in read_recording(path).annotations]
    assert onsets == pytest.approx([1.5, 3.25], abs=1e-3)


@pytest.mark.parametrize("gap", [1.5, 60.0])
def test_a_break_begins_a_segment_and_markers_keep_their_samples(write_xdf, gap):
    stamps = STAMPS + gap * (np.arange(600) >= 250)
    events = [(51.0, "a"), (53.5 + gap, "b")]
    recording = read_recording(write_xdf(_eeg(stamps=stamps), _markers(events)))
    assert (recording.starts, recording.sfreq) == ((0, 250), RATE)
    assert [a.onset for a in recording.annotations] == pytest.approx([1.0, 3.5], abs=0.01)


def test_jitter_is_no_break(write_xdf):
    jitter = np.random.default_rng(1).uniform(0, 0.2, 600)
    recording = read_recording(write_xdf(_eeg(stamps=STAMPS + jitter), _markers([(53.1, "a")])))
    assert (recording.starts, recording.sfreq) == ((0,), RATE)
    assert recording.annotations[0].onset == pytest.approx(3.0, abs=0.03)


def test_the_rate_of_the_stamps_is_taken_where_another_is_announced(write_xdf):
    with pytest.warns(UserWarning, match=r"^made.xdf: .*amp announces 125 Hz, .*say 100 Hz"):
        recording = read_recording(write_xdf(_eeg(rate=125.0)))
    assert recording.sfreq == pytest.approx(100)


def test_the_only_regular_stream_is_taken_and_channels_without_labels_are_numbered(write_xdf):
    recording = read_recording(write_xdf(_eeg(kind="ExG", labels=False), _markers([(51.0, "a")])))
    assert recording.ch_names == ("ExG 1", "ExG 2")


def test_other_streams_than_the_eeg_are_told_of(write_xdf):
    path = write_xdf(_eeg(3, name="acc", kind="ACC"), _eeg(), _markers([(51.0, "a")]))
    with pytest.warns(UserWarning, match=r"stream amp \(type EEG.*left out are acc \(type ACC, 2"):
        recording = read_recording(path)
    assert recording.ch_names == ("Fp1", "Cz")


@pytest.mark.parametrize("kinds", [("EEG", "EEG"), ("ACC", "GYRO")])
def test_several_streams_that_may_be_meant_are_refused_by_name(write_xdf, kinds):
    path = write_xdf(_eeg(1, name="one", kind=kinds[0]), _eeg(2, name="two", kind=kinds[1]))
    listed = rf"one \(type {kinds[0]}, 2 channels, 100 Hz\); two \(type {kinds[1]}.*from_array"
    with pytest.raises(RecordingError, match=rf"^made.xdf: .*{listed}"):
        read_recording(path)


def test_markers_alone_are_no_recording(write_xdf):
    with pytest.raises(RecordingError, match=r"^made.xdf: .*no stream of signals.*marks \(type"):
        read_recording(write_xdf(_markers([(51.0, "a")])))


def test_a_stream_without_a_sample_is_refused(write_xdf):
    header = _header(1, "amp", "EEG", 2, 100, "float32")
    with pytest.raises(RecordingError, match=r"^made.xdf: its stream amp holds no sample"):
        read_recording(write_xdf(header))


def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes_and_told_of(write_xdf):
    path = write_xdf(_eeg())
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.warns(UserWarning, match=r"^made.xdf: is damaged or was cut off: 1 part is "):
        recording = read_recording(path)
    np.testing.assert_allclose(recording.data, DATA[:, :550], rtol=1e-6)


def test_a_description_of_other_channels_is_not_used(write_xdf):
    header = _header(1, "amp", "EEG", 2, RATE, "float32", [("Fp1", "uV")])
    rows = [column.tobytes() for column in DATA.T]
    path = write_xdf(header, _samples(1, STAMPS, rows))
    with pytest.warns(
        UserWarning, match=r"^made.xdf: its stream amp describes 1 channel and holds 2"
    ):
        assert read_recording(path).ch_names == ("EEG 1", "EEG 2")


@pytest.mark.parametrize("content", [b"XDF:", b"ABCD" * 100, b"XDF:" + bytes(300)])
def test_what_is_no_xdf_file_is_refused(tmp_path, content):
    (tmp_path / "made.xdf").write_bytes(content)
    with (
        warnings.catch_warnings(),
        pytest.raises(RecordingError, match=r"^made.xdf: .*(?:XDF recording|no stream of signals)"),
    ):
        read_recording(tmp_path / "made.xdf")


def test_without_its_package_it_is_told_how_to_install_it(write_xdf, monkeypatch):
    path = write_xdf(_eeg())
    monkeypatch.setenv("BIOT_PARSER_SECONDS", "0")  # in this process
    monkeypatch.setitem(sys.modules, "pyxdf", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'biot\[xdf\]'"):
        read_recording(path)
