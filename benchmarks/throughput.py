"""Windows a second of whole training, beside a loop written as the BIOT authors'.

Claim: waiting for data takes less than 5 % of the time. How near the rest is to what the machine
can do, ``train_step.py`` prints as the share of the matrix products. Both train a classifier on
the same windows of 16 channels × 10 s at 200 Hz. Theirs: a pickle a window, scaled when it is
read, two worker processes, a plain loop over braindecode 1.8.1's BIOT in float32. Ours: `biot
pretrain --objective supervised` as it stands, with its loader, history and last checkpoint; in
bfloat16 too, where the processor multiplies it.

    PYTHONPATH=../shared/peers/stub python benchmarks/throughput.py [--threads 2] [--steps 6]
"""

from __future__ import annotations

import argparse
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from tabulate import tabulate
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from biot.corpus import from_arrays
from biot.corpus.loader import Loader
from biot.training.pretraining.config import PretrainConfig
from biot.training.pretraining.pretrain import pretrain
from biot.training.trainer import Loop
from peer import SIZE, machine, multiplies_bfloat16, peer_class

BATCH, SFREQ = 32, 200.0
WARM_UP = 2
"""Steps that are not timed: the first of each loop starts threads and processes."""


class Pickles(Dataset[tuple[Tensor, int]]):
    """A window a file, scaled by its 95th percentile, as the authors' loaders do it."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        sample = pickle.loads(self.files[index].read_bytes())
        X = sample["X"]
        X = X / (np.quantile(np.abs(X), q=0.95, method="linear", axis=-1, keepdims=True) + 1e-8)
        return torch.FloatTensor(X), int(sample["y"])


def authors_seconds(files: list[Path], steps: int) -> float:
    """Seconds of the timed steps of a plain loop."""
    torch.manual_seed(0)
    model = peer_class()(**SIZE)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)
    loader = DataLoader(
        Pickles(files), BATCH, shuffle=True, drop_last=True, num_workers=2, persistent_workers=True
    )
    start, done = 0.0, 0
    while True:
        for X, y in loader:
            if done == WARM_UP:
                start = time.perf_counter()
            if done == WARM_UP + steps:
                return time.perf_counter() - start
            optimizer.zero_grad()
            F.cross_entropy(model(X), y).backward()
            optimizer.step()
            done += 1


def our_seconds(corpus: Path, out: Path, steps: int, precision: Any) -> tuple[float, float]:
    """Seconds of the timed steps of a run, and those of them that waited for data."""
    waits: list[float] = []
    clock: list[float] = []
    restore = [
        timed(Loader, "__next__", lambda seconds: waits.append(seconds)),
        timed(Loop, "_train_on", lambda _: clock.append(time.perf_counter())),
    ]
    config = PretrainConfig(
        objective="supervised", steps=WARM_UP + steps, batch_size=BATCH, checkpoint_every=10**6,
        log_every=5, drop_prob=0.5, att_layer_drop_prob=0.2, precision=precision, device="cpu",
    )  # fmt: skip
    try:
        pretrain([corpus], out, config=config)
    finally:
        for undo in restore:
            undo()
    return clock[-1] - clock[WARM_UP - 1], sum(waits[WARM_UP : WARM_UP + steps])


def timed(owner: type, name: str, tell: Callable[[float], object]) -> Callable[[], None]:
    """Tell how long each call of a method takes, until the function that is returned is called."""
    plain = getattr(owner, name)

    def call(*args: Any) -> Any:
        start = time.perf_counter()
        result = plain(*args)
        tell(time.perf_counter() - start)
        return result

    setattr(owner, name, call)
    return lambda: setattr(owner, name, plain)


def write_data(folder: Path, n_windows: int) -> tuple[list[Path], Path]:
    """The same windows as pickles and as a corpus."""
    rng = np.random.default_rng(0)
    n_chans, n_times = SIZE["n_chans"], SIZE["n_times"]
    X = rng.normal(0, 20, (n_windows, n_chans, n_times)).astype(np.float32)
    y = np.arange(n_windows) % SIZE["n_outputs"]
    (folder / "pickles").mkdir()
    files = [folder / "pickles" / f"{index}.pkl" for index in range(n_windows)]
    for file, window, label in zip(files, X, y, strict=True):
        file.write_bytes(pickle.dumps({"X": window, "y": int(label)}))
    from_arrays(
        X, y, subject=np.arange(n_windows) // 16, sfreq=SFREQ, units="µV",
        ch_names=[f"E{index + 1}" for index in range(n_chans)], out=folder / "corpus",
    )  # fmt: skip
    return files, folder / "corpus"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2, help="of torch (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=6, help="timed steps (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    n_windows = BATCH * arguments.steps
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files, corpus = write_data(folder, n_windows)
        theirs = authors_seconds(files, arguments.steps)
        rows = [("authors' loop, braindecode", "32", n_windows / theirs, 1.0, None)]
        for precision in ("32", "bf16") if multiplies_bfloat16() else ("32",):
            seconds, waited = our_seconds(corpus, folder / precision, arguments.steps, precision)
            rate = n_windows / seconds
            rows.append(("biot pretrain", precision, rate, theirs / seconds, waited / seconds))
    print(machine())
    heads = ("training", "precision", "windows/s", "ratio", "waiting for data")
    print(tabulate(rows, heads, floatfmt=("", "", ".2f", ".2f", ".2%")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
