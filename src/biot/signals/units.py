"""Units of measurement: one unit for each kind of signal, everything else as declared."""

from __future__ import annotations

import contextlib
import re
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from math import pi

import numpy as np
import numpy.typing as npt

from biot.errors import ContractError, RecordingError, counted, listed
from biot.signals.channels import kind
from biot.signals.flat import without_flat
from biot.signals.montage import MontagePlan
from biot.signals.recording import Array, Recording

__all__ = [
    "KNOWN_UNITS",
    "conversion",
    "is_known_unit",
    "ratio",
    "respelled",
    "tell_of_amplitudes",
    "unit_factors",
    "with_units",
]

_VOLTS = re.compile(
    r"(?:(?P<number>\d{1,6}(?:\.\d{1,9})?|\.\d{1,9})"
    r"|(?:1(?:\.0)?[x*])?10(?:\^|\*\*)(?P<power>[+-]?\d{1,2})"
    r"|1(?:\.0)?e(?P<exponent>[+-]?\d{1,2}))??[x*]?"
    r"(?P<prefix>nano|n|micro|mc|mk|mu|μ|u|milli|m|)-?(?:v|volts?)"
)
"""A voltage in small letters, without blanks, perhaps with a number: ``0.1uv``, ``10^-6v``."""


_POWERS = {"nano": -9, "n": -9, "milli": -3, "m": -3, "": 0}
"""Powers of ten of prefixes; the others mean micro. ``MV`` of old files is never mega."""


_PREFIXES = {-9: "n", -6: "µ", -3: "m", 0: ""}


_WANTED = {"eeg": "µV", "eog": "µV", "emg": "µV", "ecg": "mV"}


_GRAVITY = 9.80665  # m/s², standard


_PER_SECOND = r"(?:(?:/|per|p)s(?:ec(?:onds?)?)?|s(?:ec)?-1)"
_ACCELERATION = re.compile(
    r"(?P<prefix>c|m|)m(?:et(?:er|re)s?)?"
    r"(?:(?:/|per|p)s(?:ec(?:onds?)?)?(?:2|squared)|/s(?:ec)?/s(?:ec)?|s(?:ec)?-2)"
)
_TURNING = re.compile(
    rf"(?P<prefix>milli|m|)(?:(?P<degrees>(?:°|deg(?:rees?)?){_PER_SECOND}|dps)"
    rf"|rad(?:ians?)?{_PER_SECOND})"
)
_GRAVITIES = re.compile(
    r"(?P<prefix>milli|m|micro|μ|u|)-?(?:g|gs|g'?s|gn|gravity|standardgravity|gforce)"
)
_PARTS = {"c": 1e-2, "milli": 1e-3, "m": 1e-3, "": 1.0}
"""What prefixes of movements mean; the others mean micro."""


_SPELLED = {
    **dict.fromkeys(("°c", "degc", "degreec", "degreesc", "°celsius", "celsius"), "°C"),
    **dict.fromkeys(("degcelsius", "degreescelsius"), "°C"),
    **dict.fromkeys(("%", "percent", "pct"), "%"),
    **dict.fromkeys(("bpm", "beats/min", "beats/minute", "beatsperminute"), "bpm"),
    **dict.fromkeys(("microsiemens", "microsiemen"), "µS"),
    **dict.fromkeys(("au", "arbitraryunits"), "a.u."),
    "mmhg": "mmHg",
}
"""Units that stay as they are, by their letters in small, and the one spelling of each."""


_NOTHING = frozenset(("-", "--", "?", "n/a", "nan", "none", "unknown"))
"""What files write where they say no unit."""


@lru_cache(maxsize=1024)
def conversion(declared: str, kind: str) -> tuple[float, str]:
    """What numbers in a declared unit are multiplied by, and the unit that they are in then.

    The voltages of EEG, EOG and EMG become microvolts, those of ECG millivolts; m/s² become g,
    degrees a second rad/s. Other voltages keep their unit, which gets its usual spelling, as do
    °C, %, bpm, mmHg and µS. What is not known stays as it was declared; empty is no unit.
    """
    text = _readable(declared)
    small = re.sub(r"[\s_]", "", text.casefold())
    if small in _NOTHING:
        return 1.0, ""
    voltage = _VOLTS.fullmatch(small)
    found = _voltage(voltage, kind) if voltage else _movement(re.sub(r"[.·*^()]", "", small), kind)
    if found is not None:
        return found
    if re.fullmatch(r"(?:[uμ]|mc|mk|micro)S", text):  # µs are microseconds
        return 1.0, "µS"
    return 1.0, _SPELLED.get(small.replace(".", ""), declared.strip())


def _readable(declared: str) -> str:
    """A unit without brackets around it, each sign as one letter (μ, °, 2, -)."""
    text = declared.strip()
    if re.search("[ÂÎ]", text):  # UTF-8 that was read as Latin-1
        with contextlib.suppress(UnicodeError):
            text = text.encode("latin-1").decode("utf-8")
    text = unicodedata.normalize("NFKC", re.sub("[º˚]", "°", text))
    text = re.sub("[‐‑‒–—−]", "-", text)
    bracketed = re.fullmatch(r"[\[({<]\s*([^\[\](){}<>]*?)\s*[\])}>]", text)
    return bracketed[1] if bracketed else text


def _voltage(found: re.Match[str], kind: str) -> tuple[float, str] | None:
    """Of a voltage; exact, as the powers of ten are added up first."""
    power = _POWERS.get(found["prefix"], -6)
    has_number = any(found[part] for part in ("number", "power", "exponent"))
    total = power + int(found["power"] or found["exponent"] or 0)
    number = Fraction(found["number"] or 1)
    if not number:
        return None
    plain = "µV" if has_number else f"{_PREFIXES[power]}V"
    wanted = _WANTED.get(kind, plain)
    of_wanted = _POWERS.get(wanted.removesuffix("V"), -6)
    return float(number * Fraction(10) ** (total - of_wanted)), wanted


def _movement(small: str, kind: str) -> tuple[float, str] | None:
    """Of accelerations and turning rates, whatever the channel is called; of g, if it is one."""
    for pattern, unit in ((_ACCELERATION, "g"), (_TURNING, "rad/s"), (_GRAVITIES, "g")):
        found = pattern.fullmatch(small)
        if found is None or (pattern is _GRAVITIES and kind != "acc"):
            continue
        factor = _PARTS.get(found["prefix"], 1e-6)
        if pattern is _ACCELERATION:
            factor /= _GRAVITY
        elif pattern is _TURNING and found["degrees"]:
            factor *= pi / 180
        return factor, unit
    return None


def respelled(unit: str) -> str:
    """The unit in today's spelling, where a record of an earlier release may have another."""
    factor, same = conversion(unit, "misc")
    return same if factor == 1 else unit


KNOWN_UNITS = (
    *("V", "mV", "µV", "nV", "g", "mg", "m/s²", "rad/s", "°/s"),
    *("T", "T/m", "°C", "%", "bpm", "mmHg", "µS", "a.u."),
)
"""Units that may be said of arrays, one spelling each; those from T on are not converted."""


def is_known_unit(declared: str) -> bool:
    """Whether a unit is one of :data:`KNOWN_UNITS`, in any spelling that files use."""
    unit = conversion(declared, "misc")[1]
    return unit in KNOWN_UNITS or conversion(declared, "acc")[1] == "g"


def unit_factors(
    recording: Recording, montage: MontagePlan, units: Sequence[str]
) -> npt.NDArray[np.float32]:
    """What each channel of a montage is multiplied by to be in the unit wanted, (n_chans,).

    Raises
    ------
    ContractError
        If a unit cannot be converted.
    """
    factors = np.ones(len(units), dtype=np.float32)
    for row, (entry, wanted) in enumerate(zip(montage.entries, units, strict=True)):
        sources = [index for index in (entry.plus, entry.minus) if index is not None]
        found = {recording.units[index] for index in sources}
        if not found or found == {wanted}:
            continue
        ratios = {unit: ratio(unit, wanted) for unit in found}
        if len(ratios) > 1 or None in ratios.values():
            raise ContractError(_cannot(recording, entry.name, wanted, sources))
        factors[row] = ratios.popitem()[1]
    return factors


def ratio(unit: str, wanted: str) -> float | None:
    """How many `wanted` a `unit` is; None unless one can be converted to the other."""
    (factor, common), (wanted_factor, wanted_common) = (
        conversion(unit, "eeg"),
        conversion(wanted, "eeg"),
    )
    return factor / wanted_factor if common == wanted_common else None


def _cannot(recording: Recording, name: str, wanted: str, sources: Sequence[int]) -> str:
    """Why a channel of a montage cannot be brought to its unit, and the way out."""
    silent = [recording.ch_names[index] for index in sources if not recording.units[index]]
    if silent and wanted:
        return (
            f"{recording.name}: {name} must be in {wanted!r}, but the recording says no unit of "
            f"{listed([repr(channel) for channel in silent])}. Say it with units=, such as "
            f"units={wanted}."
        )
    names = ", ".join(
        f"{recording.ch_names[index]!r} in {recording.units[index]!r}" for index in sources
    )
    must = f"must be in {wanted!r}" if wanted else "must be without a unit, as in training"
    return (
        f"{recording.name}: {name} {must}, the recording has {names}. "
        "Correct the recording's units, or the model's preprocessing.json."
    )


def with_units(
    recording: Recording, units: str | Sequence[str], *, overruled: Collection[int] = ()
) -> Recording:
    """The same recording with units of the channels for which it says none.

    Parameters
    ----------
    units
        One unit for all of them, or one for each channel of the recording; what is empty says
        nothing. It becomes that of the channel's kind, see :func:`conversion`. A unit that the
        recording declares stays.
    overruled
        Positions of channels that declare a unit (:attr:`Recording.declared`) which is wrong.

    Raises
    ------
    RecordingError
        If there is not one unit for each channel.
    """
    n_chans = len(recording.ch_names)
    said = [units] * n_chans if isinstance(units, str) else list(units)
    if len(said) != n_chans:
        raise RecordingError(
            f"{recording.name}: {counted(len(said), 'unit')} for {counted(n_chans, 'channel')} "
            f"({', '.join(recording.ch_names)}). Give one unit, or one a channel."
        )
    rows = [
        row
        for row in range(n_chans)
        if said[row].strip() and (not recording.units[row] or row in overruled)
    ]
    return _in_units(recording, {row: said[row] for row in rows})


def _in_units(recording: Recording, said: Mapping[int, str]) -> Recording:
    """With these units of the channels at these positions, of whose amplitudes is told then."""
    if not said:
        return recording
    factors, units = np.ones(len(recording.ch_names)), list(recording.units)
    for row, unit in said.items():
        what = kind(recording.ch_names[row])
        factors[row], units[row] = conversion(unit, what)
        if recording.units[row]:  # as the file has it, before it was converted
            factors[row] /= conversion(recording.declared[row], what)[0]
    scale_C1 = factors.astype(np.float32)[:, np.newaxis]

    def read_samples(start: int, stop: int) -> Array:
        return np.asarray(recording.read(start, stop) * scale_C1, dtype=np.float32)

    limits = tuple(
        (low * f, high * f) for (low, high), f in zip(recording.limits, factors, strict=False)
    )
    declared = tuple(said.get(row, text) for row, text in enumerate(recording.declared))
    changed = replace(
        recording, units=tuple(units), limits=limits, declared=declared, read_samples=read_samples
    )
    tell_of_amplitudes(changed.pick(sorted(said)))
    return changed


# Standard deviations within two seconds, far outside what is ever recorded from a person.
_PLAUSIBLE = {
    ("eeg", "µV"): (1e-3, 1e3),
    ("eog", "µV"): (1e-3, 1e4),
    ("ecg", "mV"): (1e-5, 20.0),
    ("acc", "g"): (0.0, 10.0),
    ("gyro", "rad/s"): (0.0, 50.0),
}


_STRETCHES = 3


_SECONDS = 2.0


def tell_of_amplitudes(recording: Recording) -> Recording:
    """Warn if channels vary by amounts that their unit makes implausible; nothing is changed.

    What counts is the median standard deviation of three stretches of two seconds. A flat channel
    is not told of.

    Returns
    -------
    Recording
        The one given.
    """
    limits = [
        _PLAUSIBLE.get((kind(name), unit))
        for name, unit in zip(recording.ch_names, recording.units, strict=True)
    ]
    if not any(limits):
        return recording
    found = defaultdict(list)
    for i, (limit, spread) in enumerate(zip(limits, _spread(recording), strict=True)):
        if limit is not None and spread > 0 and not limit[0] <= spread <= limit[1]:
            found[kind(recording.ch_names[i]), recording.units[i]].append((i, spread))
    for (what, unit), channels in found.items():
        low, high = _PLAUSIBLE[what, unit]
        names = [recording.ch_names[i] for i, _ in channels]
        typical = float(np.median([spread for _, spread in channels]))
        warnings.warn(
            f"{recording.name}: as {what}, {listed(names)} have implausible amplitudes: a standard "
            f"deviation of {typical:.3g} {unit}, where {low:g} to {high:g} {unit} is to be "
            "expected. The unit that is declared may be wrong; nothing was rescaled.",
            stacklevel=3,
        )
    return recording


def _spread(recording: Recording) -> npt.NDArray[np.float64]:
    """(n_chans,) typical standard deviation over a short time; 0 where nothing is recorded."""
    varying = without_flat(recording)
    length = max(2, min(recording.n_times, round(_SECONDS * recording.sfreq)))
    last = max(0, recording.n_times - length)
    spreads = []
    for start in sorted({last * (i + 1) // (_STRETCHES + 1) for i in range(_STRETCHES)}):
        data = varying.read(start, min(start + length, recording.n_times)).astype(np.float64)
        present = np.isfinite(data)
        count = np.maximum(present.sum(axis=1), 1)
        mean = np.where(present, data, 0).sum(axis=1) / count
        spreads.append(np.sqrt((np.where(present, data - mean[:, None], 0) ** 2).sum(1) / count))
    typical: npt.NDArray[np.float64] = np.median(spreads, axis=0)
    return typical
