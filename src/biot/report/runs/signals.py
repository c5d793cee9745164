"""What a run's page shows of the signals themselves: spectra of the classes, single windows."""

# n windows, C channels, T samples, F frequencies
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.corpus.corpus import Corpus
from biot.corpus.schema import decode
from biot.errors import require

__all__ = [
    "MOST_SUBJECTS",
    "MOST_WINDOWS",
    "Spectra",
    "classes_of",
    "missing_share",
    "physical",
    "spectra_of_classes",
]

_WINDOWS_AT_ONCE = 64
MOST_SUBJECTS, MOST_WINDOWS = 60, 10
"""That a spectrum is of: subjects of a class, and windows of each."""
_MOST_LOOKED_AT = 1000
"""Windows that are looked at for missing samples."""

Ints = npt.NDArray[np.int64]


def physical(corpus: Corpus, row: int) -> tuple[npt.NDArray[np.float32], list[str], list[str]]:
    """A window in physical units, (C, T), NaN where missing; names and units of its channels."""
    rows = corpus.rows(np.array([row]))
    contract = corpus.preprocessing
    there = np.flatnonzero(rows.channel[0] >= 0)
    signal = decode(rows.digital, rows.scale, rows.offset)[0, there, : int(rows.n_times[0])]
    channel = rows.channel[0, there]
    return signal, [contract.ch_names[i] for i in channel], [contract.units[i] for i in channel]


def missing_share(corpus: Corpus, rows: Ints) -> tuple[float, int]:
    """Share of the samples of windows that is missing, of a sample of them; and of how many.

    A channel of the corpus that a window does not have counts as missing.
    """
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, _MOST_LOOKED_AT).astype(np.int64))]
    known = total = 0
    n_chans = corpus.preprocessing.n_chans
    for first in range(0, len(chosen), _WINDOWS_AT_ONCE):
        found = corpus.rows(chosen[first : first + _WINDOWS_AT_ONCE])
        there = np.isfinite(decode(found.digital, found.scale, found.offset))
        there &= (found.channel >= 0)[..., None]
        known += int(there.sum())
        total += int(found.n_times.sum()) * n_chans
    return 1 - known / max(total, 1), len(chosen)


@dataclass(frozen=True, kw_only=True)
class Spectra:
    """Mean log spectra of the channels that share a unit."""

    unit: str
    n_channels: int
    frequencies: npt.NDArray[np.float64]
    """(F,) in Hz."""
    classes: dict[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], int]]
    """(F,) mean and standard deviation over subjects in dB, and the number of subjects."""


def classes_of(corpus: Corpus) -> dict[str, npt.NDArray[np.bool_]]:
    """(W,) which windows are of each class or tag; of numbers the lowest and the highest third."""
    names = corpus.label_names
    if corpus.task == "classes":
        return {name: corpus.label_ids == index for index, name in enumerate(names)}
    columns = zip(names, corpus.targets.T, strict=True)
    if corpus.task == "multilabel":
        return {name: column > 0.5 for name, column in columns}
    name, values = next(iter(columns))
    low, high = np.nanpercentile(values, (100 / 3, 200 / 3))
    return {f"{name} below {low:.4g}": values < low, f"{name} from {high:.4g} on": values >= high}


def spectra_of_classes(corpus: Corpus, *, seed: int = 0) -> list[Spectra]:
    """Spectra of each class, one result a unit; only channels without a gap count in a window."""
    groups = {name: held for name, held in classes_of(corpus).items() if held.any()}
    units = list(dict.fromkeys(corpus.preprocessing.units))
    found: dict[str, dict[str, list[npt.NDArray[np.float64]]]] = {unit: {} for unit in units}
    frequencies: npt.NDArray[np.float64] | None = None
    generator = np.random.default_rng(seed)
    for name, held in groups.items():
        for rows in _of_subjects(corpus.subjects, np.flatnonzero(held), generator):
            frequencies, of_units = _mean_spectra(corpus, rows, units)
            for unit, spectrum in of_units.items():
                found[unit].setdefault(name, []).append(spectrum)
    if frequencies is None:
        return []
    shown = (frequencies >= 0.5) & (frequencies <= 0.95 * corpus.preprocessing.sfreq / 2)
    return [
        Spectra(
            unit=unit, n_channels=corpus.preprocessing.units.count(unit),
            frequencies=frequencies[shown],
            classes={name: _spread(np.stack(lines)[:, shown]) for name, lines in of.items()},
        )
        for unit, of in found.items() if of
    ]  # fmt: skip


def _spread(
    lines: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], int]:
    spread = lines.std(axis=0, ddof=1) if len(lines) > 1 else np.zeros(lines.shape[1])
    return lines.mean(axis=0), spread, len(lines)


def _of_subjects(subjects: Any, rows: Ints, generator: np.random.Generator) -> list[Ints]:
    """Some windows of each of some subjects."""
    names = np.unique(subjects[rows])
    if len(names) > MOST_SUBJECTS:
        names = np.sort(generator.choice(names, MOST_SUBJECTS, replace=False))
    own = [rows[subjects[rows] == name] for name in names]
    return [np.sort(generator.choice(of, min(len(of), MOST_WINDOWS), replace=False)) for of in own]


def _mean_spectra(
    corpus: Corpus, rows: Ints, units: list[str]
) -> tuple[npt.NDArray[np.float64], dict[str, npt.NDArray[np.float64]]]:
    """Of one subject: the mean in dB over windows and channels of each unit."""
    welch = require("scipy.signal", extra="report").welch
    contract = corpus.preprocessing
    size = max(min(contract.n_times, round(2 * contract.sfreq)), 2)
    found = corpus.rows(rows)
    signal = decode(found.digital, found.scale, found.offset)
    own = np.array([*contract.units, ""], dtype=object)[found.channel]
    frequencies = np.asarray(np.fft.rfftfreq(size, 1 / contract.sfreq), dtype=np.float64)
    lines: dict[str, list[npt.NDArray[np.float64]]] = {}
    for n_times in np.unique(found.n_times[found.n_times >= size]).tolist():
        alike = np.flatnonzero(found.n_times == n_times)
        some, names = signal[alike, :, :n_times], own[alike]
        whole = np.isfinite(some).all(axis=2) & (found.channel[alike] >= 0)
        if not whole.any():
            continue
        _, power = welch(some[whole].astype(np.float64), contract.sfreq, nperseg=size)
        levels = 10 * np.log10(np.maximum(power, 1e-30))
        for unit in units:
            lines.setdefault(unit, []).append(levels[names[whole] == unit])
    stacked = {unit: np.concatenate(of) for unit, of in lines.items()}
    return frequencies, {unit: of.mean(axis=0) for unit, of in stacked.items() if len(of)}
