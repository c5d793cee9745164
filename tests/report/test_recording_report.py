"""The page of a recording as it is written: what it holds, what it refuses, how large it may be."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from biot.errors import ChannelError, ConfigError, MissingDependencyError
from biot.events.event import Event, Events
from biot.inference.predictions import Predictions
from biot.report import recording as module
from biot.report.recording import recording_report
from biot.report.timeline.data import CURVE_BYTES, curve_points, strip_of
from biot.report.timeline.downsample import DETAIL_BYTES, WHOLE_BYTES
from biot.report.timeline.quality import share
from biot.signals.recording import Recording


def data_of(page) -> dict:
    text = page.read_text(encoding="utf-8")
    (found,) = re.findall(r'id="timeline-data">(.*?)</script>', text)
    assert "<" not in found
    return json.loads(found)


def predictions_of(start, probabilities, *, stop=None, **options) -> Predictions:
    start = np.asarray(start, float)
    values = np.asarray(probabilities, float)
    names = tuple("abcdefghijklmnopqrstuvwxyz"[: values.shape[1]])
    ends = start + 2 if stop is None else stop
    return Predictions(
        name="night", start=start, stop=ends, probabilities=values, label_names=names, **options
    )


def noise(seconds=20, sfreq=50, names=("Fp1", "C3", "O1")) -> Recording:
    data = np.random.default_rng(0).normal(0, 20, (len(names), seconds * sfreq))
    return Recording.from_array(data, ch_names=names, sfreq=sfreq, units=("µV",) * len(names))


HALVES = predictions_of(range(0, 20, 2), [[0.2, 0.8]] * 5 + [[0.9, 0.1]] * 5)


def test_the_page_has_only_scripts_that_its_policy_names(recording_page):
    text = recording_page.read_text(encoding="utf-8")
    assert text.count("<script>") == 3
    assert "default-src &#39;none&#39;" in text
    assert " src=" not in text


def test_events_are_those_of_the_model_unless_given(tmp_path):
    page = recording_report(tmp_path / "a.html", HALVES, noise())
    (decided,) = data_of(page)["strips"]
    found = [(onset, seconds, decided["labels"][row]) for onset, seconds, row in decided["events"]]
    expected = [(event.onset, event.duration, event.label) for event in HALVES.to_events()]
    assert found == expected != []


def test_reference_events_are_found_missed_or_not_to_be_decided(tmp_path):
    def events(*given, **more):
        made = tuple(Event(onset=o, duration=d, label=label) for o, d, label in given)
        return Events(name="night", duration=20.0, events=made, **more)

    decided = events((0, 4, "b"), (8, 4, "b"), (12, 4, "a"), background="c")
    reference = events(
        (3, 2, "b"), (4, 4, "b"), (8, 0, "b"), (9, 1, "a"), (9, 1, "c"), (9, 1, "<i>"),
    )  # fmt: skip
    three = predictions_of([0.0], [[0.1, 0.8, 0.1]])
    page = recording_report(
        tmp_path / "a.html", three, noise(), events=decided, reference=reference
    )
    rows = re.findall(r'id="reference-\d".*?</tr>', page.read_text("utf-8"), re.DOTALL)
    told = [re.findall(r"<td>(.*?)</td>", row) for row in rows]
    assert told == [
        ["b", "found"], ["b", "missed"], ["b", "found"], ["a", "missed"], ["c", "–"],
        ["&lt;i&gt;", "–"],
    ]  # fmt: skip


def test_without_the_recording_there_are_no_signals_and_it_is_said(tmp_path):
    page = recording_report(tmp_path / "a.html", HALVES, None)
    text = page.read_text(encoding="utf-8")
    assert "The recording itself was not given: there are no signals on this page." in text
    assert data_of(page)["signals"] is None
    assert "<h2>Channels</h2>" not in text


def test_the_channels_that_are_named_are_drawn_in_this_order(tmp_path):
    page = recording_report(tmp_path / "a.html", HALVES, noise(), channels=["O1", "FP1"])
    assert [one["name"] for one in data_of(page)["signals"]["channels"]] == ["O1", "Fp1"]


def test_a_channel_that_is_not_there_is_refused(tmp_path):
    said = r"no channel that channels='Fp11' names. It has Fp1, C3, O1. Did you mean 'Fp1'\?"
    with pytest.raises(ChannelError, match=said):
        recording_report(tmp_path / "a.html", HALVES, noise(), channels=["Fp11"])
    assert list(tmp_path.iterdir()) == []


def test_predictions_of_a_longer_recording_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"lasts 10\.000 s, but .* night reach to 20\.000 s"):
        recording_report(tmp_path / "a.html", HALVES, noise(seconds=10))


def test_of_many_channels_the_first_are_drawn_and_it_is_said(tmp_path):
    recording = noise(names=tuple(f"EEG {i}" for i in range(1, 41)))
    page = recording_report(tmp_path / "a.html", HALVES, recording)
    assert len(data_of(page)["signals"]["channels"]) == 32
    text = page.read_text(encoding="utf-8")
    assert (
        "32 of 40 channels are drawn; `biot report PREDICTIONS --channels NAMES` draws others."
        in text
    )
    assert text.count('<th scope="row">EEG ') == 40  # the table has all


def test_a_model_that_learnt_from_the_recording_is_told(tmp_path):
    page = recording_report(tmp_path / "a.html", replace(HALVES, in_training=True), noise())
    assert "The model learnt from this recording (night)" in page.read_text(encoding="utf-8")


def test_tags_numbers_and_windows_without_data_are_shown(tmp_path):
    values = np.random.default_rng(0).random((10, 12))
    values[3] = np.nan
    tags = predictions_of(range(0, 20, 2), values, task="multilabel", thresholds=(0.4,) * 12)
    shown = data_of(recording_report(tmp_path / "tags.html", tags, noise()))["probability"]
    assert [one["threshold"] for one in shown["labels"]] == [0.4] * 12
    assert sum(one["shown"] for one in shown["labels"]) == 8
    numbers = predictions_of(range(0, 20, 2), 100 * values[:, :1], task="regression")
    page = recording_report(tmp_path / "numbers.html", numbers, noise())
    low, high = data_of(page)["probability"]["range"]
    assert low < 100 * np.nanmin(values[:, 0]) < 100 * np.nanmax(values[:, 0]) < high
    assert "1 without usable data" in page.read_text(encoding="utf-8")
    nothing = predictions_of([0.0], [[np.nan, np.nan]])
    page = recording_report(tmp_path / "nothing.html", nothing, noise())
    assert "No window has usable data: nothing was predicted" in page.read_text(encoding="utf-8")


def test_overlapping_windows_share_the_overlap_and_gaps_stay():
    predictions = predictions_of([0, 2, 10], [[0.1], [0.2], [0.3]], stop=np.array([4, 6, 14.0]))
    times, values = curve_points(predictions)
    assert times.tolist() == [0, 3, 6, 10, 14]
    np.testing.assert_array_equal(values[:, 0], [0.1, 0.2, np.nan, 0.3, np.nan])


def test_more_windows_than_fit_keep_their_extremes():
    values = np.full((50_000, 1), 0.5)
    values[12_345], values[34_567] = 0.99, 0.01
    predictions = predictions_of(np.arange(50_000.0), values, stop=np.arange(1.0, 50_001))
    times, shown = curve_points(predictions, budget=20_000)
    assert len(times) * 10 <= 20_000 + 10
    assert shown[np.searchsorted(times, 12_345.5) - 2 :][:4].max() == 0.99
    assert np.nanmin(shown) == 0.01


def test_rare_labels_share_a_row_and_keep_their_names():
    events = tuple(
        Event(onset=float(10 * i + j), duration=1.0, label=f"L{i}")
        for i in range(20)
        for j in range(20 - i)
    )
    strip = strip_of(Events(name="n", events=events, duration=300.0), "Decided", ("L3",))
    assert strip["labels"][-1] == "9 other labels"
    assert len(strip["labels"]) == 12
    assert next(event[3] for event in strip["events"] if len(event) > 3) == "L11"
    assert len(strip["events"]) == len(events)


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(0, 9, "0 %"), (1, 9999, "< 0.1 %"), (9, 9, "100 %"), (9998, 9999, "> 99.9 %"), (0, 0, "–"),
     (1, 8, "12.5 %")],
)  # fmt: skip
def test_a_share_of_little_is_not_nothing(part, whole, said):
    assert share(part, whole) == said


def test_the_signals_and_curves_of_a_page_have_a_bounded_size():
    assert (WHOLE_BYTES * 8 / 5) * 4 / 3 < 10.5e6  # where every sample is kept
    assert (WHOLE_BYTES + DETAIL_BYTES + CURVE_BYTES) * 4 / 3 < 13e6


def test_without_the_drawing_library_the_way_out_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'biot\[report\]'"):
        recording_report(tmp_path / "a.html", HALVES, None)


def test_notes_on_the_page_of_a_command_name_options():
    from biot.cli.recordings.report_options import in_words_of_the_command

    said = in_words_of_the_command(
        replace(HALVES, notes=("preparing with keep_flat would keep it",))
    )
    assert said.notes == ("preparing with --keep-flat would keep it",)
