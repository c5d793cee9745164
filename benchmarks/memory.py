"""Peak memory of preparing a 2-GB EDF file, above what the imports take; claim: below 300 MB.

    python benchmarks/memory.py

Makes the file in a temporary folder (4 GB of disk in all) and prepares it in a fresh process.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import edfio
import numpy as np

FLOOR = 300
GIGABYTES = 2
N_CHANS, SFREQ = 32, 500

_CODE = """
import resource, sys
import numpy, pyarrow, scipy.signal
from biot.corpus import prepare
import biot.signals
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = prepare(sys.argv[1], sys.argv[2], sfreq=200, window=10)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(report.n_windows, (after - before) / 1024)
"""


def write(path: Path) -> None:
    """A long recording: the header of a short one, its data over and over."""
    data = np.random.default_rng(0).normal(0, 50, (N_CHANS, 60 * SFREQ))
    signals = [
        edfio.EdfSignal(row, SFREQ, label=f"E{number}", physical_dimension="uV")
        for number, row in enumerate(data)
    ]
    edfio.Edf(signals, data_record_duration=1).write(path)
    content = path.read_bytes()
    header, samples = content[: 256 * (N_CHANS + 1)], content[256 * (N_CHANS + 1) :]
    repeats = GIGABYTES * 10**9 // len(samples)
    with path.open("wb") as file:
        file.write(header[:236] + f"{60 * repeats:<8}".encode() + header[244:])
        for _ in range(repeats):
            file.write(samples)


def main() -> None:
    """Measure and print."""
    place = Path(tempfile.mkdtemp())
    try:
        path = place / "long.edf"
        write(path)
        command = [sys.executable, "-c", _CODE, str(path), str(place / "corpus")]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        n_windows, peak = result.stdout.split()
        size = path.stat().st_size / 1e9
        print(f"{size:.2f} GB, {n_windows} windows: {float(peak):.0f} MiB above the imports")
        print(f"floor: below {FLOOR} MB -> {'met' if float(peak) < FLOOR / 1.048 else 'MISSED'}")
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
