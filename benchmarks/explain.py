"""Explanations by occlusion: agreement with integrated gradients, and seconds a window.

Claims: the parts that matter have the sign that integrated gradients give them; a window of 16 to
32 channels and 10 stretches takes a second or so on 2 cores with a small model.

A part that is left out of a mean is compared with what is left, and integrated gradients compare it
with a baseline. So their mean over the parts of a kind is subtracted ("less the mean"): in a model
that is a plain mean over tokens, what is left then has the sign of the score exactly.

    pip install --target captum --no-deps captum==0.9.0
    PYTHONPATH=captum python benchmarks/explain.py [--seeds 0 1 2]

captum is needed by this script only.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import IntegratedGradients
from tabulate import tabulate

from biot import BIOT, Explanation, Predictor, Preprocessing, Recording
from biot.signals.resampling import resample
from biot.signals.scale import scaled_window
from biot.simulate import CLASSES, ELECTRODES, simulate_eeg

SFREQ, WINDOW, N_TIMES = 100, 4, 400
STRONG = 0.25  # of the largest score of its kind: parts below are left out of the comparison


def contract() -> Preprocessing:
    """Windows of 4 s at 100 Hz of the simulated study."""
    return Preprocessing(
        sfreq=SFREQ,
        window=WINDOW,
        ch_names=tuple(ELECTRODES),
        units=("µV",) * len(ELECTRODES),
        label_names=CLASSES,
    )


def new_model(seed: int, channel_names: tuple[str, ...], **size: int) -> BIOT:
    """A model for `contract`, but for its channels."""
    torch.manual_seed(seed)
    size = {"embed_dim": 32, "num_heads": 4, "num_layers": 1, "n_times": N_TIMES, **size}
    return BIOT(
        sfreq=SFREQ,
        hop_length=SFREQ // 2,
        n_outputs=len(CLASSES),
        channels=channel_names,
        drop_prob=0.1,
        att_layer_drop_prob=0.1,
        **size,
    )


def training_windows(subjects: range) -> tuple[torch.Tensor, torch.Tensor]:
    """All windows that lie within one stretch of a class."""
    found, classes = [], []
    for subject in subjects:
        recording = simulate_eeg(subject, duration=120)
        data = resample(recording.data, recording.sfreq, SFREQ)
        for a in recording.annotations:
            for onset in np.arange(a.onset, a.onset + a.duration - WINDOW, 1.0):
                first = round(onset * SFREQ)
                found.append(data[:, first : first + N_TIMES])
                classes.append(CLASSES.index(a.label))
    signals = scaled_window(np.stack(found).astype(np.float32), "q95")
    return torch.from_numpy(signals), torch.tensor(classes)


def trained(seed: int, signals: torch.Tensor, classes: torch.Tensor) -> BIOT:
    """A small model that has learnt the three classes, a fifth of the channels missing."""
    model = new_model(seed, tuple(ELECTRODES)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(8):
        for batch in torch.randperm(len(signals)).split(64):
            seen = signals[batch].clone()
            seen[torch.rand(seen.shape[:2]) < 0.2] = torch.nan
            loss = torch.nn.functional.cross_entropy(model(seen), classes[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


def gradients(
    model: BIOT, found: Explanation, baseline: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """(C, S) integrated gradients of the target's log-odds, summed over each cell."""
    column = CLASSES.index(found.target)

    def log_odds(signals: torch.Tensor) -> torch.Tensor:
        log_p = model(signals).log_softmax(dim=1)
        others = [k for k in range(len(CLASSES)) if k != column]
        return log_p[:, column] - log_p[:, others].logsumexp(dim=1)

    window = torch.from_numpy(scaled_window(found.signal, "q95"))[None]
    given = IntegratedGradients(log_odds).attribute(
        window, torch.from_numpy(baseline)[None], n_steps=32
    )
    samples = np.rint((found.stretches - found.start) * SFREQ).astype(int)
    return np.stack([given[0, :, a:b].sum(dim=1).numpy() for a, b in samples], axis=1)


def events(predictor: Predictor) -> Iterator[tuple[Explanation, npt.NDArray[np.float32]]]:
    """Windows of unknown subjects in which an event begins halfway, and a window of rest each."""
    for subject in range(40, 50):
        recording = simulate_eeg(subject, duration=60)
        data = resample(recording.data, recording.sfreq, SFREQ)
        rest = next(a for a in recording.annotations if a.label == "rest" and a.duration > WINDOW)
        first = round(rest.onset * SFREQ)
        quiet = scaled_window(data[:, first : first + N_TIMES].astype(np.float32), "q95")
        for label in CLASSES[1:]:
            a = next(a for a in recording.annotations if a.label == label and 2 < a.onset < 56)
            yield predictor.explain(recording, start=a.onset - 2, target=label, bands=""), quiet


def agreement(model: BIOT) -> list[tuple[str, str, int, float, float, float]]:
    """Of parts with large scores, how many have the sign of integrated gradients."""
    pairs: dict[tuple[str, str], list[npt.NDArray[np.float64]]] = {}
    for found, quiet in events(Predictor(model, contract(), device="cpu")):
        for name, baseline in (("zeros", np.zeros_like(quiet)), ("rest", quiet)):
            cells = gradients(model, found, baseline)
            for kind, scores, other in (
                ("channels", found.channel_scores, cells.sum(axis=1)),
                ("stretches", found.stretch_scores, cells.sum(axis=0)),
                ("cells", found.cell_scores, cells),
            ):
                all_of_kind = np.stack(
                    [scores.ravel(), other.ravel(), (other - other.mean()).ravel()]
                )
                strong = np.abs(all_of_kind[0]) >= STRONG * np.abs(all_of_kind[0]).max()
                pairs.setdefault((kind, name), []).append(all_of_kind[:, strong])
    rows = []
    for (kind, name), parts in pairs.items():
        ours, theirs, apart = np.sign(np.concatenate(parts, axis=1))
        for_it = float((theirs[ours > 0] > 0).mean())
        shares = float((ours == theirs).mean()), for_it, float((ours == apart).mean())
        rows.append((kind, name, len(ours), *shares))
    return rows


def seconds(n_chans: int, **size: int) -> tuple[int, float]:
    """Windows that go through the model for one explanation of 10 s, and how long it takes."""
    names = tuple(f"X{k}" for k in range(n_chans))
    of_names = Preprocessing(
        sfreq=SFREQ, window=10, ch_names=names, units=("µV",) * n_chans, label_names=CLASSES
    )
    predictor = Predictor(new_model(0, names, n_times=1000, **size), of_names, device="cpu")
    noise = np.random.default_rng(0).standard_normal((n_chans, 6000))
    recording = Recording.from_array(noise, ch_names=names, sfreq=SFREQ, units=("µV",) * n_chans)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        found = predictor.explain(recording, at=25)
        times.append(time.perf_counter() - begin)
    n_stretches, n_bands = len(found.stretches), len(found.bands)
    return (1 + n_chans) * (1 + n_stretches + n_bands), min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    signals, classes = training_windows(range(8))
    rows = []
    for seed in args.seeds:
        rows += [(seed, *row) for row in agreement(trained(seed, signals, classes))]
    headers = (
        *("seed", "parts", "baseline", "compared", "same sign"),
        *("of scores above 0", "less the mean"),
    )
    print(tabulate(rows, headers=headers, floatfmt=".2f"))
    sizes = {
        "32 wide, 1 layer": {},
        "256 wide, 4 layers": {"embed_dim": 256, "num_heads": 8, "num_layers": 4},
    }
    timed = [
        (name, n_chans, *seconds(n_chans, **size))
        for name, size in sizes.items()
        for n_chans in (16, 32)
    ]
    print(tabulate(timed, headers=("model", "channels", "windows", "seconds"), floatfmt=".2f"))


if __name__ == "__main__":
    main()
