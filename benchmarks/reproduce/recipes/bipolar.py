"""Recordings of single electrodes, written once more as the 16 bipolar channels of the paper.

`biot prepare` keeps the channels that were recorded. The published scores of TUAB and TUEV are for
differences of neighbouring electrodes, so these are written as files of their own first. That takes
about as much room as the recordings themselves.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
from tqdm import tqdm

from biot.errors import BiotError, ConfigError, listed, require
from biot.io import atomic_file
from biot.signals import PREST_16, plan, read_recording

__all__ = ["bipolar"]


def bipolar(data: Path, out: Path) -> Path:
    """Write every EDF file below a folder with 16 bipolar channels, at the same place below `out`.

    Files ``.rec`` beside a recording come along. A recording that lacks an electrode, or cannot be
    read, is left out, as by the authors, and told. What an earlier call wrote is kept.

    Raises
    ------
    ConfigError
        If no recording is left.
    """
    left_out = []
    recordings = sorted(data.rglob("*.edf"))
    for path in tqdm(recordings, unit="file", desc="bipolar", disable=not sys.stderr.isatty()):
        target = out / path.relative_to(data)
        if target.is_file():
            continue
        try:
            _write(path, target)
        except BiotError as error:
            left_out.append(f"{path.relative_to(data)} ({error})")
    if left_out:
        sys.stdout.write(f"\nLeft out, {len(left_out)} recordings: {listed(left_out, 5)}\n")
    if len(left_out) == len(recordings):
        raise ConfigError(
            f"{data}: none of {len(recordings)} EDF files below it can be used. Give --data the "
            "folder that holds edf/train and edf/eval, as published."
        )
    return out


def _write(path: Path, target: Path) -> None:
    edfio = require("edfio", extra="signals")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `biot prepare` tells of the file that is written
        recording = read_recording(path)
    montage = plan(recording.ch_names, PREST_16)
    if montage.absent:
        raise ConfigError(f"it lacks electrodes of {listed(montage.absent)}")
    samples = montage.apply(recording.read())
    if not np.isfinite(samples).all():
        raise ConfigError("it has stretches without samples, which EDF cannot hold")
    whole = int(samples.shape[1] // recording.sfreq * recording.sfreq)  # EDF has whole seconds
    signals = []
    for name, values in zip(PREST_16, samples[:, :whole].astype(np.float64), strict=True):
        most = max(1.0, float(np.ceil(np.abs(values).max())))
        signals.append(
            edfio.EdfSignal(
                values, sampling_frequency=recording.sfreq, label=name, physical_dimension="uV",
                physical_range=(-most, most),
            )
        )  # fmt: skip
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".rec")
    if beside.is_file():
        shutil.copyfile(beside, target.with_suffix(".rec"))
    with atomic_file(target) as partial:
        edfio.Edf(signals).write(partial)
