"""Filters and resampling of the contract: the same in a corpus, a Predictor and SciPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.signal import fftconvolve, firwin, resample, resample_poly

from biot.corpus import load_corpus, prepare
from biot.corpus.schema import decode, encode
from biot.errors import ConfigError
from biot.inference.windows import ModelWindows
from biot.preprocessing import Preprocessing
from biot.signals import Recording, read_recording
from biot.simulate import simulate_eeg, write_edf


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_edf(simulate_eeg(0, duration=42), tmp_path / "sub-01_eeg.edf")


def decoded(folder: Path) -> Any:
    corpus = load_corpus(folder)
    rows = corpus.rows(range(len(corpus)))
    return decode(rows.digital, rows.scale, rows.offset), corpus


@pytest.mark.parametrize(
    "how",
    [
        {"l_freq": 1.0, "h_freq": 30.0, "notch": 50.0},
        {"l_freq": 0.5},
        {"l_freq": 1.0, "h_freq": 30.0, "notch": 50.0, "causal": True},
        {"h_freq": 35.0, "resample": "fft"},
        {},
    ],
)
def test_the_predictor_cuts_the_windows_of_the_corpus(
    path: Path, tmp_path: Path, how: dict[str, Any]
) -> None:
    prepare(path, tmp_path / "corpus", sfreq=100, window=3, scale="none", **how)
    expected, corpus = decoded(tmp_path / "corpus")
    contract = corpus.preprocessing
    assert {name: getattr(contract, name) for name in how} == how
    recording = read_recording(path)
    source = ModelWindows(recording, contract)
    places = [(round(start * 100), round(start * 100) + 300) for start in corpus.starts]
    windows = source.read(places)
    code = encode(windows)  # the corpus holds 16 bits
    again = decode(code.digital, code.scale, code.offset)
    np.testing.assert_allclose(again, expected, atol=1e-6 * np.abs(expected).max())


def test_a_corpus_is_filtered_as_scipy_does(path: Path, tmp_path: Path) -> None:
    prepare(path, tmp_path / "corpus", sfreq=128, window=3, l_freq=4.0, h_freq=30.0, notch=50.0)
    found, _ = decoded(tmp_path / "corpus")
    data = read_recording(path).data.astype(np.float64)
    sfreq = 256.0
    assert read_recording(path).sfreq == sfreq
    taps = np.ones(1)
    for width, cutoff, kind in (
        (2, 4, "highpass"),
        (7.5, 30, "lowpass"),
        (1, (49, 51), "bandstop"),
    ):
        length = 2 * int(np.ceil(3.3 / width * sfreq / 2)) + 1
        taps = np.convolve(taps, firwin(length, cutoff, pass_zero=kind, fs=sfreq))
    half = len(taps) // 2
    padded = np.pad(data, ((0, 0), (half, half)), mode="edge")
    smooth = fftconvolve(padded, taps[None], mode="valid", axes=-1)
    expected = resample_poly(smooth, 1, 2, axis=-1, padtype="edge")
    joined = np.concatenate(list(found), axis=-1)
    step = np.ptp(expected) / 131068
    np.testing.assert_allclose(joined, expected[:, : joined.shape[1]], atol=2 * step)


def test_fft_resampling_is_that_of_scipy_on_the_whole(path: Path, tmp_path: Path) -> None:
    prepare(path, tmp_path / "corpus", sfreq=100, window=3, resample="fft")
    found, _ = decoded(tmp_path / "corpus")
    data = read_recording(path).data.astype(np.float64)
    expected = resample(data, 4200, axis=-1)
    joined = np.concatenate(list(found), axis=-1)
    np.testing.assert_allclose(joined, expected, atol=np.ptp(expected) / 131068 * 2)


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ({"notch": 50.0}, "notch must lie above 1 and below 44 Hz for a signal of 90 Hz"),
        ({"h_freq": 45.0}, "h_freq must lie above 0 and below 45 Hz for a signal of 90 Hz"),
        ({"resample": "fft"}, "method='fft' needs every sample of a channel"),
    ],
)
def test_a_recording_that_settings_of_the_model_do_not_suit_is_named_and_so_are_they(
    how: dict[str, Any], found: str
) -> None:
    contract = Preprocessing(
        sfreq=100, window=2, ch_names=("C3",), units=("µV",), label_names=("a", "b"), **how
    )
    data = np.random.default_rng(0).normal(size=(1, 900))
    data[0, 300:500] = np.nan
    recording = Recording.from_array(data, ch_names=("C3",), sfreq=90, units=("µV",))
    named = f"^{recording.name}: cannot be prepared as the model's corpus was: {found}"
    with pytest.raises(ConfigError, match=f"{named}.*That is a setting of the model"):
        ModelWindows(recording, contract).read([(0, 200), (400, 600)])
