"""One encoder for three EEG corpora with other channels, rates and lengths; a linear probe on each.

EEGMAT (19 electrodes, 10 s), SSVEP (8, 4 s) and UCI alcohol (61, 1 s), all resampled to 200 Hz, are
pretrained together without labels; then a ridge classifier on the frozen features, five folds by
subject, beside the same on the random encoder and beside log band powers (NumPy and scikit-learn).
Pretraining sees every window, also those of later test subjects, but no label: the leakage guard is
overruled for that, and the figures are of transfer within these recordings, not to new ones.

    python benchmarks/mixed.py [--data ../shared/data] [--seeds 0 1 2] [--steps 200]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tabulate import tabulate

from biot.corpus import load_corpus
from biot.corpus.batch import collate
from biot.training import FinetuneConfig, PretrainConfig, cross_validate, pretrain
from real_data import DATA, make

NAMES = ("eegmat", "ssvep", "alcohol")
SIZE = {"embed_dim": 64, "num_heads": 8, "num_layers": 2, "n_fft": 200, "hop_length": 100}
BANDS = ((1, 4), (4, 8), (8, 10), (10, 12), (12, 14), (14, 16), (16, 18), (18, 20), (20, 22),
         (22, 30), (30, 45))  # fmt: skip


def band_powers(x: npt.NDArray[np.float32], sfreq: float) -> npt.NDArray[np.float64]:
    """Log power of each channel in each band, (windows, channels × bands)."""
    power = np.abs(np.fft.rfft(x * np.hanning(x.shape[2]), axis=2)) ** 2
    frequency = np.fft.rfftfreq(x.shape[2], 1 / sfreq)
    columns = [
        power[:, :, (frequency >= low) & (frequency < high)].sum(axis=2) for low, high in BANDS
    ]
    return np.log(np.concatenate(columns, axis=1) + 1e-12)


def baseline(folder: Path) -> float:
    """Balanced accuracy of ridge on log band powers, five folds by subject."""
    corpus = load_corpus(folder)
    signal = collate(corpus, np.arange(len(corpus))).signal.numpy()
    features = band_powers(np.nan_to_num(signal), corpus.sfreq)
    model = make_pipeline(StandardScaler(), RidgeClassifierCV(np.logspace(-2, 4, 13)))
    folds = GroupKFold(5)
    scores = cross_val_score(
        model,
        features,
        corpus.labels,
        groups=corpus.subjects,
        cv=folds,
        scoring="balanced_accuracy",
    )
    return float(scores.mean())


def probe(corpus: Path, model: Path, out: Path, seed: int) -> float:
    """Balanced accuracy of ridge on frozen features, five folds by subject."""
    config = FinetuneConfig(mode="ridge", seed=seed)
    found = cross_validate(
        corpus, out, folds=5, from_model=model, config=config, allow_leakage=True
    )
    return float(found["folds"]["balanced_accuracy"]["mean"])


def main() -> int:
    """Pretrain once a seed on all three, probe on each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="the shared data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=200, help="of pretraining")
    arguments = parser.parse_args()
    scores: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        corpora = make(NAMES, arguments.data, work)
        for seed in arguments.seeds:
            for arm, steps in (("random encoder", 1), ("pretrained together", arguments.steps)):
                out = work / f"{steps}-{seed}"
                config = PretrainConfig(
                    steps=steps, batch_size=64, seed=seed, mixing_temperature=2.0,
                    learning_rate=1e-3 if steps > 1 else 1e-9, drop_prob=0.0,
                    att_layer_drop_prob=0.0, **SIZE,
                )  # fmt: skip
                pretrain(list(corpora.values()), out, config=config, progress=True)
                for name, folder in corpora.items():
                    score = probe(folder, out / "model", work / f"{name}-{steps}-{seed}", seed)
                    scores.setdefault((name, arm), []).append(score)
                    sys.stderr.write(f"seed {seed}, {name}, {arm}: {score:.3f}\n")
        rows = [
            [
                name,
                *(
                    f"{np.mean(scores[name, arm]):.3f} ± {np.std(scores[name, arm]):.3f}"
                    for arm in ("random encoder", "pretrained together")
                ),
                baseline(folder),
            ]
            for name, folder in corpora.items()
        ]
    headers = ["balanced accuracy", "random encoder", "pretrained together", "ridge on band powers"]
    sys.stdout.write(tabulate(rows, headers, floatfmt=".3f") + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
