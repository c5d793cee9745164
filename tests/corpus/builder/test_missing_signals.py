"""Flat channels, slow recordings and references in a corpus: what is written, and what is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.corpus import from_arrays, load_corpus, prepare
from biot.corpus.manifest import Manifest
from biot.corpus.schema import decode
from biot.errors import CorpusError, RecordingError
from biot.preprocessing import FILE_NAME

WriteEdf = Callable[..., Path]


def signals(folder: Path) -> Any:
    corpus = load_corpus(folder)
    rows = corpus.rows(range(len(corpus)))
    return decode(rows.digital, rows.scale, rows.offset)


def noise(n_chans: int = 3, n_times: int = 2000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-200, 200, (n_chans, n_times))


NAMES = ("C3", "C4", "Cz")


def test_flat_channels_and_stretches_are_missing_and_counted(
    write_edf: WriteEdf, tmp_path: Path
) -> None:
    data = noise()
    data[0] = 2999
    data[1, 500:800] = 32767  # the greatest number of the converter
    paths = [
        write_edf("a.edf", data, ch_names=NAMES),
        write_edf("b.edf", noise(seed=1), ch_names=NAMES),
        write_edf("dead.edf", np.zeros((3, 2000)), ch_names=NAMES),
    ]
    how: dict[str, Any] = {"sfreq": 100, "window": 5, "scale": "none"}
    report = prepare(paths, tmp_path / "corpus", **how)
    found = signals(tmp_path / "corpus")
    assert found.shape == (8, 3, 500)
    expected = np.zeros((8, 3, 500), dtype=bool)
    expected[:4, 0] = True
    expected[1, 1, :300] = True
    np.testing.assert_array_equal(np.isnan(found), expected)
    assert report.dropped == {"windows without any sample": 4}
    text = str(report)
    assert "channels that are flat throughout, in 2 recordings: C3 in 2, C4 in 1" in text
    assert "3.0 s of stretches, in 1 recording: C4 3.0 s" in text
    manifest = json.loads((tmp_path / "corpus" / "manifest.json").read_text(encoding="utf-8"))
    of_a = manifest["recordings"]["a.edf"]["flat"]
    assert (of_a["whole"], of_a["seconds"]) == (["C3"], {"C4": 3.0})
    again = prepare(paths, tmp_path / "corpus", **how)
    assert again.flat == report.flat


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("flat", {"whole": 5, "seconds": {}, "mostly": []}), ("flat", [])],
        *[("flat", {"whole": [], "seconds": {"C3": "long"}, "mostly": []}), ("reference", 5)],
    ],
)
def test_a_damaged_manifest_is_told(
    write_edf: WriteEdf, tmp_path: Path, key: str, value: Any
) -> None:
    prepare(write_edf("a.edf", noise(), ch_names=NAMES), tmp_path / "corpus", sfreq=100, window=5)
    path = tmp_path / "corpus" / "manifest.json"
    _rewrite(path, lambda values: values["recordings"]["a.edf"].update({key: value}))
    with pytest.raises(CorpusError, match=r"manifest.json: damaged"):
        Manifest.load(tmp_path / "corpus")


def test_keep_flat_keeps_them(write_edf: WriteEdf, tmp_path: Path) -> None:
    path = write_edf("a.edf", np.full((3, 2000), 2999), ch_names=NAMES)
    report = prepare(path, tmp_path / "corpus", sfreq=100, window=5, scale="none", keep_flat=True)
    assert load_corpus(tmp_path / "corpus").preprocessing.keep_flat
    np.testing.assert_allclose(signals(tmp_path / "corpus"), 2999, rtol=1e-3)
    assert not report.flat


def _rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(json.dumps(values), encoding="utf-8")


def test_a_corpus_of_an_earlier_release_kept_flat_channels(
    write_edf: WriteEdf, tmp_path: Path
) -> None:
    path, out = write_edf("a.edf", noise(), ch_names=NAMES), tmp_path / "corpus"
    prepare(path, out, sfreq=100, window=5, keep_flat=True)
    later = ("keep_flat", "reference", "recorded_references")
    _rewrite(out / FILE_NAME, lambda values: [values.pop(key) for key in later])
    _rewrite(out / "manifest.json", lambda values: [values["parameters"].pop(k) for k in later[:2]])
    _rewrite(out / "state.json", lambda values: values.pop("_biot"))
    assert load_corpus(out).preprocessing.keep_flat
    report = prepare(path, out, sfreq=100, window=5, keep_flat=True)
    assert report.changes == ("none: the corpus is as these recordings and parameters make it",)
    with pytest.raises(CorpusError, match="was prepared with keep_flat True, not False"):
        prepare(path, out, sfreq=100, window=5)


def test_recordings_below_the_rate_are_told_by_name(write_edf: WriteEdf, tmp_path: Path) -> None:
    paths = [
        write_edf(f"{name}.edf", noise(seed=ord(name)), ch_names=NAMES, sfreq=100)
        for name in "abcdegh"
    ]
    paths.append(write_edf("fast.edf", noise(n_times=8000), ch_names=NAMES, sfreq=400))
    report = prepare(paths, tmp_path / "corpus", sfreq=200, window=5)
    assert report.slower == {f"{name}.edf": 100.0 for name in "abcdegh"}
    assert (
        "7 of 8 recordings at 100 Hz, with nothing above 50 Hz: "
        "a.edf, b.edf, c.edf, d.edf, e.edf and 2 more"
    ) in str(report)
    below = prepare(paths, tmp_path / "low", sfreq=200, window=5, h_freq=40)
    assert not below.slower  # the filter takes away what they lack


def test_a_reference_is_kept_in_the_contract_and_a_recording_without_it_is_set_aside(
    write_edf: WriteEdf, tmp_path: Path
) -> None:
    names = ("C3", "C4", "A1")
    paths = [
        write_edf("a.edf", noise(), ch_names=names),
        write_edf("b.edf", noise(seed=1), ch_names=NAMES),
    ]
    how: dict[str, Any] = {"sfreq": 100, "window": 5, "scale": "none"}
    report = prepare(paths, tmp_path / "corpus", reference="A1", **how)
    assert load_corpus(tmp_path / "corpus").preprocessing.reference == "A1"
    assert report.quarantined[0][0] == "b.edf"
    assert "has no channel 'A1', which is to be the reference" in report.quarantined[0][1]
    assert "A1, which is 0 against itself, so missing in every window" in str(report)
    found = np.concatenate(list(signals(tmp_path / "corpus")), axis=1)
    assert np.isnan(found[2]).all()
    np.testing.assert_allclose(found[:2], noise()[:2] - noise()[2], atol=0.02)


def test_recordings_against_different_references_are_told(
    write_edf: WriteEdf, tmp_path: Path
) -> None:
    for name, word in zip("abc", ("REF", "REF", "LE"), strict=True):
        labels = [f"EEG {ch_name}-{word}" for ch_name in NAMES]
        write_edf(f"{name}.edf", noise(seed=ord(name)), ch_names=labels)
    report = prepare(tmp_path / "recordings", tmp_path / "corpus", sfreq=100, window=5)
    contract = load_corpus(tmp_path / "corpus").preprocessing
    assert contract.recorded_references == ("REF", "linked ears")
    assert "recordings have different ones, which reference=average makes alike" in str(report)
    assert "linked ears: 1: c.edf" in str(report)
    alike = prepare(
        tmp_path / "recordings", tmp_path / "alike", sfreq=100, window=5, reference="average"
    )
    assert "different ones" not in str(alike)


def test_a_flat_reference_is_told(write_edf: WriteEdf, tmp_path: Path) -> None:
    data = noise()
    data[1] = 0
    path = write_edf("a.edf", data, ch_names=("C3", "M1", "M2"))
    with pytest.warns(UserWarning, match="M1 of the reference is flat, so its reference is M2"):
        prepare(path, tmp_path / "corpus", sfreq=100, window=5, reference="M1,M2")


# windows in memory --------------------------------------------------------------------------


def arrays(tmp_path: Path, X: Any, **more: Any) -> Any:
    given = {"sfreq": 50, "ch_names": NAMES, "units": "µV", "scale": "none", **more}
    return from_arrays(X, None, subject=["s"] * len(X), out=tmp_path / "corpus", **given)


def test_flat_windows_in_memory_are_missing_and_told(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(6, 3, 100))
    X[:, 0] = 5.0
    X[2, 1, :50] = 0.0
    with pytest.warns(UserWarning, match=r"1 channel throughout \(C3\); 1.0 s of stretches"):
        corpus = arrays(tmp_path, X)
    assert not corpus.preprocessing.keep_flat
    missing = np.zeros(X.shape, dtype=bool)
    missing[:, 0] = missing[2, 1, :50] = True
    np.testing.assert_array_equal(np.isnan(signals(tmp_path / "corpus")), missing)


def test_a_window_of_flat_channels_only_is_refused(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(6, 3, 100))
    X[3] = 7
    with pytest.raises(CorpusError, match=r"X\[3\] holds flat channels only \(1 such windows\)"):
        arrays(tmp_path, X)
    arrays(tmp_path, X, keep_flat=True)
    assert np.isfinite(signals(tmp_path / "corpus")).all()


def test_windows_in_memory_are_re_referenced(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(6, 3, 100))
    corpus = arrays(tmp_path, X, reference="average")
    assert corpus.preprocessing.reference == "average"
    np.testing.assert_allclose(
        signals(tmp_path / "corpus"), X - X.mean(axis=1, keepdims=True), atol=1e-3
    )
    with pytest.raises(RecordingError, match="X: has no channel 'A1'"):
        arrays(tmp_path, X, reference="A1")
