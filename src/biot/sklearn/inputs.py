"""What X may be, and how it becomes windows of named channels in known units."""

# n windows, C channels, T samples

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import ceil
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from biot.errors import (
    ChannelError,
    ConfigError,
    ContractError,
    CorpusError,
    counted,
    listed,
    near_word,
)
from biot.preprocessing import FILE_NAME, Preprocessing
from biot.signals.channels import canonical, kind
from biot.signals.flat import find_flat
from biot.signals.formats.braindecode import from_braindecode
from biot.signals.formats.mne import is_epochs, is_raw, recording_of_epochs, units_of
from biot.signals.montage import MontagePlan, plan
from biot.signals.preprocess import preprocessed
from biot.signals.recording import Recording, joined
from biot.signals.units import (
    KNOWN_UNITS,
    conversion,
    is_known_unit,
    ratio,
    tell_of_amplitudes,
    unit_factors,
)

__all__ = [
    "EpochSource",
    "Units",
    "WindowFormat",
    "array_in_units",
    "as_trained",
    "format_of_array",
    "format_of_sources",
    "require_as_many",
    "require_known_to",
    "require_named",
    "require_usable",
    "sources_of",
    "windows_of",
]

Array: TypeAlias = npt.NDArray[Any]

Units: TypeAlias = str | Sequence[str] | Mapping[str, str] | None
"""One unit for all channels, one each in their order, or by name; None: µV of arrays."""

_ANYTHING = "X may be an array (windows, channels, samples), mne.Epochs, or a list of mne.Epochs."


@dataclass(frozen=True, kw_only=True)
class WindowFormat:
    """What all windows of one fitted estimator have in common."""

    ch_names: tuple[str, ...]
    units: tuple[str, ...]
    """Of each channel, after conversion."""
    sfreq: float
    n_times: int
    named: bool
    """Whether somebody named the channels; else they are numbered, and only their order counts."""


@dataclass(frozen=True, kw_only=True)
class EpochSource:
    """Windows of one MNE or braindecode object: segments of a recording, all of one length."""

    recording: Recording
    bad: tuple[str, ...] = ()
    """Channels that are marked as bad, whose samples are missing."""
    triggers: tuple[str, ...] = ()
    """Channels of triggers, which are left out."""

    @property
    def length(self) -> int:
        """Samples of a window."""
        return self.recording.n_times // len(self.recording.starts)


def sources_of(X: Any) -> list[EpochSource] | None:
    """The windows of MNE's or braindecode's objects; None where X is to be taken as an array.

    Voltages are converted as :func:`biot.from_mne` does, channels of triggers are left out, and
    implausible amplitudes are told of.

    Raises
    ------
    ConfigError
        If X holds no windows, such as an MNE ``Raw``.
    """
    if is_raw(X) or isinstance(X, Recording | str | Path):
        raise ConfigError(
            f"X is a {type(X).__name__}, which is not cut into windows. Cut it with "
            "mne.make_fixed_length_epochs or mne.Epochs; a whole recording is for "
            f"biot.Predictor.predict. {_ANYTHING}"
        )
    if hasattr(X, "datasets") or hasattr(X, "crop_inds"):
        return [_source(recording) for _, recording in from_braindecode(X)]
    several = list(X) if isinstance(X, list | tuple) else [X]
    epochs = [is_epochs(one) for one in several]
    if not any(epochs):
        if type(X).__module__.startswith("mne."):
            raise ConfigError(f"X is a {type(X).__name__}, which holds no windows. {_ANYTHING}")
        return None
    if not all(epochs):
        other = type(several[epochs.index(False)]).__name__
        raise ConfigError(f"X is a list of mne.Epochs, but one item is a {other}. {_ANYTHING}")
    # scikit-learn makes one object of each epoch: those that are alike are read together.
    keys = [_signature(one) or number for number, one in enumerate(several)]
    groups = groupby(zip(keys, several, strict=True), key=lambda pair: pair[0])
    return [_source_of_epochs([one for _, one in group]) for _, group in groups]


def _signature(epochs: Any) -> object:
    """What single epochs of one recording have in common; None for several in one object."""
    if len(epochs.events) > 1:
        return None
    info = epochs.info
    return (tuple(epochs.ch_names), info["sfreq"], len(epochs.times), tuple(info["bads"]),
            tuple(units_of(epochs)), tuple(epochs.get_channel_types()))  # fmt: skip


def _source_of_epochs(parts: Sequence[Any]) -> EpochSource:
    units = units_of(parts[0])  # those of all, by their signature
    recordings = [recording_of_epochs(part, units) for part in parts]
    recording = recordings[0] if len(recordings) == 1 else joined(recordings)
    first = parts[0]
    types = zip(first.ch_names, first.get_channel_types(), strict=True)
    source = _source(recording, frozenset(name for name, what in types if what == "stim"))
    tell_of_amplitudes(source.recording)
    return replace(source, bad=tuple(first.info["bads"]))


def _source(recording: Recording, triggers: frozenset[str] = frozenset()) -> EpochSource:
    lengths = {stop - start for start, stop in recording.segments}
    if len(lengths) > 1:
        raise ConfigError(
            f"X holds windows of {min(lengths)} to {max(lengths)} samples. Cut all to one length."
        )
    names = recording.ch_names
    out = [name for name in names if name in triggers or kind(name) == "stim"]
    rows = [row for row, name in enumerate(names) if name not in out]
    if not rows:
        raise ConfigError("X holds channels of triggers only.")

    def read_samples(start: int, stop: int) -> Any:
        return recording.read(start, stop)[rows]

    picked = replace(
        recording, path=Path("X"), ch_names=tuple(names[row] for row in rows),
        units=tuple(recording.units[row] for row in rows), read_samples=read_samples,
    )  # fmt: skip
    return EpochSource(recording=picked, triggers=tuple(out))


def format_of_sources(
    sources: Sequence[EpochSource],
    *,
    sfreq: float | None,
    ch_names: Sequence[str] | None,
    units: Units,
) -> WindowFormat:
    """The format of windows that say it themselves; what is given besides must agree.

    Raises
    ------
    ConfigError
        If a rate, names or units were given that X contradicts, or the rates in X differ.
    """
    first = sources[0].recording
    rates = sorted({source.recording.sfreq for source in sources})
    lengths = sorted({source.length for source in sources})
    if len(rates) > 1 or len(lengths) > 1:
        raise ConfigError(
            f"X holds windows of {_some(lengths)} samples at {_some(rates)} Hz. Bring them to one "
            "rate and length, with epochs.resample and epochs.crop."
        )
    if sfreq is not None and sfreq != first.sfreq:
        raise ConfigError(
            f"sfreq={sfreq:g} was given, but X is at {first.sfreq:g} Hz. Leave sfreq out, or use "
            f"epochs.resample({sfreq:g}) first."
        )
    names = first.ch_names if ch_names is None else tuple(ch_names)
    if ch_names is not None:
        _require_these(names, first.ch_names)
    montage = plan(first.ch_names, names)
    found = tuple(first.units[entry.plus] for entry in montage.entries if entry.plus is not None)
    if units is not None:
        for name, said, unit in zip(names, declared_units(units, names), found, strict=True):
            if said.strip() not in ("V", "v") and conversion(said, "") != conversion(unit, ""):
                raise ConfigError(
                    f"units says {said!r} of {name}, but X knows its units: volts, converted to "
                    f"{unit!r}. Leave units out, or correct X."
                )
    return WindowFormat(
        ch_names=names, units=found, sfreq=first.sfreq, n_times=lengths[0], named=True
    )


def _some(numbers: Sequence[float]) -> str:
    return " and ".join(f"{number:g}" for number in numbers)


def _require_these(wanted: tuple[str, ...], found: tuple[str, ...]) -> None:
    """Names that are given must be those that X has; their order may differ."""
    montage = plan(found, wanted)
    if montage.absent or montage.unused:
        differing = [f"{listed(montage.absent)} not in X"] * bool(montage.absent)
        differing += [f"{listed(montage.unused)} not in ch_names"] * bool(montage.unused)
        raise ConfigError(
            f"ch_names and the channels of X differ: {'; '.join(differing)}. Leave ch_names out, "
            "or use epochs.pick(ch_names) first."
        )


def windows_of(
    sources: Sequence[EpochSource], wanted: Preprocessing, tell: Callable[[str], None]
) -> Array:
    """Windows as a contract wants them, made as :class:`biot.Predictor` makes them.

    Parameters
    ----------
    wanted
        Channels, which are found by name; units, rate, reference; whether flat channels stay.
    tell
        Is given a sentence on what was left out, was missing or was changed, if anything was.

    Returns
    -------
    numpy.ndarray
        (n, C, T) float32; NaN where a channel is absent or bad, or a stretch is marked as bad.

    Raises
    ------
    ConfigError
        If the windows have another length.
    ChannelError
        If no channel matches.
    """
    parts: list[Array] = []
    said: list[str] = []
    for source in sources:
        found = source.recording
        montage = plan(found.ch_names, wanted.ch_names)
        factors = unit_factors(found, montage, wanted.units)[:, None]
        data = montage.apply(_cut(preprocessed(found, wanted), source, wanted)) * factors
        parts.append(data.astype(np.float32, copy=False))
        said += _notes(source, montage, wanted)
    if said:
        tell(f"X: {'; '.join(dict.fromkeys(said))}.")
    return np.concatenate(parts)


def _cut(recording: Recording, source: EpochSource, wanted: Preprocessing) -> Array:
    """(n, channels, T) from the segments of a recording."""
    n_windows = len(recording.starts)
    length = recording.n_times // n_windows
    # MNE's epochs include their last instant, which adds a sample at either rate.
    surplus = ceil(1 + wanted.sfreq / source.recording.sfreq)
    changed = source.recording.sfreq != wanted.sfreq
    if not (length == wanted.n_times or (changed and 0 < length - wanted.n_times <= surplus)):
        raise ConfigError(
            f"X has windows of {length} samples ({length / wanted.sfreq:g} s), the estimator was "
            f"fitted to {wanted.n_times} ({wanted.n_times / wanted.sfreq:g} s)."
        )
    data = recording.read().reshape(len(recording.ch_names), n_windows, length)
    return np.moveaxis(data, 1, 0)[..., : wanted.n_times]


def _notes(source: EpochSource, montage: MontagePlan, wanted: Preprocessing) -> Iterator[str]:
    own = source.recording.sfreq
    bad = [name for name in source.bad if name not in source.triggers]
    if source.triggers:
        yield f"{listed(source.triggers)} (triggers) left out"
    if bad:
        yield f"{listed(bad)} marked as bad, taken as missing data"
    if montage.absent:
        yield f"{listed(montage.absent)} absent, taken as missing data"
    if montage.unused:
        yield f"{listed(montage.unused)} unknown to the fitted estimator, not used"
    if own != wanted.sfreq:
        slower = f", which leaves nothing above {own / 2:g} Hz" if own < wanted.sfreq else ""
        yield f"resampled from {own:g} to {wanted.sfreq:g} Hz{slower}"
    used = [source.recording.ch_names[i] for i in montage.used]
    flat = None if wanted.keep_flat else find_flat(source.recording).among(used)
    if flat:
        yield f"flat, so missing data: {flat} ({flat.way_out})"


def declared_units(units: Units, ch_names: Sequence[str]) -> tuple[str, ...]:
    """The unit that is said of each channel.

    Raises
    ------
    ConfigError
        If the units do not fit the channels, or one is unknown.
    """
    if units is None or isinstance(units, str):
        said = (units or "µV",) * len(ch_names)
    elif isinstance(units, Mapping):
        said = _by_name(units, ch_names)
    else:
        said = tuple(units)
        if len(said) != len(ch_names):
            raise ConfigError(
                f"units names {counted(len(said), 'unit')}, X has "
                f"{counted(len(ch_names), 'channel')}."
            )
    for name, unit in zip(ch_names, said, strict=True):
        if not isinstance(unit, str) or not is_known_unit(unit):
            raise ConfigError(
                f"units says {unit!r} of {name}, which cannot be converted. Allowed are "
                f"{', '.join(KNOWN_UNITS)}.{near_word(str(unit), KNOWN_UNITS)}"
            )
    return said


def _by_name(units: Mapping[str, str], ch_names: Sequence[str]) -> tuple[str, ...]:
    by_name = {canonical(name): unit for name, unit in units.items()}
    known = {canonical(name) for name in ch_names}
    lacking = [name for name in ch_names if canonical(name) not in by_name]
    unknown = [name for name in units if canonical(name) not in known]
    if lacking or unknown:
        problem = f"has no unit for {listed(lacking)}" if lacking else (
            f"names {listed(unknown)}, which X has not"
        )  # fmt: skip
        raise ConfigError(f"units {problem}. Give one for each of {listed(ch_names, 20)}.")
    return tuple(by_name[canonical(name)] for name in ch_names)


def format_of_array(
    shape: tuple[int, ...], *, sfreq: float | None, ch_names: Sequence[str] | None, units: Units
) -> WindowFormat:
    """The format of windows in an array, (n, C, T), from what is said of it.

    Raises
    ------
    ConfigError
        If the rate is missing, or names or units do not fit the array.
    """
    if sfreq is None:
        raise ConfigError(
            "sfreq is missing: give the samples a second of X, in Hz. (mne.Epochs know theirs.)"
        )
    n_chans, n_times = shape[1:]
    names = tuple(ch_names or (f"channel {index + 1}" for index in range(n_chans)))
    if len(names) != n_chans:
        raise ConfigError(f"ch_names names {counted(len(names), 'channel')}, X has {n_chans}.")
    converted = (
        _converted(*pair)[1] for pair in zip(declared_units(units, names), names, strict=True)
    )
    return WindowFormat(
        ch_names=names, units=tuple(converted), sfreq=float(sfreq), n_times=n_times,
        named=ch_names is not None,
    )  # fmt: skip


def _converted(unit: str, name: str) -> tuple[float, str]:
    """As :func:`conversion`; voltages of a channel whose name says nothing are taken for EEG's."""
    named = kind(name)
    return conversion(unit, "eeg" if named == "misc" else named)


def array_in_units(X: Array, wanted: WindowFormat, units: Units) -> Array:
    """The windows of an array in the format's units; tells of implausible amplitudes.

    Raises
    ------
    ConfigError
        If a unit cannot be converted to the one that the estimator was fitted with.
    """
    said = declared_units(units, wanted.ch_names)
    factors = []
    for name, unit, expected in zip(wanted.ch_names, said, wanted.units, strict=True):
        factor, found = _converted(unit, name)
        further = ratio(found, expected)
        if further is None:
            raise ConfigError(
                f"{name} is in {unit!r} in X, the estimator was fitted with {expected!r}. Say the "
                "unit of each channel of X with units=, or convert X."
            )
        factors.append(factor * further)
    changed = X
    if set(factors) != {1.0}:
        changed = X * np.asarray(factors, dtype=np.float32)[:, None]
    _tell_of_array(changed, wanted)
    return changed


def _tell_of_array(X: Array, wanted: WindowFormat) -> None:
    n_windows, n_chans, length = X.shape
    names = wanted.ch_names if wanted.named else [f"EEG {name}" for name in wanted.ch_names]

    def read_samples(start: int, stop: int) -> Array:
        first, last = start // length, -(-stop // length)
        data = np.moveaxis(X[first:last], 1, 0).reshape(n_chans, -1)
        return data[:, start - first * length : stop - first * length]

    recording = Recording(
        path=Path("X"), ch_names=tuple(names), sfreq=wanted.sfreq, units=wanted.units,
        n_times=n_windows * length, read_samples=read_samples,
    )  # fmt: skip
    tell_of_amplitudes(recording)


def as_trained(found: WindowFormat, source: Path) -> WindowFormat:
    """The format with the units that a pretrained model was trained with, where they convert.

    A corpus of arrays keeps the units that were said of it, say an ECG in µV, of which mV would
    be made here. Other units stay, for :func:`require_known_to` to refuse.
    """
    if not (source / FILE_NAME).is_file():
        return found
    trained = Preprocessing.load(source)
    units = dict(zip(map(canonical, trained.ch_names), trained.units, strict=True))
    wanted = []
    for name, unit in zip(found.ch_names, found.units, strict=True):
        expected = units.get(canonical(name), unit)
        wanted.append(unit if ratio(unit, expected) is None else expected)
    return replace(found, units=tuple(wanted))


def require_known_to(source: Path, windows: Preprocessing) -> None:
    """Refuse windows that a pretrained model is not for, as far as its folder says so.

    Raises
    ------
    ContractError
        If the rate, a channel, a unit or an option is another than the model was trained with.
    """
    if not (source / FILE_NAME).is_file():
        return
    trained = Preprocessing.load(source)
    if windows.sfreq != trained.sfreq:
        raise ContractError(
            f"X is at {windows.sfreq:g} Hz, {source} was trained at {trained.sfreq:g} Hz. Resample "
            f"X: epochs.resample({trained.sfreq:g}), or biot.signals.resample for arrays."
        )
    for name in ("scale", "reference", "keep_flat"):
        found, expected = getattr(windows, name), getattr(trained, name)
        if found != expected:
            raise ContractError(
                f"{name} is {found!r}, {source} was trained with {expected!r}. Give "
                f"{name}={expected!r}."
            )
    filters = {name: getattr(trained, name) for name in ("l_freq", "h_freq", "notch")}
    found = ", ".join(f"{name} {hz:g} Hz" for name, hz in filters.items() if hz is not None)
    if found:
        raise ContractError(
            f"{source} was trained on filtered windows ({found}); the estimators do not filter. "
            "Fine-tune it with biot.prepare and biot.finetune, which do, or take a model without."
        )
    units = dict(zip(map(canonical, trained.ch_names), trained.units, strict=True))
    unknown = [name for name in windows.ch_names if canonical(name) not in units]
    if unknown:
        raise ContractError(
            f"{source} does not know {listed(unknown)} of X; it has the channels "
            f"{listed(trained.ch_names, 20)}. Leave the others out: epochs.pick([…])."
        )
    for name, unit in zip(windows.ch_names, windows.units, strict=True):
        if unit != units[canonical(name)]:
            raise ContractError(
                f"{name} is in {unit!r} in X, {source} was trained with {units[canonical(name)]!r}."
                " Say the unit of each channel of X with units=, or convert X."
            )


def require_named(wanted: WindowFormat) -> None:
    """Refuse to match channels by name where they have none.

    Raises
    ------
    ChannelError
        If the estimator was fitted to an array, and nobody named its channels.
    """
    if not wanted.named:
        raise ChannelError(
            f"X names its channels, but the estimator was fitted to an array of "
            f"{len(wanted.ch_names)} channels without names, so that nothing tells which is which. "
            "Fit it with ch_names=, or to mne.Epochs."
        )


def require_as_many(windows: Array, y: Any) -> None:
    """Raise :class:`ConfigError` unless every window that is left has a label."""
    if y is not None and hasattr(y, "__len__") and len(y) != len(windows):
        raise ConfigError(
            f"X has {len(windows)} epochs that were not dropped, y has {len(y)} labels. Call "
            "epochs.drop_bad() first, and take y = epochs.events[:, 2] then."
        )


def require_usable(outputs: Array) -> None:
    """Raise :class:`CorpusError` if a window of X has no outputs."""
    unusable = ~np.isfinite(outputs).all(axis=1)
    if unusable.any():
        raise CorpusError(
            f"X[{unusable.argmax()}] holds no whole token of recorded samples that vary "
            f"({unusable.sum()} such windows). Leave these windows out."
        )
