"""Which channels of a recording count, and under which names: dummies, duplicates, other names.

Preparation and prediction both come through :func:`named`, so that they find the same channels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from biot.errors import ConfigError, RecordingError
from biot.signals.channels import canonical
from biot.signals.recording import Recording

__all__ = [
    "NamedChannels",
    "called",
    "is_dummy",
    "named",
    "renames_of",
]

# "-", ".", "", and what MNE makes of several: "--0", ".-1"
_DUMMY = re.compile(r"[-._\s]*|[-._\s]+-\d+")
_VALUES_AT_ONCE = 2**20


@dataclass(frozen=True, kw_only=True)
class NamedChannels:
    """A recording whose channels can be told apart by name, and what was done for it."""

    recording: Recording
    dummies: tuple[str, ...] = ()
    """Names of channels without a name, such as ``-``, which were left out."""
    repeated: tuple[str, ...] = ()
    """Names of channels that were left out because another has the same name and samples."""
    numbered: tuple[tuple[str, str], ...] = ()
    """Old and new name of channels that have the name of another, but other samples."""
    not_found: tuple[str, ...] = ()
    """Names that were to be changed and are not there."""


def is_dummy(name: str) -> bool:
    """Whether a channel has no name: ``-``, ``.`` or nothing, as in files of CHB-MIT."""
    return _DUMMY.fullmatch(name) is not None


def renames_of(text: str | None) -> dict[str, str]:
    """Old and new names, from ``OLD=NEW,OLD=NEW``.

    Raises
    ------
    ConfigError
        If it is not of this form, or has an old name twice.
    """
    pairs = [part.split("=") for part in text.split(",")] if text else []
    plain = [tuple(name.strip() for name in pair) for pair in pairs]
    if not all(len(pair) == 2 and all(pair) for pair in plain):
        raise ConfigError(
            "rename_channels must be OLD=NEW, several with commas between them, such as "
            f"'EEG 1=Fp1,EEG 2=Fp2'; got {text!r}."
        )
    keys = [canonical(old) for old, _ in plain]
    twice = [old for (old, _), key in zip(plain, keys, strict=True) if keys.count(key) > 1]
    if twice:
        raise ConfigError(
            f"rename_channels must have each old name once; {twice[0]!r} is there twice."
        )
    return {pair[0]: pair[1] for pair in plain}


def called(ch_names: Sequence[str], renames: Mapping[str, str]) -> tuple[str, ...]:
    """The names, changed where one is among the old ones in any spelling."""
    new = {canonical(old): name for old, name in renames.items()}
    return tuple(new.get(canonical(name), name) for name in ch_names)


def named(recording: Recording, renames: Mapping[str, str] | None = None) -> NamedChannels:
    """Leave out dummies and repeated channels, number those that differ, then change names.

    Of channels with one name (in any spelling) whose samples are equal, the first is kept; others
    get ``-0``, ``-1``, …, as MNE writes. The samples are read only where names repeat.

    Parameters
    ----------
    renames
        New names by the old ones, which are found in any spelling; all change at once.

    Raises
    ------
    RecordingError
        If there are dummies only, or a new name is that of another channel.
    """
    kept = [i for i, name in enumerate(recording.ch_names) if not is_dummy(name)]
    if not kept:
        raise RecordingError(f"{recording.name}: no channel has a name.")
    dummies = tuple(name for name in recording.ch_names if is_dummy(name))
    part = recording.pick(kept) if dummies else recording
    first_of = _first_of_each(part)
    own = sorted(set(first_of))
    repeated = tuple(part.ch_names[i] for i, first in enumerate(first_of) if first != i)
    part = part.pick(own) if repeated else part
    numbers = _numbers(part.ch_names)
    part = _called(part, numbers)
    old = [recording.ch_names[kept[i]] for i in own]
    numbered = tuple((a, b) for a, b in zip(old, numbers, strict=True) if a != b)
    names, not_found = _renamed(part, renames or {})
    return NamedChannels(
        recording=_called(part, names), dummies=dummies, repeated=repeated,
        numbered=numbered, not_found=not_found,
    )  # fmt: skip


def _called(recording: Recording, ch_names: Sequence[str]) -> Recording:
    """The recording with other names of its channels, also of those that are marked as bad."""
    pairs = zip(recording.ch_names, ch_names, strict=True)
    bad = tuple(new for old, new in pairs if old in recording.bad)
    return replace(recording, ch_names=tuple(ch_names), bad=bad)


def _groups(ch_names: Sequence[str]) -> list[list[int]]:
    """Channels that have one name, where there are several."""
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(ch_names):
        groups.setdefault(canonical(name), []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def _first_of_each(recording: Recording) -> list[int]:
    """For each channel, the first one that has its name, unit and samples: often itself."""
    first = list(range(len(recording.ch_names)))
    pairs = {
        (a, b)
        for group in _groups(recording.ch_names)
        for place, b in enumerate(group)
        for a in group[:place]
        if recording.units[a] == recording.units[b]
    }
    step = max(1, _VALUES_AT_ONCE // len(first))
    borders = [0, *(border for gap in recording.gaps for border in gap), recording.n_times]
    for begin, end in zip(borders[::2], borders[1::2], strict=True):  # between the gaps
        for start in range(begin, end, step) if pairs else ():
            data = recording.read(start, min(start + step, end))
            pairs = {(a, b) for a, b in pairs if np.array_equal(data[a], data[b], equal_nan=True)}
    for a, b in sorted(pairs, reverse=True):
        first[b] = a
    return first


def _numbers(ch_names: Sequence[str]) -> list[str]:
    """The names, with a number behind those that are there several times."""
    names, taken = list(ch_names), {canonical(name) for name in ch_names}
    for group in _groups(ch_names):
        number = 0
        for i in group:
            while canonical(f"{ch_names[i]}-{number}") in taken:
                number += 1
            names[i] = f"{ch_names[i]}-{number}"
            taken.add(canonical(names[i]))
    return names


def _renamed(
    recording: Recording, renames: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names after the changes, and the old names that are not there."""
    place = {canonical(name): i for i, name in enumerate(recording.ch_names)}
    names = list(recording.ch_names)
    for old, new in renames.items():
        if canonical(old) in place:
            names[place[canonical(old)]] = new
    for group in _groups(names):
        those = " and ".join(repr(recording.ch_names[i]) for i in group)
        name = next(new for new in renames.values() if canonical(new) == canonical(names[group[0]]))
        raise RecordingError(
            f"{recording.name}: rename_channels would call {those} alike, {name!r}. "
            "Give one of them another name."
        )
    return tuple(names), tuple(old for old in renames if canonical(old) not in place)
