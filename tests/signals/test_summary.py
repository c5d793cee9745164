"""What is said of a recording, without reading a sample of it."""

from __future__ import annotations

import numpy as np

from biot.signals import PREST_16, Annotation, Recording, overview


def recording(ch_names, annotations=()):
    return Recording.from_array(
        np.zeros((len(ch_names), 1000)),
        ch_names=ch_names,
        sfreq=200,
        units=["µV"] * len(ch_names),
        annotations=annotations,
    )


def test_the_header_says_length_rate_and_channels():
    text = str(overview(recording(["EEG T3-REF", "Cz"])))
    assert "5.000 s" in text
    assert "200 Hz" in text
    assert ("EEG T3-REF", "T7", "eeg", "µV") in overview(recording(["EEG T3-REF", "Cz"])).channels


def test_labels_are_counted_with_their_seconds_most_frequent_first():
    events = [Annotation(0, 1, "b"), Annotation(1, 0.5, "a"), Annotation(2, 0.5, "a")]
    found = overview(recording(["Cz"], events))
    assert found.labels == [("a", 2, 1.0), ("b", 1, 1.0)]
    assert "annotation" in str(found)


def test_more_labels_than_fit_are_counted():
    events = [Annotation(0, 0, f"label {i:02d}") for i in range(25)]
    assert "… and 5 more labels" in str(overview(recording(["Cz"], events)))


def test_the_montage_plan_is_part_of_it_on_request():
    found = overview(recording(["Fp1", "F7"]), PREST_16)
    assert found.plan is not None
    assert found.plan.derived == ("FP1-F7",)
    assert "EEG" not in str(overview(recording(["Fp1"])).plan)
    assert "derived" in str(found)


def test_that_nothing_matches_is_an_answer_not_an_error():
    found = overview(recording(["Temp"]), PREST_16)
    assert found.plan is None
    assert "No channel of the recording is in the vocabulary" in str(found)


def test_no_sample_is_read():
    def never(start, stop):
        raise AssertionError("read")

    lazy = Recording(path=None, ch_names=("Cz",), sfreq=1.0, n_times=10, units=("µV",),
                     read_samples=never)  # fmt: skip
    assert "10.000 s" in str(overview(lazy))
