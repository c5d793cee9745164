"""One encoder for three EEG corpora with other channels, rates and lengths; a linear probe on each.

EEGMAT (19 electrodes, 10 s), SSVEP (8, 4 s) and UCI alcohol (61, 1 s), all resampled to 200 Hz, are
pretrained together, and ridge is fitted on the frozen features of each. The arms:

- the encoder before its first step, and one four times as wide;
- contrastive, on all windows without labels, also those of later test subjects: its scores are of
  transfer within these recordings, not to new ones;
- supervised, a head a corpus: one pretraining a fold, which never sees the test subjects of any of
  the three corpora;
- without an encoder: the spectra that it gets, averaged over channels and time as it averages, and
  log band powers of each channel (NumPy).

All arms have the same probe and the same five folds by subject, which each seed deals anew. Gains
are paired by subject, and their errors are over subjects: windows of one person fail together.
The contrastive settings are those of the first version of this script. Steps and learning rate of
the supervised arm were chosen by the scores of two folds of seed 0 (out of two learning rates and
three lengths): a mild selection, in its favour there.

    python benchmarks/mixed.py [--data ../shared/data] [--seeds 0 1 2] [--runs RUNS]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tabulate import tabulate

from biot import BIOT
from biot.corpus import Corpus, from_arrays, load_corpus
from biot.corpus.batch import Batch, collate
from biot.training import PretrainConfig, pretrain
from real_data import DATA, make

NAMES = ("eegmat", "ssvep", "alcohol")
SIZE: dict[str, Any] = {"embed_dim": 64, "num_heads": 8, "num_layers": 2}
TOKENS: dict[str, Any] = {"n_fft": 200, "hop_length": 100}
NO_DROPOUT: dict[str, Any] = {"drop_prob": 0.0, "att_layer_drop_prob": 0.0}
BANDS = ((1, 4), (4, 8), (8, 10), (10, 12), (12, 14), (14, 16), (16, 18), (18, 20), (20, 22),
         (22, 30), (30, 45))  # fmt: skip

Numbers = npt.NDArray[np.float64]
Right = npt.NDArray[np.bool_]
Folds = list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]


def band_powers(x: npt.NDArray[np.float32], sfreq: float) -> Numbers:
    """Log power of each channel in each band, (windows, channels × bands)."""
    power = np.abs(np.fft.rfft(x * np.hanning(x.shape[2]), axis=2)) ** 2
    frequency = np.fft.rfftfreq(x.shape[2], 1 / sfreq)
    columns = [
        power[:, :, (frequency >= low) & (frequency < high)].sum(axis=2) for low, high in BANDS
    ]
    return np.log(np.concatenate(columns, axis=1) + 1e-12)


def mean_spectrum(x: npt.NDArray[np.float32]) -> Numbers:
    """Magnitudes of the encoder's patches, averaged over channels and patches, and their log."""
    patches = np.lib.stride_tricks.sliding_window_view(x, TOKENS["n_fft"], axis=2)
    magnitudes = np.abs(np.fft.rfft(patches[:, :, :: TOKENS["hop_length"]]))
    return np.log(magnitudes.mean(axis=(1, 2)) + 1e-3)


def features(model: BIOT, corpus: Corpus) -> Numbers:
    """What the model's last layer would get of each window, (windows, width)."""

    def encoded(batch: Batch) -> torch.Tensor:
        given = {"valid": batch.valid, "channel_ids": batch.channel_ids, "lengths": batch.lengths}
        found = model(batch.signal, return_features=True, **given)["features"]
        return model.final_layer.activation_layer(found)

    model.eval()
    parts = np.split(np.arange(len(corpus)), range(64, len(corpus), 64))
    with torch.no_grad():
        found = [encoded(collate(corpus, rows, vocabulary=model.channels)) for rows in parts]
    return torch.cat(found).double().numpy()


def folds_of(corpus: Corpus, seed: int) -> Folds:
    """Five times the windows to learn from and those to judge; no subject is in both."""
    dealt = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    return list(dealt.split(corpus.label_ids, corpus.label_ids, corpus.subjects))


def ridge() -> Any:
    """Ridge regression on classes; its penalty by leaving one training window out."""
    return make_pipeline(StandardScaler(), RidgeClassifierCV(np.logspace(-2, 5, 15)))


def rightly(inputs: list[Numbers], corpus: Corpus, folds: Folds) -> Right:
    """Whether ridge on the inputs of each fold, (windows, width), is right about each window."""
    right = np.zeros(len(corpus), dtype=bool)
    truth = corpus.label_ids
    for found, (train, test) in zip(inputs, folds, strict=True):
        right[test] = ridge().fit(found[train], truth[train]).predict(found[test]) == truth[test]
    return right


def balanced(right: Right, corpus: Corpus) -> float:
    """Balanced accuracy over all windows."""
    return float(np.mean([right[corpus.label_ids == k].mean() for k in set(corpus.label_ids)]))


def of_subjects(right: Right, corpus: Corpus) -> Numbers:
    """Share of each subject's windows."""
    return np.array([right[corpus.subjects == name].mean() for name in np.unique(corpus.subjects)])


def random_encoder(channels: tuple[str, ...], seed: int, **size: Any) -> BIOT:
    """The model that a pretraining of this seed starts from."""
    torch.manual_seed(seed)
    return BIOT(
        n_outputs=1, n_chans=len(channels), channels=channels, n_times=2000, sfreq=200.0,
        **TOKENS, **NO_DROPOUT, **size,
    )  # fmt: skip


def contrastive(folders: list[Path], out: Path, seed: int) -> BIOT:
    """The model after pretraining on all windows, without labels."""
    config = PretrainConfig(
        steps=200, batch_size=64, seed=seed, learning_rate=1e-3, mixing_temperature=2.0,
        **SIZE, **TOKENS, **NO_DROPOUT,
    )  # fmt: skip
    pretrain(folders, out, config=config, progress=True)
    return BIOT.from_pretrained(out / "model")


def supervised(folders: list[Path], out: Path, seed: int) -> BIOT:
    """The model after pretraining with labels, a head a corpus."""
    config = PretrainConfig(
        objective="supervised", steps=400, batch_size=64, seed=seed, learning_rate=3e-3,
        **SIZE, **TOKENS, **NO_DROPOUT,
    )  # fmt: skip
    pretrain(folders, out, config=config, progress=True)
    return BIOT.from_pretrained(out / "model")


def part_of(corpus: Corpus, rows: Any, out: Path) -> Path:
    """Some windows as a corpus of their own."""
    if not out.exists():
        from_arrays(
            collate(corpus, rows).signal.numpy(), corpus.label_ids[rows],
            subject=corpus.subjects[rows], sfreq=corpus.sfreq, ch_names=corpus.ch_names,
            units=corpus.preprocessing.units, label_names=corpus.label_names, out=out,
        )  # fmt: skip
    return out


def one_seed(corpora: dict[str, Corpus], work: Path, seed: int) -> dict[tuple[str, str], Right]:
    """Which windows of each corpus every way of making features is right about."""
    folds = {name: folds_of(corpus, seed) for name, corpus in corpora.items()}
    folders = [Path(corpus.path) for corpus in corpora.values()]
    unlabelled = contrastive(folders, work / "contrastive", seed)
    labelled = []
    for number in range(5):
        parts = [
            part_of(corpus, folds[name][number][0], work / f"fold{number}" / name)
            for name, corpus in corpora.items()
        ]
        labelled.append(supervised(parts, work / f"supervised{number}", seed))
    channels = unlabelled.channels
    models = {
        "random encoder": [random_encoder(channels, seed, **SIZE)],
        "contrastive": [unlabelled],
        "supervised": labelled,
        "random, 256 wide": [random_encoder(channels, seed, **SIZE | {"embed_dim": 256})],
    }
    found = {}
    for name, corpus in corpora.items():
        inputs = {arm: [features(m, corpus) for m in each] for arm, each in models.items()}
        signal = np.nan_to_num(collate(corpus, np.arange(len(corpus))).signal.numpy())
        inputs["mean spectrum"] = [mean_spectrum(signal)]
        inputs["band powers"] = [band_powers(signal, corpus.sfreq)]
        for arm, each in inputs.items():
            right = rightly(each * (5 // len(each)), corpus, folds[name])
            found[name, arm] = right
            sys.stderr.write(f"seed {seed}, {name}, {arm}: {balanced(right, corpus):.3f}\n")
    return found


def tables(found: list[dict[tuple[str, str], Right]], corpora: dict[str, Corpus]) -> str:
    """Scores, mean ± sd over the seeds; gains, paired by subject, ± the error over subjects."""
    arms = list(dict.fromkeys(arm for _, arm in found[0]))
    scores, gains = [], []
    for name, corpus in corpora.items():
        each = {arm: [balanced(one[name, arm], corpus) for one in found] for arm in arms}
        scores.append([name, *(f"{np.mean(v):.3f} ± {np.std(v):.3f}" for v in each.values())])
        people = {
            arm: np.mean([of_subjects(one[name, arm], corpus) for one in found], axis=0)
            for arm in arms
        }
        row = [name]
        for arm in arms[1:]:
            gain = people[arm] - people[arms[0]]
            error = gain.std(ddof=1) / np.sqrt(len(gain))
            row.append(f"{gain.mean():+.3f} ± {error:.3f}")
        gains.append(row)
    return (
        tabulate(scores, ["balanced accuracy", *arms], disable_numparse=True)
        + "\n\n"
        + tabulate(gains, ["gain on random", *arms[1:]], disable_numparse=True)
    )


def main() -> int:
    """Pretrain on all three, probe on each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="the shared data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, help="keep the runs here; what is done stays done")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = arguments.runs or Path(scratch)
        folders = make(NAMES, arguments.data, work)
        corpora = {name: load_corpus(folder) for name, folder in folders.items()}
        found = [one_seed(corpora, work / f"seed{seed}", seed) for seed in arguments.seeds]
    sys.stdout.write(tables(found, corpora) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
