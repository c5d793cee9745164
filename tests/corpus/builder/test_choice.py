"""Which channels of recordings become windows, and what they are called."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.cli import main
from biot.corpus import load_corpus, prepare
from biot.errors import ConfigError, CorpusError

WriteEdf = Callable[..., Path]
NAMES = ("EEG Fp1-REF", "EEG Fp2-REF", "EEG M1-REF", "ECG", "EMG chin")


def physical(out: Path, indices: Any) -> np.ndarray:
    rows = load_corpus(out).rows(indices)
    return rows.digital * rows.scale[..., None] + rows.offset[..., None]


@pytest.fixture
def data() -> Any:
    return np.random.default_rng(1).integers(-200, 200, (5, 400))


@pytest.fixture
def folder(write_edf: WriteEdf, data: Any) -> Path:
    return write_edf("a.edf", data, ch_names=NAMES, seconds=4).parent


def prepared(folder: Path, **settings: Any) -> Any:
    out = folder.parent / "corpus"
    settings = {"keep_flat": True, **settings}
    return prepare(folder, out, sfreq=100, window=2, **settings)


@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        ({"channels": "eeg"}, [0, 1, 2]),
        ({"channels": "fp1, emg CHIN"}, [0, 4]),
        ({"channels": "F*"}, [0, 1]),
        ({"channels": "EEG F?2*"}, [1]),
        ({"drop_channels": "ecg,emg"}, [0, 1, 2]),
        ({"channels": "eeg,EMG", "drop_channels": "M1"}, [0, 1, 4]),
        ({"channels": "EEG", "rename_channels": "EMG chin=Cz,Fp1=ECG2"}, [1, 2, 4]),
    ],
)
def test_channels_are_chosen_by_name_type_and_pattern(
    folder: Path, data: Any, settings: dict[str, str], rows: list[int]
) -> None:
    report = prepared(folder, **settings)
    corpus = load_corpus(report.out)
    assert corpus.preprocessing.n_chans == len(rows)
    np.testing.assert_allclose(
        physical(report.out, [0, 1]).transpose(1, 0, 2).reshape(len(rows), -1), data[rows],
        atol=400 / 65534,
    )  # fmt: skip


def test_a_channel_that_is_dropped_may_be_the_reference(folder: Path, data: Any) -> None:
    report = prepared(folder, reference="M1", drop_channels="M1,ecg,emg")
    assert report.preprocessing.ch_names == ("EEG Fp1-REF", "EEG Fp2-REF")
    np.testing.assert_allclose(
        physical(report.out, [0])[0], (data[:2] - data[2])[:, :200], atol=0.02
    )


def test_the_average_is_that_of_all_eeg_as_prediction_knows_no_choice(
    folder: Path, data: Any
) -> None:
    report = prepared(folder, reference="average", channels="Fp1")
    expected = (data[0] - data[:3].mean(axis=0))[:200]
    np.testing.assert_allclose(physical(report.out, [0])[0, 0], expected, atol=0.02)


def test_what_was_not_chosen_is_said(folder: Path, write_edf: WriteEdf) -> None:
    write_edf("b.edf", ch_names=("EEG Fp1-REF", "EEG Cz-REF"), seconds=4)
    report = prepared(folder, channels="Fp1,ECG")
    assert report.channels == (
        "not chosen, of 2 recordings: EEG Fp2-REF in 1, EEG M1-REF in 1, EMG chin in 1, "
        "EEG Cz-REF in 1",
        "'ECG' fits nothing in 1 of 2: b.edf",
    )
    assert "\nchannels    not chosen, of 2" in str(report)
    again = prepared(folder, channels="Fp1,ECG")
    assert again.channels == report.channels


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": "eeg,EMG chn"}, "channels must .*'EMG chn' fits none.*mean 'EMG chin'"),
        ({"drop_channels": "X*"}, r"drop_channels must .*'X\*' fits none"),
        ({"rename_channels": "Fz=F3"}, "rename_channels must .*'Fz' fits none"),
    ],
)
def test_a_word_that_fits_no_recording_is_refused_and_leaves_nothing(
    folder: Path, settings: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        prepared(folder, **settings)
    assert not (folder.parent / "corpus").exists()
    prepared(folder, channels="eeg")  # nothing unfinished is in the way


@pytest.mark.parametrize("name", ["channels", "drop_channels"])
def test_an_empty_name_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must be names, types or patterns"):
        prepared(folder, **{name: "eeg,"})


def test_a_recording_without_the_channels_is_set_aside(folder: Path, write_edf: WriteEdf) -> None:
    write_edf("b.edf", ch_names=("Cz", "Pz"), seconds=4)
    report = prepared(folder, channels="Fp1")
    ((name, reason),) = report.quarantined
    assert name == "b.edf"
    assert "channels must name channels that are there" in reason


def test_another_choice_is_refused_on_the_same_corpus(folder: Path) -> None:
    prepared(folder, channels="eeg")
    with pytest.raises(CorpusError, match="channels 'eeg', not 'ecg'"):
        prepared(folder, channels="ecg")


def test_the_command_names_the_option(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["prepare", str(folder), "--out", str(folder.parent / "c"), "--sfreq", "100"]
    words += ["--window", "2"]
    assert main([*words, "--channels", "Fp9"]) == 1
    assert "--channels must name channels that are there" in capsys.readouterr().err
    assert main([*words, "--channels", "eeg,Fp9"]) == 1
    assert "--channels must name channels that recordings have" in capsys.readouterr().err
    assert main([*words, "--drop-channels", "*"]) == 1
    assert "--drop-channels must leave a channel" in capsys.readouterr().err
    assert main([*words, "--channels", "eeg", "--rename-channels", "Fp1=Cz"]) == 0
    assert "not chosen, of 1 recording: ECG in 1, EMG chin in 1" in capsys.readouterr().out
    kept = json.loads((folder.parent / "c" / "preprocessing.json").read_text())
    assert kept["rename_channels"] == "Fp1=Cz"
    assert kept["ch_names"] == ["Cz", "EEG Fp2-REF", "EEG M1-REF"]


def test_repeated_channels_and_dummies_are_left_out_and_counted(
    folder: Path, write_edf: WriteEdf, data: Any
) -> None:
    names = ("EEG Fp1-REF", "EEG Fp1-REF", "-", "-", "C3")
    data[1] = data[0]
    write_edf("a.edf", data, ch_names=names, seconds=4)
    report = prepared(folder)
    assert report.preprocessing.ch_names == ("EEG Fp1-REF", "C3")
    assert report.dropped == {
        "channels without a name": 2,
        "channels 'EEG Fp1-REF' again, with equal samples": 1,
    }


def test_different_channels_of_one_name_are_numbered_and_told(
    folder: Path, write_edf: WriteEdf
) -> None:
    write_edf("a.edf", ch_names=("T8-P8", "T8-P8"), seconds=4)
    with pytest.warns(UserWarning, match="got numbers: 'T8-P8' is 'T8-P8-0'"):
        report = prepared(folder)
    assert report.preprocessing.ch_names == ("T8-P8-0", "T8-P8-1")


def test_the_look_alikes_of_chb_mit_are_prepared(shared_reports: Path, tmp_path: Path) -> None:
    from biot.signals import PREST_16, canonical

    report = prepare(shared_reports / "read/chbmit", tmp_path / "c", sfreq=200, window=4)
    assert report.quarantined == ()
    assert len(report.preprocessing.ch_names) == 22
    assert set(PREST_16) <= set(map(canonical, report.preprocessing.ch_names))


def test_the_choice_is_the_same_in_workers(folder: Path) -> None:
    report = prepared(folder, channels="eeg", rename_channels="M1=Cz", workers=2)
    assert report.preprocessing.ch_names == ("EEG Fp1-REF", "EEG Fp2-REF", "Cz")
