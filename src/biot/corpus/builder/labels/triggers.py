"""Events from the codes of a channel of triggers, such as BioSemi's ``Status``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from biot.corpus.builder.windows.events import Stretch
from biot.errors import RecordingError, listed, near_word
from biot.signals.channels import canonical, kind
from biot.signals.formats.edf import read_edf_signal
from biot.signals.recording import Recording

__all__ = [
    "trigger_channel",
    "trigger_stretches",
]

_CODES = 0xFFFF
"""The lower 16 bits: BioSemi keeps its own state (battery, speed, range) in the others."""
_ABSENT = np.iinfo(np.int64).min
"""Stands for a sample that is missing, of any value."""
_SAMPLES_AT_ONCE = 2**20
_ROUNDING = 0.01
_PREFERRED = ("STI101", "STI 014")
"""Channels that MNE takes first, which hold what the other STI channels hold in parts."""

Codes = npt.NDArray[np.int64]


def trigger_channel(recording: Recording, name: str, wanted: str | None = None) -> int:
    """Position of the channel of triggers.

    Raises
    ------
    RecordingError
        If it is not there, or there are several and none is `wanted`.
    """
    names = recording.ch_names
    if wanted is not None:
        rows = [row for row, each in enumerate(names) if canonical(each) == canonical(wanted)]
        if len(rows) != 1:
            raise RecordingError(
                f"{name}: trigger_channel must be a channel that is there once "
                f"({listed(list(names), 20)}); got {wanted!r}.{near_word(wanted, names)}"
            )
        return rows[0]
    rows = [row for row, each in enumerate(names) if kind(each) == "stim"]
    for first in _PREFERRED:
        rows = [row for row in rows if names[row] == first] or rows
    if not rows:
        raise RecordingError(
            f"{name}: has no channel of triggers that is known by its name. Name one with "
            f"trigger_channel; it has {listed(list(names), 20)}."
        )
    if len(rows) > 1:
        raise RecordingError(
            f"{name}: has several channels of triggers. Name one with trigger_channel: "
            f"{listed([names[row] for row in rows], 20)}."
        )
    return rows[0]


def trigger_stretches(
    recording: Recording,
    name: str,
    wanted: str | None,
    left_out: Counter[str],
    told: list[str] | None = None,
) -> list[Stretch]:
    """The codes of a channel of triggers, from where each begins to where the value changes.

    As with ``mne.find_events(consecutive=True, mask=0xFFFF, mask_type="and")``, a change from one
    code to another begins an event too, and a code that is there from the first sample on, or from
    the end of a gap, is none. A single sample between two different values is no code either, but
    bits on their way: what MNE's ``shortest_event`` stops at. Samples are those that are stored,
    at the channel's own rate.

    Parameters
    ----------
    recording
        As it was read.
    name
        What messages call it.
    wanted
        The channel; None: the only one whose name says that it holds triggers.
    left_out
        Counts what is no event.
    told
        Gets whether the channel has bits above those of the codes.

    Raises
    ------
    RecordingError
        If the channel is not certain, or its samples are no whole numbers.
    """
    row = trigger_channel(recording, name, wanted)
    path = recording.path
    is_edf = path is not None and path.suffix.lower() in (".edf", ".bdf")
    stored = read_edf_signal(path, row) if path is not None and is_edf else recording.pick([row])
    found, has_upper_bits = [], False
    for start, stop in stored.segments:
        firsts, values, upper = _runs(stored, start, stop, name)
        has_upper_bits |= upper
        ends = np.append(firsts[1:], stop)
        for i in _events(values, ends - firsts, left_out):
            onset, length = firsts[i] / stored.sfreq, (ends[i] - firsts[i]) / stored.sfreq
            found.append(Stretch(float(onset), float(length), str(values[i])))
    if has_upper_bits and told is not None:
        told.append(
            f"the lower 16 bits of the channel {recording.ch_names[row]} are the codes; bits above "
            "them were set, as BioSemi does, and do not count"
        )
    return found


def _events(values: Codes, lengths: Codes, left_out: Counter[str]) -> Iterator[int]:
    """Which runs of equal values are events; −1 stands for samples that are missing."""
    for i in np.flatnonzero(values > 0):
        before = values[i - 1] if i else -1
        after = values[i + 1] if i + 1 < len(values) else before
        if before < 0:
            left_out["codes there from the first sample on"] += 1
        elif lengths[i] == 1 and before != after:
            left_out["codes of a single sample on the way to another"] += 1
        else:
            yield int(i)


def _runs(recording: Recording, start: int, stop: int, name: str) -> tuple[Codes, Codes, bool]:
    """First sample and code of each run of equal codes, read in pieces; and whether samples have
    bits above those of codes."""
    firsts, values, last, has_upper_bits = [], [], None, False
    for begin in range(start, stop, _SAMPLES_AT_ONCE):
        piece = recording.read(begin, min(begin + _SAMPLES_AT_ONCE, stop))[0]
        whole = _whole_numbers(piece, recording.ch_names[0], name)
        codes = np.where(whole == _ABSENT, -1, whole & _CODES)
        has_upper_bits |= bool(((whole & ~_CODES != 0) & (whole != _ABSENT)).any())
        changes = np.flatnonzero(np.diff(codes)) + 1
        if codes[0] != last:
            changes = np.insert(changes, 0, 0)
        firsts.append(begin + changes)
        values.append(codes[changes])
        last = codes[-1]
    return np.concatenate(firsts).astype(np.int64), np.concatenate(values), has_upper_bits


def _whole_numbers(samples: npt.NDArray[np.float32], channel: str, name: str) -> Codes:
    present = np.isfinite(samples)
    numbers = np.where(present, samples, 0).astype(np.float64)
    whole = np.round(numbers)
    odd = np.abs(numbers - whole) > _ROUNDING
    if odd.any():
        seen = [f"{value:g}" for value in np.unique(numbers[odd])[:5]]
        raise RecordingError(
            f"{name}: the channel of triggers {channel} must hold whole numbers; it has "
            f"{listed(seen)}, so it is scaled or an analogue signal. Name another with "
            "trigger_channel, or give the events as a table of labels."
        )
    return np.where(present, whole.astype(np.int64), _ABSENT)
