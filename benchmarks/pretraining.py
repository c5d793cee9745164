"""Does pretraining help? Contrastive on unlabelled movement, then few labels, beside from scratch.

Claim: with 1, 5 and 10 % of the labels the pretrained model wins, beyond the spread of the seeds.
Pretraining sees the windows of UCI HAR's training subjects and the raw streams of HAPT without any
label. HAPT's users are the same people as UCI HAR's subjects of the same number, so the streams of
test subjects (2, 4, 9, 10) are left out.

    python benchmarks/pretraining.py [--data ../shared/data] [--seeds 0 1 2] [--steps 600]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tabulate import tabulate

from biot.corpus import from_arrays, prepare
from biot.training import FinetuneConfig, PretrainConfig, finetune, pretrain
from real_data import ACTIVITIES, DATA, HAR_CHANNELS, HAR_UNITS, archives, har, save_recording

SIZE = {"embed_dim": 64, "num_heads": 8, "num_layers": 2, "n_fft": 50, "hop_length": 10}
NO_DROPOUT = {"drop_prob": 0.0, "att_layer_drop_prob": 0.0}
SHARES = (0.01, 0.05, 0.1, 1.0)
STREAM_CHANNELS = (*HAR_CHANNELS[6:], *HAR_CHANNELS[3:6])  # acceleration with gravity, gyroscope
USERS = (1, 3, 5, 6, 7, 8)


def streams(data: Path, work: Path, out: Path) -> Path:
    """HAPT's raw streams of people who are not tested on, as unlabelled windows."""
    with np.load(data / "hapt_raw" / "hapt_raw_dev.npz") as arrays:
        keys = [name for name in arrays.files if name.startswith("exp")]
        for key in keys:
            if int(key[-2:]) in USERS:
                units = arrays["units"].tolist()
                signal = (arrays[key] * arrays["scale"]).T
                save_recording(work, key, signal, STREAM_CHANNELS, 50.0, units)
    prepare(
        archives(work), out, sfreq=50, window=2.56, stride=1.28, scale="none", subject=r"(user\d+)"
    )
    return out


def few_labels(data: Path, out: Path, share: float, seed: int) -> Path:
    """The labelled windows of a share of the training subjects.

    Below one subject: an equal number of windows of every activity, from one subject.
    """
    with np.load(data / "uci_har" / "uci_har_train.npz") as arrays:
        X, y, subject = arrays["X"], arrays["y"], arrays["subject"]
    draw = np.random.default_rng([seed, int(1000 * share)])
    people = draw.permutation(np.unique(subject))
    rows = np.flatnonzero(np.isin(subject, people[: max(1, round(share * len(people)))]))
    if share * len(people) < 0.5:
        each = round(share * len(y) / len(ACTIVITIES))
        picked = [draw.choice(rows[y[rows] == k], each, replace=False) for k in np.unique(y)]
        rows = np.sort(np.concatenate(picked))
    from_arrays(
        X[rows],
        y[rows],
        subject=subject[rows],
        sfreq=50.0,
        ch_names=HAR_CHANNELS,
        units=HAR_UNITS,
        label_names=dict(enumerate(ACTIVITIES, start=1)),
        scale="none",
        out=out,
    )
    return out


def settings(mode: str, share: float, seed: int, scratch: bool) -> FinetuneConfig:
    """As many epochs as give each share a few hundred steps; few subjects are split by time."""
    few = share < 0.2
    return FinetuneConfig(
        mode=mode,
        seed=seed,
        split="time" if few else "subject",
        valid_share=0.2 if few else 0.15,
        epochs=60 if share <= 0.05 else 40 if few else 12,
        patience=60,
        batch_size=32 if few else 64,
        metric="loss" if few else None,
        **(SIZE | NO_DROPOUT if scratch else NO_DROPOUT),
    )


def arms(pretrained: Path) -> dict[str, tuple[str, Path | None]]:
    """Each way of learning: its mode, and what it starts from."""
    return {
        "scratch": ("full", None),
        "pretrained, full": ("full", pretrained),
        "pretrained, head": ("head", pretrained),
        "pretrained, logistic": ("logistic", pretrained),
    }


def one_seed(
    data: Path, work: Path, test: Path, pretrained: Path, random: Path, seed: int
) -> dict[tuple[float, str], float]:
    """Balanced accuracy of each share and arm."""
    scores = {}
    everything = {**arms(pretrained), "random encoder, logistic": ("logistic", random)}
    for share in SHARES:
        train = few_labels(data, work / f"train{share}-{seed}", share, seed)
        for arm, (mode, source) in everything.items():
            out = work / f"run-{share}-{arm}-{seed}".replace(" ", "").replace(",", "-")
            metrics = finetune(
                train, out, from_model=source, test=test,
                config=settings(mode, share, seed, source is None),
            )  # fmt: skip
            scores[share, arm] = metrics["test"]["balanced_accuracy"]
            sys.stderr.write(f"seed {seed}, {share:.0%}, {arm}: {scores[share, arm]:.3f}\n")
    return scores


def table(found: Sequence[dict[tuple[float, str], float]]) -> str:
    """Mean ± sd over the seeds, a row a way of learning."""
    names = list(dict.fromkeys(arm for _, arm in found[0]))
    rows = []
    for arm in names:
        values = np.array([[scores[share, arm] for share in SHARES] for scores in found])
        cells = zip(values.mean(axis=0), values.std(axis=0), strict=True)
        rows.append([arm, *(f"{mean:.3f} ± {sd:.3f}" for mean, sd in cells)])
    return tabulate(rows, ["balanced accuracy", *(f"{share:.0%}" for share in SHARES)])


def main() -> int:
    """Pretrain once a seed, then learn from few labels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="the shared data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=600, help="of pretraining")
    parser.add_argument("--rotation", type=float, default=11.5, help="degrees (default: 11.5)")
    arguments = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        windows = har(arguments.data, work, work / "windows", labelled=False).path
        corpora = [windows, streams(arguments.data, work / "streams", work / "hapt")]
        test = har(arguments.data, work, work / "test", part="test_part").path
        for seed in arguments.seeds:
            models = []
            for steps in (arguments.steps, 1):  # a single step is a random encoder
                out = work / f"pretrained{steps}-{seed}"
                config = PretrainConfig(
                    steps=steps, batch_size=128, seed=seed,
                    learning_rate=1e-3 if steps > 1 else 1e-9, rotation=arguments.rotation,
                    **SIZE, **NO_DROPOUT,
                )  # fmt: skip
                pretrain(corpora, out, config=config, channels=HAR_CHANNELS, progress=True)
                models.append(out / "model")
            found.append(one_seed(arguments.data, work, test, *models, seed))
            sys.stdout.write(f"{table(found)}\n\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
