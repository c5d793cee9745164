"""Small corpora and recordings on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.corpus import Corpus, from_arrays


@pytest.fixture
def make_corpus(tmp_path: Path) -> Callable[..., Corpus]:
    """A corpus of noise with one window for each label and subject given, at 10 Hz."""

    def make(
        labels: Sequence[str] | None, subject: Sequence[str], name: str = "corpus", **changes: Any
    ) -> Corpus:
        X = np.random.default_rng(0).normal(size=(len(subject), 2, 20))
        arguments: dict[str, Any] = {
            "sfreq": 10.0,
            "ch_names": ["C3", "C4"],
            "units": "µV",
            "out": tmp_path / name,
        }
        return from_arrays(X, labels, subject=subject, **(arguments | changes))

    return make


@pytest.fixture
def write_edf(tmp_path: Path) -> Callable[..., Path]:
    """An EDF+ file whose samples are whole numbers of µV, stored exactly."""
    edfio = pytest.importorskip("edfio")

    def write(
        name: str,
        data: Any = None,
        *,
        seconds: int = 20,
        ch_names: Sequence[str] = ("C3", "C4"),
        sfreq: float = 100.0,
        units: Sequence[str] | None = None,
        annotations: Sequence[tuple[float, float, str]] = (),
    ) -> Path:
        if data is None:
            shape = (len(ch_names), round(seconds * sfreq))
            data = np.random.default_rng(len(name)).integers(-200, 200, shape)
        signals = [
            edfio.EdfSignal(
                np.asarray(row, dtype=float),
                sampling_frequency=sfreq,
                label=label,
                physical_dimension=unit,
                physical_range=(-32768, 32767),
            )
            for row, label, unit in zip(
                data, ch_names, units or ["uV"] * len(ch_names), strict=True
            )
        ]
        notes = [edfio.EdfAnnotation(onset, length, text) for onset, length, text in annotations]
        path = tmp_path / "recordings" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        edfio.Edf(signals, annotations=notes or None).write(path)
        return path

    return write
