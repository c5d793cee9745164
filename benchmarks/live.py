"""Latency of `biot live`: from a sample's time stamp to its window's prediction, over the loopback.

A process sends noise in chunks of 20 ms, each as soon as its last sample is due; a small model and
one of the default size predict a window of 4 s twice a second, at the stream's rate, and
resampled to 200 Hz with --resample. Prints a table.

    python benchmarks/live.py --seconds 60
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import uuid

import numpy as np
import torch
from tabulate import tabulate

from biot import BIOT, Predictor, Preprocessing
from biot.inference.live.engine import LiveEngine
from biot.inference.live.lsl import LslStream
from biot.inference.live.rows import quantiles
from biot.inference.live.streaming import streamed

SIZES = {"small": {"embed_dim": 64, "num_heads": 4, "num_layers": 2}, "default": {}}
STREAMS = ((8, 250.0), (32, 512.0))
MODEL_SFREQ = 200.0


def send(name: str, n_chans: int, sfreq: float) -> None:
    """Until it is killed."""
    from mne_lsl.lsl import StreamInfo, StreamOutlet, local_clock

    info = StreamInfo(name, "EEG", n_chans, sfreq, "float32", name)
    info.set_channel_names([f"C{i + 1}" for i in range(n_chans)])
    info.set_channel_units("microvolts")
    outlet, random = StreamOutlet(info), np.random.default_rng(0)
    outlet.wait_for_consumers(600)
    began, n_sent = local_clock(), 0
    while True:
        due = began + n_sent / sfreq + 0.02
        time.sleep(max(0.0, due - local_clock()))
        n_new = int((due - began) * sfreq) - n_sent
        data = 20 * random.standard_normal((n_new, n_chans)).astype(np.float32)
        n_sent += n_new
        outlet.push_chunk(data, began + n_sent / sfreq)


def measure(size: str, n_chans: int, sfreq: float, model_sfreq: float, seconds: float) -> list[str]:
    """A row of the table."""
    name = f"benchmark-{uuid.uuid4().hex[:8]}"
    ch_names = tuple(f"C{i + 1}" for i in range(n_chans))
    contract = Preprocessing(
        sfreq=model_sfreq, window=4, ch_names=ch_names, units=("µV",) * n_chans,
        label_names=("a", "b"),
    )  # fmt: skip
    model = BIOT(
        n_outputs=2, channels=ch_names, sfreq=model_sfreq, n_times=contract.n_times, **SIZES[size]
    )
    words = [sys.executable, __file__, "--send", name, str(n_chans), str(sfreq)]
    sender = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        stream = LslStream(name)
        found = stream.find(lambda: True)
        assert found is not None
        predictor = Predictor(model.eval(), contract, device="cpu")
        engine = LiveEngine(predictor, found, stride=0.5, clock=stream.clock)
        for _ in streamed(engine, stream, seconds=seconds):
            pass
    finally:
        sender.kill()
        sender.wait()
    times = [f"{1000 * value:.1f}" for value in quantiles(engine.latencies)]
    return [
        f"{n_chans} at {sfreq:g} Hz", f"{model_sfreq:g} Hz", size, str(len(engine.latencies)),
        *times, str(engine.n_lost), str(engine.n_dropped),
    ]  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--resample", action="store_true")
    parser.add_argument("--send", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.send:
        send(args.send[0], int(args.send[1]), float(args.send[2]))
    torch.set_num_threads(1)
    rows = []
    for n_chans, sfreq in STREAMS:
        for size in SIZES:
            wanted = MODEL_SFREQ if args.resample else sfreq
            rows.append(measure(size, n_chans, sfreq, wanted, args.seconds))
            print("  ".join(rows[-1]), flush=True)
    headers = ("stream", "model's rate", "model", "windows", "p50 ms", "p95 ms", "p99 ms")
    print(tabulate(rows, headers=(*headers, "lost", "dropped"), colalign=("left",) * 3))
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
