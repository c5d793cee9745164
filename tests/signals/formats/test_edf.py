"""EDF and BDF against edfio, MNE, and files written byte by byte."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biot.errors import RecordingError
from biot.signals import Annotation, read_recording, resample

edfio = pytest.importorskip("edfio")
LOUD = pytest.mark.filterwarnings("ignore:.*implausible amplitudes:UserWarning")

ONE_RATE = {  # file: (channels, rate, samples, annotations)
    "edf/S001R01.edf": (64, 160, 9760, 1),
    "edf/eeglab_test_16ch.edf": (16, 256, 15360, 0),
    "edf/mne_test_139ch.edf": (139, 512, 3072, 5),
    "edf/ssvep_subject03_events.edf": (8, 256, 58880, 32),
    "edf/test_subsecond.edf": (1, 128, 89344, 4),
    "edf/test_utf8.edf": (1, 128, 89344, 5),
    "edf/duplicate_channel_labels.edf": (3, 250, 2500, 0),
    "edf/test_edf_stim_channel.edf": (25, 128, 1228, 0),
    "edf/bdf_test.edf": (8, 250, 18250, 0),
    "bdf/bdf_test.bdf": (8, 250, 18250, 0),
    "bdf/mne_test_2048hz.bdf": (73, 2048, 2048, 0),
    "bdf/test_bdf_stim_channel.bdf": (4, 500, 5000, 0),
}
MIXED = {
    "edf/short_psg.edf": (7, 100, 30000),
    "bdf/short_psg.bdf": (7, 100, 30000),
    "edf/test_uneven_samp.edf": (2, 100, 11000),
    "bdf/test_generator_datarec_generator_2.bdf": (5, 500, 15000),
}


def _reference(path):
    return edfio.read_bdf(path) if path.suffix == ".bdf" else edfio.read_edf(path)


@LOUD
@pytest.mark.parametrize("name", ONE_RATE)
def test_a_file_of_one_rate_agrees_with_edfio(shared_data, name):
    path = shared_data / "readers" / name
    recording = read_recording(path)
    n_chans, sfreq, n_times, n_annotations = ONE_RATE[name]
    assert (len(recording.ch_names), recording.sfreq) == (n_chans, sfreq)
    assert recording.data.shape == (n_chans, n_times)
    reference = _reference(path)
    assert recording.ch_names == reference.labels
    for row, unit, signal in zip(recording.data, recording.units, reference.signals, strict=True):
        declared = signal.physical_dimension.replace("u", "µ")
        factor = {("mV", "µV"): 1e3, ("µV", "mV"): 1e-3}.get((declared, unit), 1.0)
        assert factor != 1.0 or declared == unit
        scale = np.abs(signal.data).max() * factor
        np.testing.assert_allclose(row, signal.data * factor, rtol=0, atol=2e-7 * scale + 1e-12)
    assert len(recording.annotations) == n_annotations
    for ours, theirs in zip(recording.annotations, reference.annotations, strict=True):
        assert ours.label == theirs.text
        assert ours.onset == pytest.approx(theirs.onset, abs=1e-6)
        assert ours.duration == (theirs.duration or 0)


@pytest.mark.parametrize("name", ["edf/S001R01.edf", "bdf/bdf_test.bdf", "edf/test_subsecond.edf"])
def test_microvolts_agree_with_mne(shared_data, name):
    mne = pytest.importorskip("mne")
    path = shared_data / "readers" / name
    read = mne.io.read_raw_bdf if path.suffix == ".bdf" else mne.io.read_raw_edf
    raw = read(path, verbose="ERROR")
    recording = read_recording(path)
    expected = raw.get_data(start=100, stop=900) * 1e6
    np.testing.assert_allclose(recording.read(100, 900), expected, rtol=1e-6, atol=1e-6)
    assert [a.onset for a in recording.annotations] == pytest.approx(raw.annotations.onset)


@pytest.mark.parametrize("name", MIXED)
def test_slower_signals_are_resampled_to_the_highest_rate_and_that_is_said(shared_data, name):
    path = shared_data / "readers" / name
    n_chans, sfreq, n_times = MIXED[name]
    with pytest.warns(UserWarning, match=f"{path.name}: its signals have the rates .* {sfreq} Hz"):
        recording = read_recording(path)
    assert (len(recording.ch_names), recording.sfreq, recording.n_times) == (
        n_chans,
        sfreq,
        n_times,
    )
    data = recording.data
    for row, signal in zip(data, _reference(path).signals, strict=True):
        expected = resample(signal.data, signal.sampling_frequency, sfreq)
        np.testing.assert_allclose(row, expected[:n_times], rtol=0, atol=1e-3 * np.ptp(expected))
    middle = recording.read(n_times // 3, n_times // 2)
    np.testing.assert_array_equal(middle, data[:, n_times // 3 : n_times // 2])


def test_units_are_those_wanted_or_those_declared(shared_data):
    with pytest.warns(UserWarning, match="rates 1, 100 Hz"):
        recording = read_recording(shared_data / "readers/edf/short_psg.edf")
    declared = dict(zip(recording.ch_names, recording.units, strict=True))
    assert declared["EEG Fpz-Cz"] == declared["EMG submental"] == "µV"
    assert declared["Temp rectal"] == "°C"  # as it is spelled everywhere
    assert declared["Event marker"] == ""
    temperature = recording.data[recording.ch_names.index("Temp rectal")]
    assert 36.5 < temperature.min() < temperature.max() < 38


def test_labels_keep_their_spelling_and_their_repetitions(shared_data):
    folder = shared_data / "readers/edf"
    assert read_recording(folder / "S001R01.edf").ch_names[:4] == ("Fc5.", "Fc3.", "Fc1.", "Fcz.")
    repeated = read_recording(folder / "duplicate_channel_labels.edf").ch_names
    assert repeated == ("EEG F1-Ref", "EEG F2-Ref", "EEG F1-Ref")


def test_annotations_are_read_in_unicode(shared_data):
    recording = read_recording(shared_data / "readers/edf/test_utf8.edf")
    assert recording.annotations[2].label == "中文测试八个字"


@LOUD
def test_events_of_the_ssvep_file_are_as_described(shared_data):
    recording = read_recording(shared_data / "readers/edf/ssvep_subject03_events.edf")
    assert {a.label for a in recording.annotations} == {"rest", "13Hz", "21Hz", "17Hz"}
    assert {a.duration for a in recording.annotations} == {5.0}
    assert set(recording.units) == {"µV"}  # the file says mV


def test_any_stretch_of_a_file_is_that_stretch_of_the_whole(shared_data):
    recording = read_recording(shared_data / "readers/bdf/bdf_test.bdf")
    whole = recording.data
    for start, stop in [(0, 1), (249, 251), (250, 500), (700, 701), (18000, 18250), (5, 5)]:
        np.testing.assert_array_equal(recording.read(start, stop), whole[:, start:stop])
    with pytest.raises(RecordingError, match=r"bdf_test.bdf: cannot read samples 0 to 18251"):
        recording.read(0, 18251)


def test_long_stretches_are_read_in_blocks(write_edf, make_signal, monkeypatch):
    signal = make_signal(400)
    path = write_edf([signal])
    expected = read_recording(path).data
    monkeypatch.setattr("biot.signals.formats.edf._BYTES_AT_ONCE", 60)
    np.testing.assert_array_equal(read_recording(path).data, expected)


@LOUD
def test_digital_numbers_become_physical_ones(write_edf, make_signal):
    signal = make_signal(physical=("-3.5", "10"), range=("-1000", "2000"), unit="mV")
    (row,) = read_recording(write_edf([signal])).data
    expected = ((signal.digital + 1000) * (13.5 / 3000) - 3.5) * 1000
    np.testing.assert_allclose(row, expected, rtol=1e-6)


def test_three_byte_integers_keep_their_sign(write_edf, make_signal):
    limits = ("-8388608", "8388607")
    signal = make_signal(10, physical=limits, range=limits, label="Status", unit="Boolean")
    signal.digital[:4] = [-8388608, 8388607, -1, 65536]
    recording = read_recording(write_edf([signal], name="made.bdf"))
    np.testing.assert_array_equal(recording.data[0], signal.digital)
    assert recording.units == ("Boolean",)


@LOUD
@pytest.mark.parametrize(
    ("label", "unit", "factor", "expected"),
    [
        ("EEG Fp1", "V", 1e6, "µV"),
        ("EEG Fp1", "nV", 1e-3, "µV"),
        ("EEG Fp1", "\u00b5V", 1, "µV"),
        ("EEG Fp1", "", 1, ""),
        ("ECG", "uV", 1e-3, "mV"),
        ("V5", "mV", 1, "mV"),
        ("RESP", "mV", 1, "mV"),
        ("Thing", "uV", 1, "µV"),
        ("Acc X", "g", 1, "g"),
    ],
)
def test_voltages_are_converted_by_kind(write_edf, make_signal, label, unit, factor, expected):
    limits = ("-32768", "32767")
    signal = make_signal(label=label, unit=unit, physical=limits)
    recording = read_recording(write_edf([signal]))
    assert recording.units == (expected,)
    np.testing.assert_allclose(recording.data[0], signal.digital * factor, rtol=1e-6)


def _stamp(seconds, *lists):
    return b"".join([b"%+g\x14\x14\x00" % seconds, *lists])


def test_annotations_count_from_the_first_sample(write_edf, make_signal):
    texts = [
        _stamp(0.25, b"+0.75\x151.5\x14seizure\x14\x00"),
        _stamp(1.25, b"+2\x14a\x14b\x14\x00"),
        _stamp(2.25, b"+0.25\x14\xe9t\xe9\x14\x00"),
        _stamp(3.25),
    ]
    recording = read_recording(write_edf([make_signal()], texts=texts, reserved="EDF+C"))
    assert recording.annotations == (
        Annotation(0.0, 0.0, "été"),
        Annotation(0.5, 1.5, "seizure"),
        Annotation(1.75, 0.0, "a"),
        Annotation(1.75, 0.0, "b"),
    )


def test_one_annotation_of_a_channel_is_told_as_one(write_edf, make_signal):
    texts = [_stamp(0, b"+1\x14spike@@Fp1\x14\x00"), _stamp(1), _stamp(2), _stamp(3)]
    path = write_edf([make_signal()], texts=texts, reserved="EDF+C")
    told = r"1 annotation holds for one channel \(text@@channel\); it is read as the text alone"
    with pytest.warns(UserWarning, match=told):
        read_recording(path)


def test_annotations_of_channels_are_labels_without_the_channel(write_edf, make_signal):
    lists = [
        b"+0\x1530\x14Sleep stage W@@EEG Fpz-Cz\x14\x00",
        b"+0\x1530\x14Sleep stage W@@EEG Pz-Oz\x14\x00",
        b"+1\x14spike@@Fp1\x14spike@@Fp2\x14\x00",
        b"+1\x14spike\x14\x00",
        b"+2\x14a@@\x14mail me@example.org\x14\x00",
    ]
    texts = [_stamp(0, *lists), _stamp(1), _stamp(2), _stamp(3)]
    path = write_edf([make_signal()], texts=texts, reserved="EDF+C")
    with pytest.warns(UserWarning, match=r"^made.edf: 4 annotations hold for one channel each"):
        recording = read_recording(path)
    assert recording.annotations == (
        Annotation(0, 30, "Sleep stage W"),
        Annotation(1, 0, "spike"),
        Annotation(2, 0, "a@@"),
        Annotation(2, 0, "mail me@example.org"),
    )


def test_gaps_of_a_discontinuous_file_are_nan(write_edf, make_signal):
    signal = make_signal(unit="")
    texts = [_stamp(0), _stamp(1), _stamp(4.5, b"+4.5\x14x\x14\x00"), _stamp(5.5)]
    recording = read_recording(write_edf([signal], texts=texts, reserved="EDF+D"))
    assert recording.n_times == 65
    expected = np.full(65, np.nan)
    physical = (signal.digital + 32768) * (200 / 65535) - 100
    expected[:20], expected[45:] = physical[:20], physical[20:]
    np.testing.assert_allclose(recording.data[0], expected, atol=1e-4)
    assert recording.annotations[0].onset == 4.5
    for start, stop in [(15, 50), (25, 30), (44, 46), (64, 65)]:
        np.testing.assert_allclose(recording.read(start, stop)[0], expected[start:stop], atol=1e-4)


def test_gaps_of_a_discontinuous_file_are_gaps_at_every_rate(write_edf, make_signal):
    slow = make_signal(8, per_record=2, label="Resp", seed=1)
    texts = [_stamp(0), _stamp(1), _stamp(4.7), _stamp(5.7)]
    path = write_edf([make_signal(), slow], texts=texts, reserved="EDF+D")
    with pytest.warns(UserWarning, match="made.edf: its signals have the rates 2, 10 Hz"):
        recording = read_recording(path)
    assert recording.data.shape == (2, 67)
    assert np.isnan(recording.data[:, 20:47]).all()
    assert np.isfinite(recording.data[0, 47:]).all()


def test_a_discontinuous_file_without_time_stamps_is_refused(write_edf, make_signal):
    texts = [_stamp(0), b"", _stamp(4), _stamp(5)]
    path = write_edf([make_signal()], texts=texts, reserved="EDF+D")
    with pytest.raises(RecordingError, match=r"made.edf: .*record 2 has no time stamp"):
        read_recording(path)


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [
        (b"+1.5", "data record 3 is stamped 1.5 s"),
        (b"+999999999999999", "the time stamps of its data records lie .* days apart"),
    ],
)
def test_a_record_at_an_impossible_time_is_refused(write_edf, make_signal, stamp, reason):
    texts = [_stamp(0), _stamp(1), stamp + b"\x14\x14\x00", _stamp(5)]
    path = write_edf([make_signal()], texts=texts, reserved="EDF+D")
    with pytest.raises(RecordingError, match=rf"made.edf: {reason}"):
        read_recording(path)


def test_a_file_that_calls_itself_continuous_but_is_not_is_told_of(write_edf, make_signal):
    texts = [_stamp(0), _stamp(1), _stamp(8), _stamp(9)]
    path = write_edf([make_signal()], texts=texts, reserved="EDF+C")
    with pytest.warns(UserWarning, match=r"made.edf: the header says that it is continuous"):
        assert read_recording(path).n_times == 40


def test_header_identity_never_reaches_a_recording(write_edf, make_signal):
    recording = read_recording(write_edf([make_signal()]))
    assert "Doe" not in repr(recording)
    assert "ward" not in repr(recording)
    assert "1985" not in repr(recording)


@pytest.mark.filterwarnings("ignore:made.edf. its signals have the rates")
def test_rates_without_a_short_ratio_are_refused(write_edf, make_signal):
    signals = [make_signal(6, per_record=3), make_signal(40004, per_record=20002, label="Fz")]
    path = write_edf(signals)
    with pytest.raises(RecordingError, match=r"made.edf: has signals of several rates. Resampling"):
        read_recording(path)


def test_a_file_that_shrinks_while_it_is_read_is_told_of(write_edf, make_signal):
    path = write_edf([make_signal()])
    recording = read_recording(path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(RecordingError, match=r"made.edf: became shorter"):
        _ = recording.data


def test_the_content_not_the_suffix_tells_edf_from_bdf(write_edf, make_signal):
    path = write_edf([make_signal()], name="made.bdf")
    expected = read_recording(path).data
    other = path.rename(path.with_suffix(".EDF"))
    np.testing.assert_array_equal(read_recording(other).data, expected)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"physical": ("abc", "1")}, r"physical minimum of signal 1 \('EEG Fp1'\).*has 'abc'"),
        ({"range": ("0", "nan")}, r"digital maximum of signal 1 .* should be a number"),
        ({"physical": ("7", "7")}, r"physical minimum and maximum of signal 1 .* are both 7"),
        ({"range": ("5", "5")}, r"digital minimum and maximum of signal 1 .* are both 5"),
    ],
)
def test_a_header_field_that_is_wrong_is_named(write_edf, make_signal, fields, message):
    with pytest.raises(RecordingError, match=f"made.edf: the {message}"):
        read_recording(write_edf([make_signal(**fields)]))


@pytest.mark.parametrize("duration", ["0", "-1", "x", "1/0", "inf"])
def test_a_record_duration_that_is_none_is_named(write_edf, make_signal, duration):
    with pytest.raises(RecordingError, match=r"made.edf: the duration of a data record"):
        read_recording(write_edf([make_signal()], duration=duration))


@pytest.mark.filterwarnings("ignore:made.edf. ")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 1100), st.sampled_from(b"0123456789 -+.eEx/\x00\x14\xff")),
        max_size=6,
    ),
    kept=st.integers(0, 1200),
)
def test_whatever_the_bytes_the_answer_is_a_recording_or_an_error_of_ours(
    write_edf, make_signal, changes, kept
):
    texts = [_stamp(0), _stamp(1, b"+1\x14a\x14\x00"), _stamp(4.7), _stamp(5.7)]
    path = write_edf([make_signal(), make_signal(8, 2)], texts=texts, reserved="EDF+D")
    raw = bytearray(path.read_bytes())
    for place, byte in changes:
        raw[place] = byte
    path.write_bytes(raw if kept > 1100 else raw[:kept])
    try:
        recording = read_recording(path)
        stop = min(100, recording.n_times)
        assert recording.read(0, stop).shape == (len(recording.units), stop)
    except RecordingError as error:
        assert str(error).startswith("made.edf: ")  # noqa: PT017


def test_reading_a_regular_file_warns_of_nothing(shared_data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_recording(shared_data / "readers/edf/S001R01.edf")


@pytest.mark.parametrize("duration", [b"..9", b".\x14\x14", b"2;5"])
def test_annotations_that_cannot_be_read_are_told_of(tmp_path, duration):
    edfio = pytest.importorskip("edfio")
    path = tmp_path / "a.edf"
    signal = edfio.EdfSignal(np.arange(1000.0), 100, label="C3", physical_dimension="uV")
    edfio.Edf([signal], annotations=[edfio.EdfAnnotation(1, 2.5, "blink")]).write(path)
    path.write_bytes(path.read_bytes().replace(b"\x152.5\x14", b"\x15" + duration + b"\x14"))
    with pytest.warns(UserWarning, match=r"^a\.edf: 1 data records hold annotations that cannot"):
        assert read_recording(path).annotations == ()


def test_a_time_stamp_centuries_away_is_refused_at_once(shared_reports):
    path = shared_reports / "files" / "edfd_far_time_stamp.edf"
    with pytest.raises(RecordingError, match=r"lie 115,741 days apart, more than the 31"):
        read_recording(path).read(0, 10)
