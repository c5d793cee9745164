"""The gate of pretraining: do features help on data sets that the encoder has never seen?

The sets are in two halves. An encoder is pretrained on one half and judged on the other, and the
other way round, so that every set is judged by an encoder that has seen none of its windows and
none of its labels. Everything is resampled to 100 Hz.

Ridge is fitted, on four folds by subject, to the frozen features of the pretrained encoder, to
those of the encoder before its first step, to the mean log spectrum of each window (over channels
and time) and to log band powers of each channel. Features are the mean of the encoded tokens,
which is what a head gets, and besides the mean of each channel's, side by side, which keep what
band powers of each channel keep too. Differences are paired by subject, and their 95 %
intervals are over subjects (bootstrap). With ``--few`` the whole model is also fine-tuned on the
windows of 10 % of the training subjects of one fold (three at least, and one of every class), from
the pretrained encoder and from scratch, for as many steps.

The gate holds if the pretrained features beat all three others on at least five sets and
fine-tuning beats scratch on average.

    python -m benchmarks.pretraining_gate supervised masked [--data ../shared/data] [--few]
"""

# W windows, C channels, T samples, S subjects, F features

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.signal import resample_poly
from sklearn.model_selection import StratifiedGroupKFold
from tabulate import tabulate

from benchmarks.reproduce.sets import load
from biot import BIOT
from biot.corpus import from_arrays
from biot.evaluation.baselines import RidgeBaseline, band_powers, signal_kinds
from biot.evaluation.tasks import Classes
from biot.signals.channels import canonical
from biot.sklearn import BIOTClassifier
from biot.training import PretrainConfig, pretrain

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SFREQ = 100.0
HALVES = (
    ("eegmat", "alcohol", "ptbxl", "uci_har"),
    ("ssvep", "epilepsy_guinea", "cinc2017", "myo_emg", "stress_predict"),
)
SIZE: dict[str, Any] = {"embed_dim": 64, "num_heads": 8, "num_layers": 2}
TOKENS: dict[str, Any] = {"n_fft": 64, "hop_length": 32, "spectrum": "log"}
OBJECTIVES: dict[str, dict[str, Any]] = {
    "supervised": {"objective": "supervised"},
    "masked": {"objective": "masked"},
    "contrastive": {"objective": "contrastive"},
    "contrastive-recording": {"objective": "contrastive", "negatives": "recording"},
}
"""What can be judged, and the settings that make it."""
FEW_STEPS, FEW_BATCH = 300, 16
"""Of fine-tuning with few labels, about: so many that it ends, on a set of any size."""
NO_DROPOUT: dict[str, Any] = {"drop_prob": 0.0, "att_layer_drop_prob": 0.0}
OTHERS = ("random encoder", "mean spectrum", "band powers")

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A set at the common rate, some windows of each subject."""

    name: str
    x: npt.NDArray[np.float32]
    """(W, C, T), each channel of a window divided by the 95th percentile of its magnitude."""
    raw: npt.NDArray[np.float32]
    """The same in physical units."""
    y: npt.NDArray[np.int64]
    subject: npt.NDArray[np.str_]
    ch_names: tuple[str, ...]
    units: tuple[str, ...]
    label_names: tuple[str, ...]


def judged(name: str, data: Path, most: int, longest: float) -> Judged:
    """A set's windows, alike over subjects, at most so many and of so many seconds.

    Of PTB-XL the question is whether an ECG is normal.
    """
    problem = load(name, data)
    y, labels = problem.y, problem.label_names
    if problem.task == "multilabel":
        y, labels = problem.y[:, 0].astype(np.int64), (f"not {labels[0]}", labels[0])
    rng = np.random.default_rng(0)
    # The first windows of every subject in a drawn order, then the second ones, and so on.
    order = rng.permutation(len(y))
    turn = np.empty(len(y), dtype=np.int64)
    for who in np.unique(problem.subject):
        own = order[problem.subject[order] == who]
        turn[own] = np.arange(len(own))
    rows = np.sort(order[np.argsort(turn[order], kind="stable")][:most])
    divisor = math.gcd(int(problem.sfreq), int(SFREQ))
    x = problem.x[rows, :, : round(longest * problem.sfreq)].astype(np.float64)
    x = resample_poly(
        np.nan_to_num(x), int(SFREQ) // divisor, int(problem.sfreq) // divisor, axis=2
    )
    level = np.quantile(np.abs(x), 0.95, axis=2, keepdims=True)
    return Judged(
        name=name, x=(x / np.where(level > 0, level, 1.0)).astype(np.float32),
        raw=x.astype(np.float32), y=y[rows], subject=problem.subject[rows].astype(str),
        ch_names=problem.ch_names, units=problem.units, label_names=labels,
    )  # fmt: skip


def corpora_of(sets: dict[str, Judged], names: tuple[str, ...], work: Path) -> list[Path]:
    """The sets of a half as corpora."""
    for name in names:
        one = sets[name]
        if not (work / name).exists():
            from_arrays(
                one.x, np.array(one.label_names)[one.y],
                subject=[f"{name}-{who}" for who in one.subject], sfreq=SFREQ,
                ch_names=one.ch_names, units="µV", label_names=one.label_names,
                scale="none", out=work / name,
            )  # fmt: skip
    return [work / name for name in names]


def settings(objective: str, steps: int, seed: int) -> PretrainConfig:
    """Of a pretraining; all but the objective alike."""
    return PretrainConfig(
        **OBJECTIVES[objective], steps=steps, batch_size=32, seed=seed, learning_rate=1e-3,
        mixing_temperature=4.0, valid_share=0.2, valid_every=max(1, steps // 2),
        log_every=max(1, steps // 10), checkpoint_every=10_000, **SIZE, **TOKENS, **NO_DROPOUT,
    )  # fmt: skip


def random_encoder(pretrained: BIOT, seed: int) -> BIOT:
    """A model as `pretrained` was before its first step: statistics of spectra, random weights."""
    torch.manual_seed(seed)
    fresh = BIOT(
        n_outputs=1, channels=pretrained.channels, n_times=pretrained.n_times, sfreq=SFREQ,
        **SIZE, **TOKENS, **NO_DROPOUT,
    ).eval()  # fmt: skip
    statistics = dict(pretrained.encoder.patch_embedding.named_buffers())
    for name, values in fresh.encoder.patch_embedding.named_buffers():
        values.copy_(statistics[name])
    return fresh


def encoded(model: BIOT, one: Judged) -> dict[str, Numbers]:
    """Features of each window: the mean of its tokens, (W, F), and each channel's, (W, C F)."""
    place = {canonical(name): row for row, name in enumerate(model.channels or ())}
    ids = torch.tensor([[place[canonical(name)] for name in one.ch_names]])
    encoder, parts = model.encoder, []
    with torch.no_grad():
        for x in torch.from_numpy(one.x).split(64):
            tokens, mask = encoder.tokens(x, ~x.isnan(), ids.expand(len(x), -1))
            parts.append(encoder.encoded(tokens, mask).mean(dim=2))
    channels = torch.cat(parts).double().numpy()
    return {"window": channels.mean(axis=1), "each channel": channels.reshape(len(channels), -1)}


def mean_spectrum(one: Judged) -> Numbers:
    """Log of the magnitudes of the encoder's patches, averaged over channels and patches."""
    patches = np.lib.stride_tricks.sliding_window_view(one.x, TOKENS["n_fft"], axis=2)
    magnitudes = np.abs(np.fft.rfft(patches[:, :, :: TOKENS["hop_length"]]))
    return np.log(magnitudes.mean(axis=(1, 2)) + 1e-3)


def rightly(features: Numbers, one: Judged, folds: list[Any]) -> npt.NDArray[np.bool_]:
    """Whether ridge, fitted to the other folds, is right about each window, (W,)."""
    right = np.zeros(len(one.y), dtype=bool)
    for train, test in folds:
        ridge = RidgeBaseline.fit(
            features[train], one.y[train], Classes(names=one.label_names), groups=one.subject[train]
        )
        right[test] = ridge.predict(features[test]) == one.y[test]
    return right


def folds_of(one: Judged) -> list[Any]:
    """Four times the windows to learn from and those to judge."""
    dealt = StratifiedGroupKFold(4, shuffle=True, random_state=0)
    return list(dealt.split(one.y, one.y, one.subject))


def balanced(right: npt.NDArray[np.bool_], y: npt.NDArray[np.int64]) -> float:
    """Balanced accuracy."""
    return float(np.mean([right[y == k].mean() for k in np.unique(y)]))


def difference(one: Judged, right: Any, other: Any) -> tuple[float, float, float]:
    """Share that is right minus the other's, mean over subjects, and its 95 % interval."""
    names = np.unique(one.subject)
    each = np.array([(right * 1.0 - other)[one.subject == name].mean() for name in names])
    drawn = np.random.default_rng(0).choice(each, (2000, len(each))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(each.mean()), float(low), float(high)


def few_labels(one: Judged, folder: Path | None, seed: int) -> float:
    """Balanced accuracy of the first fold after fine-tuning on a tenth of its training subjects."""
    train, test = folds_of(one)[0]
    rng = np.random.default_rng(seed)
    people = rng.permutation(np.unique(one.subject[train]))
    n_kept, n_classes = max(3, round(0.1 * len(people))), len(np.unique(one.y[train]))
    rows = train[np.isin(one.subject[train], people[:n_kept])]
    while len(np.unique(one.y[rows])) < n_classes:  # people of one class each
        n_kept += 1
        rows = train[np.isin(one.subject[train], people[:n_kept])]
    size = {} if folder is not None else {**SIZE, **TOKENS}
    epochs = math.ceil(FEW_STEPS * FEW_BATCH / len(rows))
    model = BIOTClassifier(
        sfreq=SFREQ, ch_names=one.ch_names, units=("µV",) * len(one.ch_names), scale="none",
        from_model=folder, epochs=epochs, batch_size=FEW_BATCH, valid_share=0.0, calibration=False,
        random_state=seed, settings=NO_DROPOUT,
        **size,
    )  # fmt: skip
    model.fit(one.x[rows], one.y[rows], groups=one.subject[rows])
    return balanced(model.predict(one.x[test]) == one.y[test], one.y[test])


def compared(one: Judged, models: tuple[BIOT, BIOT]) -> Iterator[tuple[list[str], bool]]:
    """A row of the table for each kind of features, and whether they beat all three others."""
    folds = folds_of(one)
    known = [
        mean_spectrum(one), band_powers(one.raw, SFREQ, kinds=signal_kinds(one.units))
    ]  # fmt: skip
    simple = [rightly(features, one, folds) for features in known]
    ours, fresh = (encoded(model, one) for model in models)
    for kind, features in ours.items():
        right = [rightly(features, one, folds), rightly(fresh[kind], one, folds), *simple]
        gains = [difference(one, right[0], they) for they in right[1:]]
        row = [
            f"{one.name} ({len(np.unique(one.subject))})", kind,
            *(f"{balanced(r, one.y):.3f}" for r in right),
            *(f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]" for mean, low, high in gains),
        ]  # fmt: skip
        yield row, all(gain[1] > 0 for gain in gains)


def one_objective(
    objective: str, sets: dict[str, Judged], work: Path, given: argparse.Namespace
) -> str:
    """Pretrain twice, judge every set, and say it in a table."""
    started, few = time.process_time(), []
    rows: list[list[str]] = []
    better: Counter[str] = Counter()
    channels = tuple(dict.fromkeys(canonical(c) for one in sets.values() for c in one.ch_names))
    for own, other in (HALVES, HALVES[::-1]):
        learnt = tuple(name for name in own if name in sets)
        asked = tuple(name for name in other if name in sets)
        out = work / f"{objective}-{'-'.join(learnt)}"
        config = settings(objective, given.steps, given.seed)
        corpora = corpora_of(sets, learnt, work / f"corpora-{given.most}-{given.longest:g}")
        pretrain(corpora, out, config=config, channels=channels)
        model = BIOT.from_pretrained(out / "model")
        for name in asked:
            for row, is_better in compared(sets[name], (model, random_encoder(model, given.seed))):
                rows.append(row)
                better[row[1]] += is_better
                sys.stderr.write(f"{objective}, {' '.join(row)}\n")
            if given.few:
                scores = (
                    few_labels(sets[name], path, given.seed) for path in (out / "model", None)
                )
                few.append([name, *scores])
    seconds = time.process_time() - started
    sized = f"{given.steps} steps a half, {given.most} windows of {given.longest:g} s a set at most"
    title = f"### {objective} ({sized}, {seconds:.0f} s of processor time)"
    return "\n\n".join([title, *told(rows, better, few)])


def told(rows: list[list[str]], better: Counter[str], few: list[Any]) -> Iterator[str]:
    """The tables and what they come to."""
    heads = [
        "set (subjects)", "features", "pretrained", *OTHERS, *(f"gain on {o}" for o in OTHERS)
    ]  # fmt: skip
    yield tabulate(rows, heads, tablefmt="github", disable_numparse=True)
    for kind, n_better in better.items():
        yield (
            f"Features of {kind}: better than all three, with intervals above 0, on {n_better} of "
            f"{len(rows) // len(better)} sets."
        )
    if few:
        yield tabulate(few, ["10 % of the labels", "pretrained", "scratch"], "github", ".3f")
        gain = float(np.mean([a - b for _, a, b in few]))
        yield f"Fine-tuned, pretrained minus scratch: {gain:+.3f} on average."


def main() -> int:
    """Every objective that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("objectives", nargs="+", choices=tuple(OBJECTIVES))
    parser.add_argument("--data", type=Path, default=DATA, help="the shared data")
    parser.add_argument("--runs", type=Path, help="keep the runs here; what is done stays done")
    parser.add_argument(
        "--only", nargs="+", choices=sum(HALVES, ()), help="these sets only, some of each half"
    )
    parser.add_argument("--most", type=int, default=400, help="windows of a set (default: 400)")
    parser.add_argument("--steps", type=int, default=200, help="of a pretraining (default: 200)")
    parser.add_argument(
        "--longest", type=float, default=10, help="seconds of a window (default: 10)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--few", action="store_true", help="also fine-tune with 10 %% of the labels"
    )
    given = parser.parse_args()
    if given.only is not None and any(not {*half} & {*given.only} for half in HALVES):
        halves = "; ".join(", ".join(half) for half in HALVES)
        parser.error(f"--only must name sets of both halves, one judges the other: {halves}")
    names = [name for half in HALVES for name in half if given.only is None or name in given.only]
    with tempfile.TemporaryDirectory() as scratch:
        work = given.runs or Path(scratch)
        sets = {name: judged(name, given.data, given.most, given.longest) for name in names}
        for objective in given.objectives:
            sys.stdout.write(one_objective(objective, sets, work, given) + "\n\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
