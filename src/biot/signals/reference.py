"""Re-referencing: what the EEG of a recording is measured against, and how to change it.

A potential is a difference. Channels against one common electrode become channels against another
reference by subtracting it from each: the mean of all of them, or that of the channels named.
Differences of two electrodes (``Fp1-F7``) are the same whatever the reference, and stay.
"""

# C channels, T samples, M members of the reference
from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import RecordingError, listed
from biot.signals.channels import COMMON_REFERENCES, canonical, kind, parse
from biot.signals.recording import Array, Recording

__all__ = [
    "Rereferencing",
    "is_difference",
    "recorded_reference",
    "rereferenced",
    "rereferencing",
]

_WORDS = {
    **dict.fromkeys(("AVG", "AVE", "AV", "AR", "CAR", "AVERAGE", "COMMON AVERAGE"), "average"),
    **dict.fromkeys(("LE", "AA", "A1A2", "A1+A2", "(A1+A2)/2", "LINKED EARS"), "linked ears"),
    **dict.fromkeys(("LM", "M1M2", "M1+M2", "(M1+M2)/2", "LINKED MASTOIDS"), "linked mastoids"),
}
"""References that go by several names, in capitals; any other keeps its own."""
_NOT_SAID = ("", "N/A", "NONE", "UNKNOWN")


@dataclass(frozen=True, kw_only=True)
class Rereferencing:
    """Which channels a reference is subtracted from, and which it is the mean of."""

    targets: tuple[int, ...]
    members: tuple[int, ...]

    def apply(self, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Subtract the mean of the members that are present, sample by sample.

        Parameters
        ----------
        data
            (…, C, T) of floating type; NaN where a sample is missing. It is not changed.

        Returns
        -------
        numpy.ndarray
            Like `data`. Missing is what was, what has no member present, and a member that is the
            only one present: against itself it is 0, which says nothing.
        """
        if not self.targets:
            return data
        values_MT = data[..., self.members, :].astype(np.float64)
        present_MT = ~np.isnan(values_MT)
        count_T = present_MT.sum(axis=-2)
        total_T = np.where(present_MT, values_MT, 0.0).sum(axis=-2)
        mean_T = np.where(count_T > 0, total_T / np.maximum(count_T, 1), np.nan)
        out = np.array(data)
        out[..., self.targets, :] = data[..., self.targets, :] - mean_T[..., np.newaxis, :]
        alone = np.zeros(data.shape, dtype=bool)
        alone[..., self.members, :] = (count_T < 2)[..., np.newaxis, :]
        out[alone] = np.nan
        return out


def rereferencing(
    ch_names: Sequence[str], units: Sequence[str], reference: str, *, where: str
) -> Rereferencing:
    """How channels come to a reference; warns where there is no EEG channel that it changes.

    Parameters
    ----------
    reference
        ``"none"``; ``"average"``, the mean of all EEG channels against a common reference; or the
        names of channels with commas between them, whose mean it is.
    where
        Name of the recording, for messages.

    Raises
    ------
    RecordingError
        If a channel that is named is not there or twice, ``"average"`` has one channel only, or
        the channels have different units.
    """
    if reference == "none":
        return Rereferencing(targets=(), members=())
    _refuse_biosemi_letters(ch_names, where)
    eeg = _of_common_reference(ch_names)
    if reference == "average":
        members = eeg
        if len(eeg) == 1:
            raise RecordingError(
                f"{where}: the average reference needs two EEG channels or more; it has "
                f"{ch_names[eeg[0]]} only. Prepare it apart, with reference=none."
            )
    else:
        members = tuple(_place(name, ch_names, where) for name in reference.split(","))
    if not eeg:
        warnings.warn(
            f"{where}: reference={reference} changes nothing: by its name, no channel is EEG "
            f"against a common reference ({listed(ch_names)}).",
            stacklevel=3,
        )
        return Rereferencing(targets=(), members=())
    targets = tuple(sorted({*eeg, *members}))
    found = dict.fromkeys(units[i] for i in targets)
    if len(found) > 1:
        raise RecordingError(
            f"{where}: its EEG channels are in {' and '.join(map(repr, found))}, so that they "
            "cannot be subtracted from each other. Correct their units."
        )
    return Rereferencing(targets=targets, members=members)


def rereferenced(recording: Recording, reference: str) -> Recording:
    """The same recording against another reference, still read lazily.

    See :func:`rereferencing` for `reference`, and :meth:`Rereferencing.apply` for missing data,
    which has to be marked before.
    """
    how = rereferencing(recording.ch_names, recording.units, reference, where=recording.name)
    if not how.targets:
        return recording

    def read_samples(start: int, stop: int) -> Array:
        return how.apply(recording.read(start, stop))

    return replace(recording, read_samples=read_samples)


def recorded_reference(recording: Recording) -> str | None:
    """What the EEG of a recording was measured against, as its file or its channel names say.

    ``average``, ``linked ears``, ``linked mastoids``, ``custom`` (it was changed in MNE), or as it
    is written; None where nothing says it.
    """
    if recording.reference is not None:
        return _word(recording.reference)
    places = _of_common_reference(recording.ch_names)
    names = [parse(recording.ch_names[i]).reference for i in places]
    found = {word for name in names if name is not None and (word := _word(name)) is not None}
    return " and ".join(sorted(found)) or None


def is_difference(name: str) -> bool:
    """Whether a channel is by its name a difference of two electrodes, such as ``Fp1-F7``."""
    reference = parse(name).reference
    return reference is not None and reference not in COMMON_REFERENCES


def _word(text: str) -> str | None:
    plain = " ".join(text.upper().split())
    return None if plain in _NOT_SAID else _WORDS.get(plain, text.strip())


def _of_common_reference(ch_names: Sequence[str]) -> tuple[int, ...]:
    """EEG channels against a reference that they share, by their names."""
    eeg = [i for i, name in enumerate(ch_names) if kind(name) == "eeg"]
    shared = [i for i in eeg if not is_difference(ch_names[i])]
    if not shared and len(eeg) > 1 and len({parse(ch_names[i]).reference for i in eeg}) == 1:
        return tuple(eeg)  # Fp1-A1, Fp2-A1, …
    return tuple(shared)


def _place(name: str, ch_names: Sequence[str], where: str) -> int:
    same = [i for i, other in enumerate(ch_names) if canonical(other) == canonical(name)]
    if len(same) == 1:
        return same[0]
    if same:
        twice = " and ".join(repr(ch_names[i]) for i in same)
        raise RecordingError(f"{where}: the reference {name!r} could be {twice}. Rename one.")
    raise RecordingError(
        f"{where}: has no channel {name!r}, which is to be the reference; it has "
        f"{listed(ch_names, 10)}. Choose another reference, or leave the recording out."
    )


def _refuse_biosemi_letters(ch_names: Sequence[str], where: str) -> None:
    names = {canonical(name) for name in ch_names}
    if {"A3", "B1"} <= names:
        raise RecordingError(
            f"{where}: its channels are counted by the letters of a BioSemi cap (A1, A2, A3, …, "
            "B1, …), of which no name says which are EEG; A1 is no ear lobe. Rename them to 10-20 "
            "sites first."
        )
