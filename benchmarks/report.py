"""The report of a night: how long it takes to write, how large it is, how soon it is drawn.

A simulated recording of 24 h, 32 channels and 256 Hz, with predictions every 2 s and some events;
it is made piece by piece, so that the memory is that of the report. `python benchmarks/report.py
[--hours H] [--channels C] [--out FILE]` prints one line a measurement. Drawing is measured in
Chromium from the start of the navigation to the first complete drawing, five times.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
import tracemalloc
from datetime import datetime
from pathlib import Path

import numpy as np

from biot.events.event import Event, Events
from biot.inference.predictions import Predictions
from biot.report.recording import recording_report
from biot.signals.recording import Array, Recording

SFREQ = 256
LABELS = ("background", "seizure")
BROWSER = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def night(hours: float, n_chans: int) -> Recording:
    """Noise that swells and fades, with one spike of a single sample in the first channel."""
    rng = np.random.default_rng(0)
    tile = 20 * rng.standard_normal((n_chans, 601 * SFREQ)).astype(np.float32)
    n_times = round(hours * 3600 * SFREQ)
    spike = n_times // 3

    def read_samples(start: int, stop: int) -> Array:
        places = np.arange(start, stop)
        swell = 1 + 0.8 * np.sin(places / (900 * SFREQ)).astype(np.float32)
        data = tile[:, places % tile.shape[1]] * swell
        if start <= spike < stop:
            data[0, spike - start] = 2000
        return data

    return Recording(
        path=Path("night.edf"), ch_names=tuple(f"EEG {i + 1}" for i in range(n_chans)),
        sfreq=SFREQ, n_times=n_times, units=("µV",) * n_chans, read_samples=read_samples,
        meas_date=datetime(2024, 1, 31, 22, 30),
    )  # fmt: skip


def predicted(recording: Recording) -> tuple[Predictions, Events]:
    """A window every 2 s, and what they amount to."""
    start = np.arange(0, recording.duration - 4, 2.0)
    rng = np.random.default_rng(1)
    p = 1 / (1 + np.exp(9 - 12 * np.sin(start / 2000) ** 16 - rng.standard_normal(len(start))))
    predictions = Predictions(
        name=recording.name, start=start, stop=start + 4, probabilities=np.stack([1 - p, p], 1),
        label_names=LABELS, duration=recording.duration,
    )  # fmt: skip
    borders = np.flatnonzero(np.diff(np.concatenate([[0], p > 0.5, [0]])))
    events = tuple(
        Event(
            onset=float(start[first]), duration=float(2 * (last - first)), label=LABELS[1],
            confidence=float(p[first:last].mean()),
        )
        for first, last in borders.reshape(-1, 2)
    )  # fmt: skip
    made = Events(
        name=recording.name, events=events, duration=recording.duration, label_names=LABELS
    )
    return predictions, made


def drawing_times(path: Path, n: int = 5) -> list[float]:
    """Seconds from the start of the navigation to the first complete drawing."""
    from playwright.sync_api import sync_playwright

    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    times = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=BROWSER)
        for _ in range(n):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(path.absolute().as_uri())
            page.wait_for_selector("#timeline[data-drawn]")
            mark = "performance.getEntriesByName('timeline-drawn')[0].startTime"
            times.append(page.evaluate(mark) / 1000)
            page.close()
        browser.close()
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    out = args.out or Path(tempfile.mkdtemp()) / "night.html"
    recording = night(args.hours, args.channels)
    predictions, events = predicted(recording)
    tracemalloc.start()
    begin = time.perf_counter()
    recording_report(out, predictions, recording, events=events)
    seconds = time.perf_counter() - begin
    peak = tracemalloc.get_traced_memory()[1]
    print(f"{args.hours:g} h, {args.channels} channels, {SFREQ} Hz, {len(events)} events")
    print(f"written in {seconds:.1f} s, at most {peak / 2**20:.0f} MiB in use")
    print(f"size {out.stat().st_size / 1e6:.2f} MB")
    times = drawing_times(out)
    print(f"drawn after {statistics.median(times):.2f} s (median; all: "
          f"{', '.join(f'{t:.2f}' for t in times)})")  # fmt: skip


if __name__ == "__main__":
    main()
