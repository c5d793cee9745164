"""Windows from START to STOP seconds around events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biot.cli import main
from biot.corpus import load_corpus, prepare
from biot.corpus.builder.settings import PrepareConfig
from biot.corpus.builder.windows.events import LabelSpan
from biot.corpus.builder.windows.placing import Windowing, cut
from biot.corpus.manifest import Manifest
from biot.errors import ConfigError
from biot.signals import Recording

WriteEdf = Callable[..., Path]
NOTES = [(0.2, 1.0, "left"), (5.0, 0.0, "right"), (9.0, 4.0, "left"), (17.0, 0.5, "right")]


def prepared(path: Path, **settings: Any) -> Any:
    given = {"sfreq": 100, "labels": "annotations", **settings}
    return prepare(path, path.parents[1] / "corpus", **given)


def test_each_event_has_one_window_and_those_without_room_are_counted(write_edf: WriteEdf) -> None:
    data = np.arange(4000).reshape(2, 2000) - 2000
    report = prepared(write_edf("a.edf", data, annotations=NOTES), epoch=(-0.5, 3.0))
    assert report.labels == {"left": 1, "right": 2}
    assert report.dropped == {"events without room for a window": 1}  # 0.2 − 0.5 is before 0
    assert report.preprocessing.window == 3.5
    corpus = load_corpus(report.out)
    assert corpus.starts.tolist() == [4.5, 8.5, 16.5]
    found = corpus.rows(np.arange(3))
    signal = found.digital * found.scale[..., None] + found.offset[..., None]
    expected = [data[:, first : first + 350] for first in (450, 850, 1650)]
    np.testing.assert_allclose(signal, expected, atol=0.01)
    manifest = Manifest.load(report.out)
    assert manifest is not None
    assert manifest.parameters["epoch"] == [-0.5, 3.0]
    assert manifest.parameters["align"] == "events"


def test_the_last_sample_is_the_one_before_stop(write_edf: WriteEdf) -> None:
    path = write_edf("a.edf", annotations=[(17.0, 0, "x")])  # of 20 s
    assert prepared(path, epoch=(-1, 3)).n_windows == 1
    with pytest.raises(Exception, match="1 event without room for a window"):
        prepare(path, path.parents[1] / "other", sfreq=100, labels="annotations", epoch=(-1, 3.01))


@given(
    st.lists(st.integers(-20, 130), max_size=6),
    st.integers(-30, 30),
    st.integers(1, 40),
    st.booleans(),
)
def test_windows_lie_within_the_segment_of_the_onset(
    onsets: list[int], offset: int, n_times: int, keep_short: bool
) -> None:
    data = np.arange(100, dtype=np.float32)[None]
    segments = [(0, 37), (37, 100)]
    recording = Recording.from_array(data, ch_names=("C3",), sfreq=1, units=("µV",), starts=(0, 37))
    how = Windowing(
        n_times=n_times, step=1, align="events", offset=offset, labelled=True, background=None,
        keep_short=keep_short,
    )  # fmt: skip
    left_out: Counter[str] = Counter()
    events = [LabelSpan(onset, onset + 3, "x") for onset in sorted(onsets)]
    found = [
        (int(start), signal[0].tolist())
        for block in cut(recording, events, how, left_out)
        for start, signal in zip(block.starts, block.signal, strict=True)
    ]
    expected = []
    for onset in onsets:
        low, high = segments[onset >= 37]
        start, stop = onset + offset, onset + offset + n_times
        if low <= start < high and (stop <= high or keep_short):
            expected.append((start, data[0, start : min(stop, high)].tolist()))
    assert sorted(found) == sorted(expected)
    assert left_out.total() == len(onsets) - len(expected)


def test_tags_of_one_place_are_one_window(write_edf: WriteEdf) -> None:
    notes = [(5.0, 2.0, "a"), (5.0, 0.0, "b;c"), (5.5, 0.0, "d"), (12.0, 0.0, "a")]
    report = prepared(write_edf("a.edf", annotations=notes), epoch=(-1, 2), task="multilabel")
    assert report.n_windows == 3
    # the instant at 5.5 s lies in the window of 5.0 s, and the stretch of 5.0 s in that of 5.5 s
    assert report.labels == {"a": 3, "b": 2, "c": 2, "d": 2}


def test_a_window_is_as_long_as_the_decimal_numbers_say() -> None:
    config = PrepareConfig(sfreq=100, labels="annotations", epoch=(0.1, 0.3))
    assert config.length == 0.2  # 0.3 − 0.1 is 0.19999999999999998
    assert config.placed == "events"
    PrepareConfig(sfreq=100, labels="annotations", epoch=(0.1, 0.3), window=0.2, align="events")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": (4, -0.5)}, "--epoch must have START before STOP, in seconds; got 4 and -0.5."),
        ({"epoch": (1, 1)}, "--epoch must have START before STOP, in seconds; got 1 and 1."),
        ({"epoch": (0, 0.001)}, "--epoch must hold at least one sample, got 0 to 0.001 s at 100"),
        (
            {"epoch": (-0.5, 4), "window": 4},
            "--window must be left out, or be the 4.5 s of the epoch from -0.5 to 4 s; got 4 s.",
        ),
        ({"epoch": (0, 1), "align": "grid"}, "--align is 'grid', but epoch places windows around"),
        ({"epoch": (0, 1), "stride": 1}, "--stride must be left out with an epoch"),
        ({"epoch": (0, 1), "labels": "none"}, "--epoch goes with labels in time, but --labels is"),
        ({"epoch": (0, 1), "labels": "folder"}, "but --labels is 'folder', which label whole rec"),
    ],
)
def test_an_epoch_that_cannot_be_is_refused(
    settings: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"labels": "annotations", **settings}
    with pytest.raises(ConfigError):
        PrepareConfig(sfreq=100, **given)
    words = ["prepare", "a.edf", "--out", "c", "--sfreq", "100"]
    for name, value in given.items():
        words += [f"--{name}", *map(str, value if isinstance(value, tuple) else [value])]
    assert main(words) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("text", ["-0.5", "-.5", "-5e-1", "-0.5e0"])
def test_negative_numbers_are_no_options(write_edf: WriteEdf, text: str) -> None:
    path = write_edf("a.edf", annotations=NOTES)
    out = path.parents[1] / "corpus"
    words = ["--out", str(out), "--sfreq", "100", "--labels", "annotations", "--epoch", text, "2"]
    assert main(["prepare", str(path), *words]) == 0
    assert load_corpus(out).preprocessing.window == 2.5


@pytest.mark.parametrize("words", [["1"], ["1", "x"], ["nan", "1"], ["0", "inf"], ["-90000", "0"]])
def test_what_is_no_pair_of_seconds_is_refused_by_the_parser(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", "--out", "c", "--sfreq", "100", "a.edf", "--epoch", *words]) == 2
    assert "argument --epoch: " in capsys.readouterr().err


def test_a_table_of_whole_recordings_has_no_events(write_edf: WriteEdf) -> None:
    path = write_edf("a.edf")
    table = path.parents[1] / "labels.csv"
    table.write_text("file,label\na.edf,x\n")
    with pytest.raises(ConfigError, match=r"epoch goes with labels in time, but .*labels whole re"):
        prepared(path, labels=table, epoch=(0, 1))


def test_the_command_that_repairs_a_corpus_has_the_epoch(
    write_edf: WriteEdf, capsys: pytest.CaptureFixture[str]
) -> None:
    report = prepared(write_edf("a.edf", annotations=NOTES), epoch=(-0.5, 3.0))
    next((report.out / "shards").iterdir()).unlink()
    assert main(["info", str(report.out), "--check"]) == 1
    told = capsys.readouterr().err
    assert "--sfreq 100 --epoch -0.5 3 --labels annotations" in told
    assert "--align" not in told


def test_motor_imagery_as_mne_cuts_it(shared_data: Path, tmp_path: Path) -> None:
    mne = pytest.importorskip("mne")
    path = shared_data / "eegmmidb_s001" / "S001R04.edf"
    report = prepare(
        path, tmp_path / "corpus", sfreq=160, labels="annotations", label_map="T0=", epoch=(-0.5, 4)
    )
    raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    events, names = mne.events_from_annotations(raw, {"T1": 1, "T2": 2}, verbose="error")
    epochs = mne.Epochs(
        raw, events, names, tmin=-0.5, tmax=4 - 1 / 160, baseline=None, preload=True,
        verbose="error",
    )  # fmt: skip
    assert report.labels == {name: len(epochs[name]) for name in names}
    corpus = load_corpus(report.out)
    np.testing.assert_allclose(corpus.starts, epochs.events[:, 0] / 160 - 0.5)
    found = corpus.rows(np.arange(len(corpus)))
    signal = found.digital * found.scale[..., None] + found.offset[..., None]
    np.testing.assert_allclose(signal, epochs.get_data(copy=False) * 1e6, atol=0.01)
