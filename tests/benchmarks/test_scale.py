"""The benchmark of sizes runs through, and its figures are of the sizes it names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from biot.signals import read_recording

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks"))


def test_every_step_is_measured_and_drawn(tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "benchmarks" / "scale.py"), str(tmp_path), "--quick"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line.split("|")[1].strip() for line in done.stdout.splitlines() if "|" in line][2:]
    assert lines == [
        "prepare, 32 recordings", "load, 32 recordings", "info, 32 recordings",
        "finetune's start, 32 recordings", "predict the folder, 32 recordings",
        "load, 800 windows", "200 batches, 800 windows", "predict the file, 0.08 hours",
    ]  # fmt: skip
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


def test_its_files_hold_what_was_drawn(tmp_path: Path) -> None:
    from scale import noise, write_edf

    blocks = [noise(np.random.default_rng(seed), 2, 500) for seed in range(3)]
    write_edf(tmp_path / "a.edf", ["C3", "C4"], blocks, sfreq=100)
    recording = read_recording(tmp_path / "a.edf")
    assert recording.sfreq == 100
    expected = np.concatenate(blocks, axis=1) * (400 / 65535) + 200 / 65535
    np.testing.assert_allclose(recording.data, expected, atol=0.01)
