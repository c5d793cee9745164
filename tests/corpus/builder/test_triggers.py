"""Codes of channels of triggers as labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biot.corpus import prepare
from biot.corpus.builder.labels import triggers
from biot.corpus.builder.labels.triggers import trigger_stretches
from biot.errors import ConfigError, CorpusError, RecordingError
from biot.signals import Recording, read_recording

mne = pytest.importorskip("mne")


def made(codes: Any, *more: str, name: str = "Status") -> Recording:
    data = np.zeros((2 + len(more), len(codes)))
    data[1] = codes
    return Recording.from_array(
        data, ch_names=["Cz", name, *more], sfreq=100, units=["µV"] + [""] * (1 + len(more))
    )


def events(recording: Recording, wanted: str | None = None) -> tuple[Any, dict[str, int]]:
    left_out: Counter[str] = Counter()
    found = trigger_stretches(recording, "a", wanted, left_out)
    sfreq = recording.sfreq
    rows = [(round(s.onset * sfreq), round(s.duration * sfreq), s.label) for s in found]
    return rows, dict(left_out)


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("bdf/test_bdf_stim_channel.bdf", None),
        ("bdf/mne_test_2048hz.bdf", None),
        ("edf/mne_test_139ch.edf", None),
        ("edf/test_edf_stim_channel.edf", "DIG DTRIG"),
        ("fif/test_bin_raw.fif", None),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_events_are_those_of_mne(shared_data: Path, name: str, channel: str | None) -> None:
    path = shared_data / "readers" / name
    how: dict[str, Any] = {"stim_channel": channel} if channel else {}
    raw = mne.io.read_raw(path, preload=True, verbose="ERROR", **how)
    expected = mne.find_events(
        raw, channel, consecutive=True, mask=0xFFFF, mask_type="and", verbose="ERROR"
    )
    found, _ = events(read_recording(path))
    assert [(at, int(label)) for at, _, label in found] == [
        (at - raw.first_samp, code) for at, _, code in expected.tolist()
    ]
    assert found


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 65535), st.integers(2, 6)), max_size=8),
    st.integers(0, 127),
    st.integers(1, 20),
)
def test_pulses_that_were_written_are_found(
    pulses: list[tuple[int, int, int]], flags: int, at_once: int
) -> None:
    codes, expected = [0], []
    for pause, code, length in pulses:
        codes += [0] * pause
        expected.append((len(codes), length, str(code)))
        codes += [code] * length
    values = np.array([*codes, 0]) | flags << 16
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(triggers, "_SAMPLES_AT_ONCE", at_once)
        assert events(made(values)) == (expected, {})


def test_one_code_after_another_is_an_event_and_one_sample_between_is_not() -> None:
    found, left_out = events(made([3, 3, 0, 5, 5, 4, 4, 0, 6, 7, 7, 3, 0, 9, 0]))
    assert found == [(3, 2, "5"), (5, 2, "4"), (9, 2, "7"), (13, 1, "9")]
    assert left_out == {
        "codes there from the first sample on": 1,
        "codes of a single sample on the way to another": 2,
    }


def test_several_channels_must_be_chosen_from() -> None:
    both = made([0, 1, 1, 0], "TRIG2")
    with pytest.raises(RecordingError, match=r"several channels of triggers.*Status, TRIG2"):
        events(both)
    assert events(both, "status")[0] == [(1, 2, "1")]
    with pytest.raises(RecordingError, match=r"trigger_channel must be .*got 'Statu'.*'Status'"):
        events(both, "Statu")
    assert events(made([0, 1, 1, 0], "STI 001", name="STI 014"))[0] == [(1, 2, "1")]


def test_volts_are_no_codes() -> None:
    with pytest.raises(RecordingError, match=r"must hold whole numbers; it has 0\.25, 4\.97"):
        events(made([0, 0.25, 4.97]))


@pytest.mark.parametrize("name", ["Trig", "TRIGGER", "DIN1", "MKR", "event", "STI101", "TTL"])
def test_names_of_trigger_channels_are_known(name: str) -> None:
    assert events(made([0, 2, 2], name=name))[0] == [(1, 2, "2")]


def test_a_trigger_channel_of_another_rate_keeps_its_codes(tmp_path: Path) -> None:
    edfio = pytest.importorskip("edfio")
    codes = np.zeros(200)
    codes[50:60] = 2
    codes[120:130] = 1
    folder = tmp_path / "in"
    folder.mkdir()
    signal = np.random.default_rng(0).normal(size=2000) * 20
    whole = {"physical_range": (-32768, 32767), "digital_range": (-32768, 32767)}
    edfio.Edf(
        [
            edfio.EdfSignal(signal, 100, label="EEG Cz", physical_dimension="uV"),
            edfio.EdfSignal(codes, 10, label="Trigger", **whole),
        ]
    ).write(folder / "a.edf")
    how: dict[str, Any] = {"sfreq": 50, "window": 1, "align": "events", "labels": "triggers"}
    with pytest.warns(UserWarning, match="rates"):
        report = prepare(folder, tmp_path / "c", **how, label_map="1=left,2=right")
    assert report.labels == {"left": 1, "right": 1}
    assert report.label_map == ("left: 1 1", "right: 2 1")


def test_no_trigger_channel_at_all_is_an_error_with_the_channels(
    write_edf: Callable[..., Path], tmp_path: Path
) -> None:
    how: dict[str, Any] = {"sfreq": 100, "window": 1, "labels": "triggers"}
    with pytest.raises(CorpusError, match=r"no channel of triggers.*trigger_channel; it has "):
        prepare(write_edf("a.edf"), tmp_path / "c", **how)


@pytest.mark.parametrize("flags", [0, 0x1C0000, 0x800000])
def test_bits_above_the_codes_are_told_where_there_are_any(flags: int) -> None:
    codes = np.array([0, 0, 7, 7, 0, 0]) | flags
    told: list[str] = []
    found = trigger_stretches(made(codes), "a", None, Counter(), told)
    assert [one.label for one in found] == ["7"]
    assert told == (
        [
            "the lower 16 bits of the channel Status are the codes; bits above them were set, as "
            "BioSemi does, and do not count"
        ]
        if flags
        else []
    )


def test_samples_that_are_missing_are_no_bits() -> None:
    told: list[str] = []
    trigger_stretches(made([0, np.nan, 0, 0, 7, 7, 0]), "a", None, Counter(), told)
    assert not told


def test_a_channel_that_was_named_as_that_of_triggers_is_no_signal(
    write_edf: Callable[..., Path],
) -> None:
    rng = np.random.default_rng(0)
    codes = np.zeros(2000)
    codes[200:210], codes[800:810] = 1, 2
    data = np.stack([rng.integers(-90, 90, 2000), codes])
    path = write_edf("a.edf", data, ch_names=("C3", "Ana 1"))
    how: dict[str, Any] = {"sfreq": 100, "window": 1, "labels": "triggers", "align": "events"}
    out = path.parents[1] / "corpus"
    report = prepare(path, out, **how, trigger_channel="ana 1")
    assert report.preprocessing.ch_names == ("C3",)
    assert report.labels == {"1": 1, "2": 1}
    assert report.dropped == {"channels of triggers, 'Ana 1'": 1}
    assert "1 channel of triggers, 'Ana 1'" in str(report)


def test_a_column_of_labels_is_refused_with_triggers(write_edf: Callable[..., Path]) -> None:
    path = write_edf("a.edf", ch_names=("C3", "Status"))
    with pytest.raises(ConfigError, match=r"label_columns are those of a table.*'triggers'"):
        prepare(path, path.parents[1] / "c", sfreq=100, window=1, labels="triggers",
                label_columns=("x",))  # fmt: skip
