"""BrainVision, FIF, EEGLAB and WFDB against the bytes of their files."""

from __future__ import annotations

import shutil
import sys
import warnings

import numpy as np
import pytest

from biot.errors import ConfigError, MissingDependencyError, RecordingError
from biot.signals import Annotation, Recording, read_recording

mne = pytest.importorskip("mne")
wfdb = pytest.importorskip("wfdb")
LOUD = pytest.mark.filterwarnings("ignore:.*implausible amplitudes:UserWarning")


def test_brainvision_numbers_are_those_of_the_data_file(shared_data):
    folder = shared_data / "readers/brainvision"
    recording = read_recording(folder / "test.vhdr")
    digital = np.fromfile(folder / "test.eeg", "<i2").reshape(-1, 32).T
    assert (recording.sfreq, recording.n_times) == (1000, 7900)
    np.testing.assert_allclose(recording.data, digital * 0.5, rtol=1e-6)
    assert recording.units == (*("µV",) * 26, "BS", "µS", "ARU", "µS", "S", "C")
    assert len(recording.annotations) == 13
    assert recording.annotations[0] == Annotation(0.486, 0.0, "Stimulus/S253")


def test_brainvision_units_written_in_several_ways_are_one(shared_data):
    folder = shared_data / "readers/brainvision"
    recording = read_recording(folder / "test_units.vhdr")
    assert recording.units[:26] == ("µV",) * 26
    expected = read_recording(folder / "test.vhdr").data
    np.testing.assert_allclose(recording.data, expected, rtol=1e-6)


def test_brainvision_warnings_come_in_the_files_name(shared_data):
    name = "test_old_layout_latin1_software_filter.vhdr"
    with (
        pytest.warns(UserWarning, match=f"^{name}: Online software filter detected"),
        pytest.warns(UserWarning, match=f"^{name}: No info on DataPoints found"),
    ):
        recording = read_recording(shared_data / "readers/brainvision" / name)
    assert (len(recording.ch_names), recording.sfreq, recording.n_times) == (29, 250, 251)
    raw = np.fromfile(shared_data / "readers/brainvision" / name.replace("vhdr", "eeg"), "<f4")
    np.testing.assert_allclose(recording.data, raw.reshape(29, -1) * 0.1, rtol=1e-5)


@LOUD
def test_a_bids_recording_is_read_with_its_kinds(shared_data):
    (path,) = (shared_data / "readers/bids_tiny").rglob("*.vhdr")
    recording = read_recording(path)
    assert recording.data.shape == (69, 10000)
    assert recording.sfreq == 5000
    units = dict(zip(recording.ch_names, recording.units, strict=True))
    assert (units["Fp1"], units["HEOG"], units["ECG"]) == ("µV", "µV", "mV")
    assert (units["GSR"], units["Temperature"]) == ("S", "C")


def test_fif_agrees_with_the_edf_that_it_was_made_from(shared_data):
    fif = read_recording(shared_data / "readers/fif/eegmat_subject00_task_raw.fif")
    edf = read_recording(shared_data / "eegmat/Subject00_2.edf")
    assert (fif.sfreq, fif.n_times, len(fif.ch_names)) == (500, 10000, 21)
    assert fif.units == (*("µV",) * 19, "", "mV")
    assert [(a.onset, a.duration) for a in fif.annotations] == [(0, 10), (10, 10)]
    np.testing.assert_allclose(fif.data[:19], edf.read(0, 10000)[:19], atol=1e-3)
    np.testing.assert_allclose(fif.data[20], edf.read(0, 10000)[20], atol=1e-6)


def test_fif_without_electrode_names_agrees_with_brainvision(shared_data):
    fif = read_recording(shared_data / "readers/fif/test_bin_raw.fif")
    assert (fif.sfreq, fif.n_times, fif.ch_names[0]) == (1000, 7900, "EEG 001")
    assert fif.units == (*("µV",) * 32, "")
    digital = np.fromfile(shared_data / "readers/brainvision/test.eeg", "<i2").reshape(-1, 32).T
    np.testing.assert_allclose(fif.data[:32], digital * 0.5, rtol=1e-5)


@LOUD
def test_the_original_fif_is_in_microvolts_as_it_declares(shared_data):
    path = shared_data / "readers/fif/ssvep_subject07_2012.07.18-09.21.13_raw.fif"
    recording = read_recording(path)
    assert (recording.sfreq, recording.n_times) == (256, 55200)
    raw = mne.io.read_raw_fif(path, verbose="ERROR")
    np.testing.assert_allclose(
        recording.read(9, 99), raw.get_data(start=9, stop=99) * 1e6, rtol=1e-6
    )


@pytest.fixture
def save_raw(tmp_path):
    def save(n_times=100, bads=(), **options):
        data = np.random.default_rng(0).normal(size=(3, n_times)) * 1e-5
        info = mne.create_info(["Fp1", "X7", "Status"], 100.0, ["eeg", "ecg", "stim"])
        raw = mne.io.RawArray(data, info, verbose="ERROR")
        raw.info["bads"] = list(bads)
        raw.set_annotations(mne.Annotations([0.3], [0.2], ["BAD_jump"]))
        raw.crop(options.get("tmin", 0)).save(tmp_path / "made_raw.fif", verbose="ERROR")
        return tmp_path / "made_raw.fif", data

    return save


def test_bad_channels_are_missing(save_raw):
    path, data = save_raw(bads=["Fp1"])
    recording = read_recording(path)
    assert recording.ch_names == ("Fp1", "X7", "Status")
    assert np.isnan(recording.data[0]).all()
    np.testing.assert_allclose(recording.data[1], data[1] * 1e3, rtol=1e-5)


def test_a_kind_that_the_name_hides_comes_from_the_file(save_raw):
    recording = read_recording(save_raw()[0])
    assert recording.units == ("µV", "mV", "")


def test_annotations_of_a_cropped_fif_count_from_its_first_sample(save_raw):
    path, data = save_raw(tmin=0.2)
    recording = read_recording(path)
    np.testing.assert_allclose(recording.data[0], data[0, 20:] * 1e6, rtol=1e-5)
    (annotation,) = recording.annotations
    assert annotation == Annotation(pytest.approx(0.1), pytest.approx(0.2), "BAD_jump")


def test_an_empty_stretch_is_empty(save_raw):
    assert read_recording(save_raw()[0]).read(5, 5).shape == (3, 0)


def test_eeglab_numbers_are_those_of_the_data_file(shared_data):
    folder = shared_data / "readers/eeglab"
    recording = read_recording(folder / "eeglab_data.set")
    data = np.fromfile(folder / "eeglab_data.fdt", "<f4").reshape(-1, 32).T
    assert (recording.sfreq, recording.n_times) == (128, 30504)
    np.testing.assert_allclose(recording.data, data, rtol=1e-5, atol=1e-6)
    assert set(recording.units) == {"µV"}
    assert len(recording.annotations) == 154
    assert recording.annotations[0].label == "square"


def test_eeglab_in_one_file_agrees_with_the_edf_of_the_recording(shared_data):
    found = read_recording(shared_data / "readers/eeglab/sub-S1_onefile.set")
    edf = read_recording(shared_data / "readers/edf/eeglab_test_16ch.edf")
    assert (found.sfreq, found.data.shape) == (256, (15, 15360))
    np.testing.assert_allclose(found.data[0], edf.data[0], rtol=1e-5, atol=1e-4)


def _format_212(path):
    """Two 12-bit numbers in three bytes."""
    triples = np.fromfile(path, np.uint8).astype(np.int32).reshape(-1, 3).T
    first = triples[0] | (triples[1] & 0x0F) << 8
    second = triples[2] | (triples[1] & 0xF0) << 4
    numbers = np.stack([first, second])
    return np.where(numbers > 2047, numbers - 4096, numbers)


@pytest.mark.parametrize("name", ["100.hea", "100.dat", "100-no-len.hea", "100skew.hea"])
def test_wfdb_numbers_are_those_of_the_signal_file(shared_data, name):
    folder = shared_data / "readers/wfdb"
    recording = read_recording(folder / name)
    assert recording.ch_names == ("MLII", "V5")
    assert recording.units == ("mV", "mV")
    assert (recording.sfreq, recording.n_times) == (360, 650000)
    expected = (_format_212(folder / "100.dat") - 1024) / 200
    if name == "100skew.hea":  # the second lead was sampled three samples late
        expected[1] = np.append(expected[1, 3:], [np.nan] * 3)
    np.testing.assert_allclose(recording.data, expected, rtol=1e-6)
    np.testing.assert_allclose(recording.read(99, 4567), expected[:, 99:4567], rtol=1e-6)


def test_wfdb_beats_are_annotations(shared_data):
    recording = read_recording(shared_data / "readers/wfdb/100.hea")
    assert len(recording.annotations) == 2274
    assert recording.annotations[0] == Annotation(
        18 / 360, recording.duration - 18 / 360, "N", "rhythm"
    )
    assert recording.annotations[1] == Annotation(77 / 360, 0.0, "N", "beat")
    assert {a.label for a in recording.annotations} == {"N", "A", "V"}


def test_wfdb_signals_in_two_files_are_one_recording(shared_data):
    folder = shared_data / "readers/wfdb"
    recording = read_recording(folder / "s0010_re.hea")
    assert recording.ch_names[-4:] == ("v6", "vx", "vy", "vz")
    assert set(recording.units) == {"mV"}
    leads = np.fromfile(folder / "s0010_re.dat", "<i2").reshape(-1, 12).T
    frank = np.fromfile(folder / "s0010_re.xyz", "<i2").reshape(-1, 3).T
    np.testing.assert_allclose(recording.data, np.vstack([leads, frank]) / 2000, rtol=1e-6)


def test_wfdb_samples_in_a_mat_file_are_read(shared_data):
    from scipy.io import loadmat

    folder = shared_data / "readers/wfdb"
    recording = read_recording(folder / "a103l.mat")
    assert recording.units == ("mV", "mV", "NU")
    digital = loadmat(folder / "a103l.mat")["val"]
    gain = np.array([[7247], [1.052e4], [1.253e4]])
    np.testing.assert_allclose(recording.data, digital / gain, rtol=1e-6)


def test_wfdb_segments_are_one_recording(shared_data):
    folder = shared_data / "readers/wfdb/fixed1"
    recording = read_recording(folder / "v102s.hea")
    assert recording.n_times == 225000
    part = read_recording(folder / "v102s_1.hea")
    np.testing.assert_array_equal(recording.read(75000, 75100), part.read(0, 100))


def test_wfdb_rates_within_a_record_are_averaged_and_that_is_said(shared_data):
    path = shared_data / "readers/wfdb/03700181.hea"
    with pytest.warns(UserWarning, match=r"03700181.hea: stores MCL1 \(500 Hz\) beside .* 125 Hz"):
        recording = read_recording(path)
    assert (recording.sfreq, recording.n_times) == (125, 75000)
    assert recording.ch_names == ("MCL1", "ABP", "RESP")
    assert recording.units == ("mV", "mmHg", "mV")
    assert recording.data.shape == (3, 75000)


@pytest.fixture
def flac_record(tmp_path):
    pytest.importorskip("soundfile")
    digital = np.random.default_rng(0).integers(-30000, 30000, (900, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wfdb's own, about pandas
        wfdb.wrsamp(
            "packed",
            fs=300,
            units=["mV", "mV"],
            sig_name=["I", "II"],
            d_signal=digital,
            fmt=["516", "516"],
            adc_gain=[10000.0, 5000.0],
            baseline=[0, 0],
            write_dir=str(tmp_path),
        )
    return tmp_path / "packed.hea", (digital / [10000, 5000]).T


def test_wfdb_samples_packed_as_flac_are_read(flac_record):
    path, expected = flac_record
    recording = read_recording(path)
    assert (recording.sfreq, recording.units) == (300, ("mV", "mV"))
    np.testing.assert_allclose(recording.data, expected, rtol=1e-6)
    np.testing.assert_allclose(recording.read(123, 456), expected[:, 123:456], rtol=1e-6)


def test_a_package_that_flac_needs_is_named(flac_record, monkeypatch):
    monkeypatch.setenv("BIOT_PARSER_SECONDS", "0")  # in this process, where it can be hidden
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(
        MissingDependencyError, match=r"^packed.hea: .* package soundfile is needed.*pip install"
    ):
        read_recording(flac_record[0])


def test_wfdb_ecg_of_500_hz_agrees_with_the_prepared_set(shared_data):
    paths = sorted((shared_data / "ptbxl/records500").rglob("*.hea"))
    for path in paths[:2]:
        recording = read_recording(path)
        digital = np.fromfile(path.with_suffix(".dat"), "<i2").reshape(-1, 12).T
        assert (recording.sfreq, recording.units) == (500, ("mV",) * 12)
        np.testing.assert_allclose(recording.data, digital / 1000, rtol=1e-6)


@pytest.mark.parametrize("n_bytes", [0, 2000, 2001])
def test_a_truncated_annotation_file_is_refused(shared_data, tmp_path, n_bytes):
    for suffix in (".hea", ".dat"):
        shutil.copy(shared_data / f"readers/wfdb/100{suffix}", tmp_path)
    whole = (shared_data / "readers/wfdb/100.atr").read_bytes()
    (tmp_path / "100.atr").write_bytes(whole[:n_bytes])
    with pytest.raises(RecordingError, match=r"^100.hea: its annotation file 100.atr .* truncated"):
        read_recording(tmp_path / "100.hea")


def test_a_recording_in_memory_is_read_like_a_file():
    data = np.arange(12.0).reshape(2, 6)
    recording = Recording.from_array(data, ch_names=["Cz", "Pz"], sfreq=2, units=["µV", "µV"])
    assert (recording.name, recording.duration) == ("<recording in memory>", 3)
    np.testing.assert_array_equal(recording.read(1, 3), data[:, 1:3])
    with pytest.raises(RecordingError, match=r"cannot read samples 3 to 7; it has 0 to 6"):
        recording.read(3, 7)
    with pytest.raises(RecordingError, match=r"shape \(2, 6\).*got 1 name and 2 units"):
        Recording.from_array(data, ch_names=["Cz"], sfreq=2, units=["µV", "µV"])


def test_a_rate_is_not_taken_for_a_file_that_has_one(shared_data):
    path = shared_data / "readers/wfdb/100.hea"
    with pytest.raises(ConfigError, match=r"^100.hea: the file declares its rate itself; sfreq is"):
        read_recording(path, sfreq=100)
    assert read_recording(path, units="V").units == ("mV", "mV")  # it declares these


def test_a_unit_is_taken_for_channels_that_declare_none(tmp_path):
    edfio = pytest.importorskip("edfio")
    data = np.arange(-50.0, 50.0)
    signals = [
        edfio.EdfSignal(
            data, 100, label=name, physical_dimension=unit, physical_range=(-32768, 32767)
        )
        for name, unit in (("Fp1", ""), ("ECG", ""), ("C3", "uV"))
    ]
    path = tmp_path / "a.edf"
    edfio.Edf(signals).write(path)
    assert read_recording(path).units == ("", "", "µV")
    found = read_recording(path, units="nV")
    assert found.units == ("µV", "mV", "µV")
    np.testing.assert_allclose(found.data, data * np.array([[1e-3], [1e-6], [1]]), rtol=1e-6)
    each = read_recording(path, units=["", "uV", "V"])
    assert each.units == ("", "mV", "µV")
    np.testing.assert_allclose(each.data, data * np.array([[1], [1e-3], [1]]), rtol=1e-6)
    with pytest.raises(RecordingError, match=r"^a.edf: 1 unit for 3 channels \(Fp1, ECG, C3\)"):
        read_recording(path, units=["µV"])


@pytest.mark.parametrize("name", ["a.nwb", "a.cnt", "a.mff", "a.npy", "a.edf.gz"])
def test_other_formats_are_refused_with_what_is_supported(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(
        RecordingError,
        match=rf"^{name}: .* not supported. Supported are \.edf, .*\.npz. .*from_mne",
    ):
        read_recording(tmp_path / name)
