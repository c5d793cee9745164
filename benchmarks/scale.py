"""Time and memory against size: many recordings, many windows, a day's file.

Each step runs in a process of its own, at four sizes that double: its processor time, wall time
and peak memory above the imports. Growth is the power of the size by which the last doubling
rises: 1 is linear. A table goes to stdout, a plot (``scale.png``) into the folder.

- *recordings*: EDF files of 20 s (4 channels, 100 Hz): ``biot prepare``, ``load_corpus``,
  ``biot info``, fine-tuning up to its first step, ``biot predict`` of the whole folder;
- *windows*: a corpus of small windows (2 channels × 50 samples): ``load_corpus``, and 200 batches
  of 64 shuffled windows;
- *hours*: one EDF file of 32 channels, predicted.

The models are tiny (one layer of 16): what is measured is what lies around them.

    python benchmarks/scale.py OUT [--quick] [--recordings 1000] [--windows 1000000] [--hours 24]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import math
import multiprocessing
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import datasets  # noqa: F401  # as below: imported once, so that no step's time holds it
import numpy as np
import torch
from tabulate import tabulate

import biot.inference
import biot.training.finetuning.finetune  # noqa: F401
from peer import peak_memory

CH_NAMES = ("C3", "C4", "O1", "O2")
SFREQ, SECONDS, WINDOW = 100, 20, 5
N_FFT = 100
BATCH, BATCHES = 64, 200
DAY_NAMES = (
    "Fp1", "Fp2", "AF3", "AF4", "F7", "F3", "Fz", "F4", "F8", "FC5", "FC1", "FC2", "FC6", "T7",
    "C3", "Cz", "C4", "T8", "CP5", "CP1", "CP2", "CP6", "P7", "P3", "Pz", "P4", "P8", "PO3", "PO4",
    "O1", "Oz", "O2",
)  # fmt: skip
DAY_SFREQ, DAY_WINDOW = 128, 10
QUICK = {"recordings": 32, "windows": 800, "hours": 0.08}
STEPS = {
    "recordings": ("prepare", "load", "info", "finetune's start", "predict the folder"),
    "windows": ("load", "200 batches"),
    "hours": ("predict the file",),
}
Row = dict[str, object]


def write_edf(path: Path, labels: list[str], blocks: list[np.ndarray], sfreq: int) -> None:
    """An EDF file of records of a second, written block by block: (channels, samples) of int16."""
    n, n_records = len(labels), sum(block.shape[1] for block in blocks) // sfreq
    fields = [
        ("0", 8), ("X X X X", 80), ("Startdate X X X X", 80), ("01.01.01", 8), ("00.00.00", 8),
        (str(256 * (n + 1)), 8), ("", 44), (str(n_records), 8), ("1", 8), (str(n), 4),
        *((f"EEG {label}", 16) for label in labels), *[("", 80)] * n, *[("uV", 8)] * n,
        *[("-200", 8)] * n, *[("200", 8)] * n, *[("-32768", 8)] * n, *[("32767", 8)] * n,
        *[("", 80)] * n, *[(str(sfreq), 8)] * n, *[("", 32)] * n,
    ]  # fmt: skip
    with path.open("wb") as file:
        file.write("".join(text.ljust(width) for text, width in fields).encode("ascii"))
        for block in blocks:
            records = block.reshape(n, -1, sfreq).transpose(1, 0, 2)
            file.write(np.ascontiguousarray(records, dtype="<i2").tobytes())


def noise(rng: np.random.Generator, n_chans: int, n_samples: int) -> np.ndarray:
    """Whole numbers of an EDF file: 20 µV."""
    return (20 * 163.84 * rng.standard_normal((n_chans, n_samples))).astype(np.int16)


def make_recordings(folder: Path, n: int) -> None:
    """EDF files of a subject each, a table of labels, a run's model for them."""
    rng = np.random.default_rng(0)
    files = folder / "files"
    files.mkdir()
    lines = ["file\tonset\tduration\tlabel"]
    for i in range(n):
        name = f"s{i:05}.edf"
        write_edf(files / name, list(CH_NAMES), [noise(rng, 4, SFREQ * SECONDS)], SFREQ)
        lines += [f"{name}\t{10 * k}\t10\t{'ab'[k]}" for k in range(2)]
    (folder / "labels.tsv").write_text("\n".join(lines) + "\n")
    save_model(folder / "model", CH_NAMES, SFREQ, WINDOW)


def make_windows(folder: Path, n: int) -> None:
    """A corpus of windows of noise, 1,000 a recording."""
    from biot.corpus.builder.writer import CorpusWriter
    from biot.corpus.schema import WindowBlock
    from biot.preprocessing import Preprocessing

    path = folder / "corpus"
    path.mkdir()
    contract = Preprocessing(sfreq=50, window=1, ch_names=("C3", "C4"), units=("µV",) * 2)
    contract = contract.with_labels(("a", "b"))
    rng, writer = np.random.default_rng(0), CorpusWriter(path, {"source": "benchmark"})
    block = rng.normal(size=(1000, 2, 50)).astype(np.float32)
    for first in range(0, n, 1000):
        m = min(1000, n - first)
        labels = ["ab"[j % 2] for j in range(m)]
        part = WindowBlock(block[:m], [float(j) for j in range(m)], labels)
        writer.add([part], contract, subject=f"s{first}", recording=f"r{first}")
    writer.finish(contract)


def make_hours(folder: Path, hours: float) -> None:
    """A file of 32 channels, a minute of noise again and again, and a model for it."""
    minute = noise(np.random.default_rng(0), len(DAY_NAMES), 60 * DAY_SFREQ)
    blocks = [minute] * max(1, round(60 * hours))
    write_edf(folder / "day.edf", list(DAY_NAMES), blocks, DAY_SFREQ)
    save_model(folder / "model", DAY_NAMES, DAY_SFREQ, DAY_WINDOW)


def save_model(folder: Path, names: tuple[str, ...], sfreq: int, window: int) -> None:
    """The tiny model of random weights."""
    from biot import BIOT, Preprocessing

    contract = Preprocessing(
        sfreq=sfreq, window=window, ch_names=names, units=("µV",) * len(names),
        label_names=("a", "b"),
    )  # fmt: skip
    model = BIOT(
        n_outputs=2, channels=names, sfreq=sfreq, n_times=contract.n_times, n_fft=N_FFT,
        hop_length=N_FFT // 2, embed_dim=16, num_heads=2, num_layers=1,
    )  # fmt: skip
    model.save_pretrained(folder)
    contract.save(folder)


def command(*words: object) -> None:
    """A command of biot, without what it prints."""
    from biot.cli import main

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as e:
        code = main([str(word) for word in words])
    if code:
        raise SystemExit(f"biot {words[0]}: {e.getvalue()}")


class StartedError(Exception):
    """The first step of a training would begin now."""


def start_finetuning(folder: Path) -> None:
    """Fine-tuning, up to its first step."""
    from biot.training import finetune
    from biot.training.trainer import Trainer

    with (
        patch.object(Trainer, "_train_on", side_effect=StartedError),
        contextlib.suppress(StartedError),
    ):
        finetune(
            folder / "corpus", folder / "run", progress=False, device="cpu", embed_dim=16,
            num_heads=2, num_layers=1, n_fft=N_FFT, hop_length=N_FFT // 2,
        )  # fmt: skip


def read_batches(folder: Path) -> None:
    """Batches of shuffled windows, from all over the corpus."""
    from biot.corpus import load_corpus
    from biot.corpus.batch import collate

    corpus = load_corpus(folder / "corpus")
    order = np.random.default_rng(0).permutation(len(corpus))
    for first in range(0, min(BATCHES * BATCH, len(order)), BATCH):
        collate(corpus, order[first : first + BATCH])


def prepare(folder: Path) -> None:
    """``biot prepare`` with the table of labels."""
    command(
        "prepare", folder / "files", "--out", folder / "corpus", "--sfreq", SFREQ,
        "--window", WINDOW, "--labels", folder / "labels.tsv",
    )  # fmt: skip


def load(folder: Path) -> None:
    """Open the corpus."""
    from biot.corpus import load_corpus

    load_corpus(folder / "corpus")


RUNS: dict[str, Callable[[Path], None]] = {
    "prepare": prepare,
    "load": load,
    "info": lambda folder: command("info", folder / "corpus"),
    "finetune's start": start_finetuning,
    "predict the folder": lambda folder: command(
        "predict", folder / "model", folder / "files", "--out", folder / "tables"
    ),
    "200 batches": read_batches,
    "predict the file": lambda folder: command(
        "predict", folder / "model", folder / "day.edf", "--out", folder / "day.csv"
    ),
}


def measured(step: str, folder: Path, results: Any) -> None:
    """Put seconds and MiB of a step, in this process, which has imported everything before."""
    before, wall, processor = peak_memory(), time.perf_counter(), time.process_time()
    RUNS[step](folder)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    results.put({"wall": wall, "processor": processor, "memory": peak_memory() - before})


def in_a_process(step: str, folder: Path) -> Row:
    """:func:`measured` in a process that begins as a copy of this one (Linux)."""
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    process = context.Process(target=measured, args=(step, folder, results))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{step} failed; what it wrote stands above.")
    row: Row = results.get()
    return row


def grown(kind: str, largest: float, shares: Sequence[int]) -> list[Row]:
    """All steps of a kind at sizes that double: the largest divided by each share."""
    make = {"recordings": make_recordings, "windows": make_windows, "hours": make_hours}[kind]
    rows = []
    for share in shares:
        size = largest / share if kind == "hours" else max(1, round(largest / share))
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder), size)
            for step in STEPS[kind]:
                rows.append({"kind": kind, "step": step, "size": size})
                rows[-1].update(in_a_process(step, Path(folder)))
                sys.stderr.write(f"{rows[-1]}\n")
    return rows


def table(rows: list[Row]) -> str:
    """One line a step: the largest size, its figures, and the growth of the last doubling."""
    lines = []
    for kind, step in dict.fromkeys((row["kind"], row["step"]) for row in rows):
        *_, half, whole = (row for row in rows if (row["kind"], row["step"]) == (kind, step))
        growth = [_growth(half[key], whole[key]) for key in ("processor", "memory")]
        figures = [whole["processor"], whole["wall"], growth[0], whole["memory"], growth[1]]
        lines.append([f"{step}, {whole['size']:,} {kind}", *figures])
    headers = ["step", "processor, s", "wall, s", "growth", "peak, MiB", "growth"]
    return tabulate(
        lines, headers, tablefmt="github", floatfmt=("", ".2f", ".2f", ".2f", ".0f", ".2f")
    )


def _growth(half: object, whole: object) -> float:
    small, large = float(str(half)), float(str(whole))
    return math.log2(large / small) if small > 0 and large > 0 else math.nan


def draw(rows: list[Row], path: Path) -> None:
    """Time and memory of all steps against the share of the largest size, both by logarithm."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.2), layout="constrained")
    axes = figure.subplots(1, 2)
    for kind, step in dict.fromkeys((row["kind"], row["step"]) for row in rows):
        own = [row for row in rows if (row["kind"], row["step"]) == (kind, step)]
        sizes = [row["size"] for row in own]
        for ax, key in zip(axes, ("processor", "memory"), strict=True):
            shares = [size / max(sizes) for size in sizes]
            ax.plot(
                shares, [row[key] for row in own], "o-", label=f"{step}, {max(sizes):,.9g} {kind}"
            )
    for ax, name in zip(axes, ("processor time (s)", "peak above imports (MiB)"), strict=True):
        ax.set(xscale="log", yscale="log", xlabel="share of the largest size", ylabel=name)
        ax.set_xticks([0.125, 0.25, 0.5, 1], ["1/8", "1/4", "1/2", "1"], minor=False)
        ax.minorticks_off()
        ax.grid(visible=True, alpha=0.3)
    lines, names = axes[0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside lower center", ncols=3, fontsize="small")
    figure.savefig(path, dpi=150)


def main() -> int:
    """Print the table and write the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the plot")
    parser.add_argument("--recordings", type=int, default=1000)
    parser.add_argument("--windows", type=int, default=1_000_000)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--only", choices=STEPS, nargs="+", default=list(STEPS))
    parser.add_argument("--quick", action="store_true", help="very small sizes, for a test")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)  # before the hours of work
    rows: list[Row] = []
    for kind in args.only:
        largest, shares = getattr(args, kind), (8, 4, 2, 1)
        rows += grown(kind, QUICK[kind], (2, 1)) if args.quick else grown(kind, largest, shares)
    draw(rows, args.out / "scale.png")
    sys.stdout.write(f"load {os.getloadavg()[0]:.1f}, one thread\n\n{table(rows)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
