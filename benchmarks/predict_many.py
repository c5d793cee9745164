"""Many recordings in one call: the whole time over that of the model's forward passes alone.

    python benchmarks/predict_many.py [--recordings 1000] [--workers 1] [--size small]

Writes that many EDF files of a minute (8 channels at 200 Hz), predicts them with a model of random
weights, and then lets the same batches go through the model again, without any reading. Claim: the
whole takes at most 3 times as long as the forward passes. The processor time of this process is
shown too: other work on the machine changes it less.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from biot import BIOT, Predictor, Preprocessing

CH_NAMES = ("Fp1", "Fp2", "C3", "C4", "P3", "P4", "O1", "O2")
SFREQ, SECONDS, WINDOW = 200, 60, 10
SIZES = {
    "published": {"embed_dim": 256, "num_heads": 8, "num_layers": 4},
    "small": {"embed_dim": 64, "num_heads": 4, "num_layers": 2},
    "tiny": {"embed_dim": 16, "num_heads": 2, "num_layers": 1},
}


def write_recordings(folder: Path, n: int) -> list[Path]:
    """EDF files of noise; the first is written, the others hold other samples."""
    import edfio

    rng = np.random.default_rng(0)
    paths = []
    for i in range(n):
        data = 20 * rng.standard_normal((len(CH_NAMES), SFREQ * SECONDS))
        signals = [
            edfio.EdfSignal(
                row, SFREQ, label=f"EEG {name}", physical_dimension="uV",
                physical_range=(-200, 200),
            )
            for name, row in zip(CH_NAMES, data.clip(-199, 199), strict=True)
        ]  # fmt: skip
        paths.append(folder / f"r{i:04}.edf")
        edfio.Edf(signals).write(paths[-1])
    return paths


class Timed(Predictor):
    """Keeps the batches, and times the forward passes."""

    seconds = 0.0

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.batches: list[np.ndarray] = []

    def probabilities(self, windows_BCT: np.ndarray) -> np.ndarray:
        self.batches.append(windows_BCT)
        begin = time.perf_counter()
        found = super().probabilities(windows_BCT)
        self.seconds += time.perf_counter() - begin
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--size", choices=SIZES, default="published")
    parser.add_argument("--sfreq", type=int, default=SFREQ, help="rate of the model's windows")
    args = parser.parse_args()
    torch.manual_seed(0)
    contract = Preprocessing(
        sfreq=args.sfreq, window=WINDOW, ch_names=CH_NAMES, units=("µV",) * len(CH_NAMES),
        label_names=("rest", "event"),
    )  # fmt: skip
    model = BIOT(
        n_outputs=2, channels=CH_NAMES, sfreq=args.sfreq, n_times=contract.n_times,
        **SIZES[args.size],
    )  # fmt: skip
    predictor = Timed(model, contract, device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        paths = write_recordings(Path(folder), args.recordings)
        begin, begin_cpu = time.perf_counter(), time.process_time()
        n_windows = sum(len(found) for found in predictor.predict_many(paths, workers=args.workers))
        whole, whole_cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
    batches = predictor.batches
    begin, begin_cpu = time.perf_counter(), time.process_time()
    for batch in batches:
        Predictor.probabilities(predictor, batch)
    alone, alone_cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
    print(
        f"{args.recordings} recordings, {n_windows} windows, {args.size} size, "
        f"{args.workers} worker(s), {torch.get_num_threads()} thread(s), load "
        f"{os.getloadavg()[0]:.1f}: {whole:.1f} s in all, forward passes {alone:.1f} s alone "
        f"({predictor.seconds:.1f} s within): {whole / alone:.2f} times; "
        f"processor time {whole_cpu:.1f} s in all, {alone_cpu:.1f} s alone: "
        f"{whole_cpu / alone_cpu:.2f} times"
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
