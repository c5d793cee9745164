"""Windows a second of `corpus.batch.collate`, beside a loader made as the authors' is.

Run ``OMP_NUM_THREADS=1 python benchmarks/loader.py``. One thread; 16 channels × 2,000 samples
(10 s at 200 Hz), batches of 64 shuffled windows, everything in the page cache. The authors keep a
pickle file a window, resample it with SciPy's FFT, divide by the 95th percentile of the magnitude
and stack; theirs is rewritten here. Then a process whose memory (RLIMIT_DATA)
is limited to half the corpus's size iterates it whole.
"""

from __future__ import annotations

import argparse
import os
import pickle
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.signal import resample
from torch.utils.data import DataLoader, Dataset

from biot.corpus import load_corpus
from biot.corpus.batch import Dtype, collate
from biot.corpus.builder.writer import CorpusWriter
from biot.corpus.schema import WindowBlock
from biot.preprocessing import Preprocessing

CHANNELS = tuple(f"C{i}" for i in range(16))
N_TIMES, SFREQ, BATCH = 2000, 200.0, 64


class PickledWindows(Dataset[tuple[torch.Tensor, int]]):
    """A file a window, resampled and scaled whenever it is fetched."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        sample = pickle.loads(self.files[index].read_bytes())
        signal = resample(sample["X"], N_TIMES, axis=-1)
        signal = signal / (
            np.quantile(np.abs(signal), q=0.95, method="linear", axis=-1, keepdims=True) + 1e-8
        )
        return torch.FloatTensor(signal), sample["y"]


def write_corpus(folder: Path, n_windows: int) -> None:
    """Noise, a recording for every 1,000 windows."""
    folder.mkdir()
    contract = Preprocessing(
        sfreq=SFREQ, window=N_TIMES / SFREQ, ch_names=CHANNELS, units=("µV",) * 16
    ).with_labels(("a", "b"))
    writer, rng = CorpusWriter(folder, {"source": "benchmark"}), np.random.default_rng(0)
    for first in range(0, n_windows, 1000):
        n = min(1000, n_windows - first)

        def parts(n: int = n) -> list[WindowBlock]:
            return [
                WindowBlock(
                    rng.normal(size=(min(250, n - i), 16, N_TIMES)).astype(np.float32) * 30,
                    [10.0 * j for j in range(i, min(i + 250, n))],
                    ["ab"[j % 2] for j in range(i, min(i + 250, n))],
                )
                for i in range(0, n, 250)
            ]

        writer.add(parts(), contract, subject=f"s{first}", recording=f"r{first}")
    writer.finish(contract)


def write_pickles(folder: Path, n_windows: int) -> list[Path]:
    """The same windows at 256 Hz, as the authors' scripts leave them."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    files = [folder / f"{i}.pkl" for i in range(n_windows)]
    for i, file in enumerate(files):
        file.write_bytes(pickle.dumps({"X": rng.normal(size=(16, 2560)) * 30, "y": i % 2}))
    return files


def rate(run: Callable[[], int], repeats: int) -> float:
    """Windows a second, the median of some runs after one to warm up."""
    run()
    rates = []
    for _ in range(repeats):
        start = time.perf_counter()
        n = run()
        rates.append(n / (time.perf_counter() - start))
    return statistics.median(rates)


def anonymous_mb() -> float:
    """Resident memory of this process that no file backs."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no RssAnon in /proc/self/status")


def iterate(folder: Path) -> None:
    """Every window of a corpus once, with half its size of memory allowed; the growth in MB."""
    size = sum(file.stat().st_size for file in folder.rglob("*.arrow"))
    resource.setrlimit(resource.RLIMIT_DATA, (size // 2, size // 2))
    corpus = load_corpus(folder)
    order = np.random.default_rng(0).permutation(len(corpus))
    collate(corpus, order[:BATCH])
    before, most = anonymous_mb(), 0.0
    for i in range(0, len(order), BATCH):
        collate(corpus, order[i : i + BATCH])
        most = max(most, anonymous_mb() - before)
    print(f"{most:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=12000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--iterate", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.iterate:
        iterate(args.iterate)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "corpus"
        write_corpus(folder, args.windows)
        files = write_pickles(Path(place) / "pickles", 640)
        loader = DataLoader(PickledWindows(files), batch_size=BATCH, shuffle=True)
        corpus = load_corpus(folder)
        rng = np.random.default_rng(1)

        def ours(dtype: Dtype) -> int:
            order = rng.permutation(len(corpus))
            for i in range(0, len(order) - BATCH + 1, BATCH):
                collate(corpus, order[i : i + BATCH], dtype=dtype)
            return len(order) // BATCH * BATCH

        theirs = rate(lambda: sum(len(labels) for _, labels in loader), args.repeats)
        print(f"as the authors': {theirs:,.0f} windows/s")
        for dtype in ("float32", "int16"):
            found = rate(lambda dtype=dtype: ours(dtype), args.repeats)
            print(f"{dtype}: {found:,.0f} windows/s, {found / theirs:.1f} times")
        size = sum(file.stat().st_size for file in folder.rglob("*.arrow")) / 2**20
        command = [sys.executable, __file__, "--iterate", str(folder)]
        # One thread, as above: what torch sets aside for more counts against the limit.
        environment = dict(os.environ, OMP_NUM_THREADS="1")
        grown = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        print(
            f"a corpus of {size:.0f} MB, iterated in half of that: {grown.stdout.strip()} MB more"
        )


if __name__ == "__main__":
    main()
