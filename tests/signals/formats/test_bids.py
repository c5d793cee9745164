"""Tables of a BIDS data set."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from biot.errors import RecordingError
from biot.signals import Annotation, participants, read_recording
from biot.signals.formats.bids import entities_of
from biot.signals.formats.files import files_of

NAME = "sub-07_ses-a_task-rest_eeg.edf"


@pytest.fixture
def make_dataset(tmp_path, write_edf, make_signal):
    """A data set of one recording, with the tables given by their places."""

    def make(**tables):
        folder = tmp_path / "study/sub-07/ses-a/eeg"
        folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / "study/dataset_description.json").write_text("{}")
        names = [("Fp1", "uV"), ("lead", "uV"), ("C3", "")]
        signals = [make_signal(label=n, unit=u, seed=i) for i, (n, u) in enumerate(names)]
        shutil.move(write_edf(signals), folder / NAME)
        for place, rows in tables.items():
            text = "".join("\t".join(row.split()) + "\n" for row in rows)
            (tmp_path / "study" / place).write_text(text, encoding="utf-8")
        return folder / NAME

    return make


def _beside(suffix):
    return f"sub-07/ses-a/eeg/sub-07_ses-a_task-rest_{suffix}.tsv"


def test_without_tables_the_file_alone_speaks(make_dataset):
    recording = read_recording(make_dataset())
    assert recording.units == ("µV", "µV", "")


def test_channels_have_the_kind_and_unit_and_state_of_their_table(make_dataset):
    plain = read_recording(make_dataset()).data
    rows = ["name type units status", "Fp1 EEG mV bad", "lead ECG µV good", "C3 EEG mV n/a"]
    recording = read_recording(make_dataset(**{_beside("channels"): rows}))
    assert recording.units == ("µV", "mV", "µV")
    assert recording.bad == ("Fp1",)
    assert np.isnan(recording.data[0]).all()
    np.testing.assert_allclose(recording.data[1], plain[1] * 1e-3, rtol=1e-6)
    np.testing.assert_allclose(recording.data[2], plain[2] * 1e3, rtol=1e-6)


pytestmark = pytest.mark.filterwarnings("ignore:.*implausible amplitudes:UserWarning")


ALL_GOOD = ["name status", "Fp1 good", "lead good", "C3 n/a"]


def test_channels_that_are_not_there_are_told_of(make_dataset):
    path = make_dataset(**{_beside("channels"): [*ALL_GOOD, "Cz bad"]})
    with pytest.warns(UserWarning, match=rf"^{NAME}: .*_channels.tsv describes .* have: Cz"):
        read_recording(path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ALL_GOOD[:3], rf"^{NAME}: .*_channels.tsv has no row for the channels C3, so it is cut"),
        ([*ALL_GOOD[:3], "C3"], r"_channels.tsv: line 4 has fewer cells than the first"),
        ([*ALL_GOOD[:3], "C3 excellent"], "says of channel C3 the status 'excellent'. It may be"),
    ],
)
def test_a_table_of_channels_that_is_cut_or_strange_is_refused(make_dataset, rows, message):
    with pytest.raises(RecordingError, match=message):
        read_recording(make_dataset(**{_beside("channels"): rows}))


@pytest.mark.parametrize("event", ["1e308 1 a", "-1e308 1 a", "-5 1 a", "9 1 a", "1 1e308 a"])
def test_an_event_further_away_than_the_recording_is_long_is_refused(make_dataset, event):
    path = make_dataset(**{_beside("events"): ["onset duration value", event]})
    with pytest.raises(RecordingError, match=rf"in line 2 is .* but {NAME} lasts 4 s"):
        read_recording(path)


def test_an_event_just_outside_is_told_of(make_dataset):
    rows = ["onset duration value", "-1 0.5 a", "1 1 b", "4.5 0 c"]
    with pytest.warns(UserWarning, match=r"2 events of .*_events.tsv lie before or after"):
        assert len(read_recording(make_dataset(**{_beside("events"): rows})).annotations) == 3


def test_events_are_the_annotations(make_dataset):
    rows = ["onset duration trial_type value", "2.5 1 left 4", "1 n/a n/a 3", "3 0.5 n/a n/a"]
    recording = read_recording(make_dataset(**{_beside("events"): rows}))
    assert recording.annotations == (Annotation(1, 0, "3"), Annotation(2.5, 1, "left"))


def test_an_event_far_beyond_the_end_is_left_out_where_others_are_near(make_dataset):
    rows = ["onset duration trial_type", "2.5 1 left", "9000 1 right"]
    with pytest.warns(UserWarning, match=r"1 event of .*_events.tsv lies before or after"):
        recording = read_recording(make_dataset(**{_beside("events"): rows}))
    assert recording.annotations == (Annotation(2.5, 1, "left"),)


def test_events_of_szcore_have_their_type_as_label(make_dataset):
    rows = ["onset duration eventType confidence", "2.5 1 sz_foc n/a", "0 9 bckg n/a"]
    recording = read_recording(make_dataset(**{_beside("events"): rows}))
    assert [note.label for note in recording.annotations] == ["bckg", "sz_foc"]


@pytest.mark.parametrize("nothing", ["n/a", "nan", "NaN"])
def test_events_without_an_onset_are_left_out_and_told(make_dataset, nothing):
    rows = ["onset duration trial_type", "2.5 nan left", f"{nothing} 1 right"]
    with pytest.warns(UserWarning, match=r"1 event of .*_events.tsv has no onset, and was left"):
        recording = read_recording(make_dataset(**{_beside("events"): rows}))
    assert recording.annotations == (Annotation(2.5, 0, "left"),)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["onset trial_type", "1 a"], "lacks the column duration; it has onset, trial_type"),
        (["onset duration value", "1s 1 a"], "the onset in line 2 should be seconds, found '1s'"),
        (["onset duration value", "1 -2 a"], "the duration in line 2 .* found '-2'"),
    ],
)
def test_a_faulty_table_of_events_is_refused(make_dataset, rows, message):
    with pytest.raises(RecordingError, match=f"_events.tsv: {message}"):
        read_recording(make_dataset(**{_beside("events"): rows}))


def test_a_file_that_is_a_link_into_an_archive_has_its_tables(make_dataset, tmp_path):
    rows = ["onset duration trial_type", "0.5 1 left"]
    path = make_dataset(**{_beside("events"): rows})
    (tmp_path / "objects").mkdir()
    path.symlink_to(path.rename(tmp_path / "objects/MD5E-s1.edf"))
    assert [note.label for note in read_recording(path).annotations] == ["left"]
    assert set(files_of(path)) == {path, tmp_path / "study" / _beside("events")}


def test_a_table_further_up_counts_where_its_entities_fit(make_dataset):
    path = make_dataset(
        **{
            "task-rest_events.tsv": ["onset duration value", "1 0 far"],
            "task-other_events.tsv": ["onset duration value", "1 0 other"],
        }
    )
    assert [a.label for a in read_recording(path).annotations] == ["far"]
    near = "sub-07/sub-07_task-rest_events.tsv"
    path = make_dataset(**{near: ["onset duration value", "1 0 near"]})
    assert [a.label for a in read_recording(path).annotations] == ["near"]
    path = make_dataset(**{_beside("events"): ["onset duration value", "1 0 beside"]})
    assert [a.label for a in read_recording(path).annotations] == ["beside"]


def test_a_table_beside_a_file_of_another_name_is_not_looked_at(make_dataset):
    path = make_dataset(**{_beside("events"): ["onset duration value", "1 0 x"]})
    other = path.with_name("07.edf")
    path.rename(other)
    assert read_recording(other).annotations == ()


def test_the_shared_data_set_has_the_events_of_its_table(shared_data):
    pytest.importorskip("mne")
    (path,) = (shared_data / "readers/bids_tiny").rglob("*.vhdr")
    recording = read_recording(path)
    expected = (Annotation(0.0, 0.0, "start_experiment"), Annotation(0.2, 0.0, "show_stimulus"))
    assert recording.annotations == expected
    subjects = participants(shared_data / "readers/bids_tiny")
    assert list(subjects) == ["01"]
    assert (subjects["01"]["age"], subjects["01"]["sex"]) == ("29", "F")


def test_participants_need_their_table_and_their_names(tmp_path):
    with pytest.raises(RecordingError, match=r"has no participants.tsv, looked for at"):
        participants(tmp_path)
    (tmp_path / "participants.tsv").write_text("age\n3\n")
    with pytest.raises(RecordingError, match=r"^participants.tsv: lacks the column participant_id"):
        participants(tmp_path)
    (tmp_path / "participants.tsv").write_text("participant_id\nsub-1\nsub-1\n")
    with pytest.raises(RecordingError, match=r"'1' is empty or there twice"):
        participants(tmp_path)


def test_entities_are_those_of_the_name():
    found = entities_of(Path("x/sub-01_ses-b_task-rest_run-2_eeg.edf"))
    assert found == {"sub": "01", "ses": "b", "task": "rest", "run": "2"}
    assert entities_of(Path("sub-01/rest.edf")) == {}
