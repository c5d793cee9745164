"""EEGMAT: rest or mental arithmetic, from ten seconds of scalp EEG, on subjects never seen.

No claim but the figure itself, beside a ridge classifier on log band powers of the same folds.

    python benchmarks/eegmat.py [--data ../shared/data] [--seeds 0 1 2]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tabulate import tabulate

from biot.corpus import Corpus, from_arrays
from biot.signals.resampling import resample
from biot.training import FinetuneConfig, finetune

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SFREQ, N_TIMES, N_FOLDS, N_CHANS = 200.0, 2000, 4, 19
LABELS = ("rest", "arithmetic")
BANDS = ((1, 4), (4, 8), (8, 10), (10, 13), (13, 20), (20, 30), (30, 45))  # Hz


@dataclass(frozen=True)
class Windows:
    """Ten-second windows: X (n, 19, 2000) in µV, y (n,), subject (n,)."""

    X: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]
    subject: npt.NDArray[np.int64]
    ch_names: tuple[str, ...]

    def save(self, rows: npt.NDArray[np.bool_], out: Path) -> Corpus:
        """The rows as a corpus."""
        return from_arrays(
            self.X[rows],
            self.y[rows],
            subject=self.subject[rows],
            sfreq=SFREQ,
            ch_names=self.ch_names,
            units="µV",
            label_names=LABELS,
            out=out,
        )


def load(file: Path) -> Windows:
    """Four windows from each recording of 40 s; of the 21 channels the 19 on the scalp."""
    with np.load(file) as arrays:
        physical = arrays["X"][:, :N_CHANS] * arrays["scale"][:N_CHANS, None]
        y, subject = arrays["y"].astype(np.int64), arrays["subject"].astype(np.int64)
        ch_names = tuple(str(name) for name in arrays["channels"][:N_CHANS])
        sfreq = float(arrays["sfreq"])
    resampled = resample(physical.astype(np.float32), sfreq, SFREQ)
    parts = resampled.reshape(len(y), N_CHANS, -1, N_TIMES).swapaxes(1, 2)
    n_parts = parts.shape[1]
    X = parts.reshape(-1, N_CHANS, N_TIMES).astype(np.float32)
    return Windows(X, np.repeat(y, n_parts), np.repeat(subject, n_parts), ch_names)


def band_powers(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Log power of each band and channel: (n, 19 · 7)."""
    power = np.abs(np.fft.rfft(X * np.hanning(N_TIMES))) ** 2
    frequency = np.fft.rfftfreq(N_TIMES, 1 / SFREQ)
    bands = [power[..., (frequency >= a) & (frequency < b)].mean(axis=-1) for a, b in BANDS]
    return np.log(np.stack(bands, axis=-1)).reshape(len(X), -1)


def ridge(data: Windows, test: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Confusion counts of the baseline on the windows of `test`."""
    features = band_powers(data.X)
    model = make_pipeline(StandardScaler(), RidgeClassifierCV(np.logspace(0, 5, 11)))
    predicted = model.fit(features[~test], data.y[~test]).predict(features[test])
    return np.bincount(data.y[test] * 2 + predicted, minlength=4).reshape(2, 2)


def transformer(
    data: Windows, test: npt.NDArray[np.bool_], seed: int, out: Path
) -> npt.NDArray[np.int64]:
    """Confusion counts of BIOT from scratch on the windows of `test`."""
    metrics = finetune(
        data.save(~test, out / "train").path,
        out / "run",
        test=data.save(test, out / "test").path,
        config=FinetuneConfig(
            seed=seed,
            embed_dim=64,
            num_layers=2,
            drop_prob=0.0,
            att_layer_drop_prob=0.0,
            epochs=20,
        ),
        progress=True,
    )
    return np.array(metrics["test"]["confusion"])


def accuracy(counts: npt.NDArray[np.int64]) -> float:
    """Share of right windows; the classes are equally large."""
    return float(np.trace(counts) / counts.sum())


def main() -> int:
    """Cross-validate both by subject, once a seed; print one row each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder that holds eegmat/")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    data = load(arguments.data / "eegmat" / "eegmat_dev.npz")
    rows = []
    for seed in arguments.seeds:
        started = time.monotonic()
        order = np.random.default_rng(seed).permutation(np.unique(data.subject))
        counts = np.zeros((2, 2, 2), dtype=np.int64)
        for fold in range(N_FOLDS):
            test = np.isin(data.subject, order[fold::N_FOLDS])
            with tempfile.TemporaryDirectory() as scratch:
                counts[0] += transformer(data, test, seed, Path(scratch))
            counts[1] += ridge(data, test)
        minutes = (time.monotonic() - started) / 60
        rows.append([seed, accuracy(counts[0]), accuracy(counts[1]), minutes])
    headers = ["seed", "BIOT accuracy", "ridge accuracy", "minutes"]
    sys.stdout.write(tabulate(rows, headers, floatfmt=("d", ".3f", ".3f", ".1f")))
    means, spreads = np.mean(rows, axis=0), np.std(rows, axis=0)
    for column, name in ((1, "BIOT"), (2, "ridge")):
        sys.stdout.write(f"\n{name}: {means[column]:.3f} ± {spreads[column]:.3f}")
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
