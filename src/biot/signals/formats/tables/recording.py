"""The recording that the samples of a table or an archive make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import RecordingError, counted
from biot.signals.channels import kind
from biot.signals.recording import Annotation, Recording
from biot.signals.units import conversion

__all__ = ["made"]


def made(
    path: Path,
    data: npt.NDArray[Any],
    names: list[str],
    sfreq: float,
    units: str | Sequence[str],
    annotations: Sequence[Annotation] = (),
) -> Recording:
    """A recording of numbers (n_chans, n_times) in the units that are declared.

    Raises
    ------
    RecordingError
        If there are too few units, or the rate is none.
    """
    declared = [units] * len(names) if isinstance(units, str) else list(units)
    if len(declared) != len(names):
        raise RecordingError(
            f"{path.name}: {counted(len(declared), 'unit')} for {counted(len(names), 'channel')} "
            f"({', '.join(names)}). Give one unit, or one a channel."
        )
    if not (np.isfinite(sfreq) and sfreq > 0):
        raise RecordingError(f"{path.name}: a sampling rate must be above 0 Hz, got {sfreq:g}.")
    converted = [conversion(u, kind(name)) for u, name in zip(declared, names, strict=True)]
    factors = np.array([factor for factor, _ in converted])[:, np.newaxis]
    recording = Recording.from_array(
        data * factors,
        ch_names=names,
        sfreq=sfreq,
        units=[unit for _, unit in converted],
        annotations=annotations,
        path=path,
    )
    return replace(recording, declared=tuple(declared))
