"""How good a recording is, channel by channel, and what the model makes of each channel."""

from __future__ import annotations

from dataclasses import dataclass

from biot.report.timeline.downsample import Scan
from biot.signals.montage import MontagePlan
from biot.signals.recording import Recording

__all__ = ["ChannelQuality", "channel_qualities", "share"]


@dataclass(frozen=True, kw_only=True)
class ChannelQuality:
    """One row of the table of channels, as it is to be read."""

    name: str
    role: str
    """What the model does with it; empty where that is not known."""
    unit: str
    rate: str
    """Samples a second as it is stored."""
    span: str
    """Its smallest and largest value."""
    flat: str
    """Share of the recorded samples that are flat, see :mod:`biot.signals.flat`."""
    at_ends: str
    """Share of the recorded samples at an end of the converter's range."""
    missing: str
    """Share of all samples that were not recorded."""
    is_poor: bool
    """Whether a tenth or more of it is flat, at the ends or missing."""


def channel_qualities(
    recording: Recording, found: Scan, plan: MontagePlan | None
) -> list[ChannelQuality]:
    """The rows of all channels of a recording, in its order."""
    rates = recording.rates or (recording.sfreq,) * len(recording.ch_names)
    rows = []
    for i, name in enumerate(recording.ch_names):
        recorded = found.n_times - int(found.n_missing[i])
        flat, at_ends = int(found.n_flat[i]), int(found.n_at_ends[i])
        missing = found.n_missing[i] / found.n_times
        worst = max(missing, *(count / recorded for count in (flat, at_ends) if recorded), 0.0)
        rows.append(
            ChannelQuality(
                name=name,
                role=_role(recording, i, plan),
                unit=recording.units[i] or "no unit",
                rate=f"{rates[i]:g} Hz",
                span=f"{_number(found.lowest[i])} to {_number(found.highest[i])}"
                if recorded
                else "–",
                flat=share(flat, recorded),
                at_ends=share(at_ends, recorded) if recording.limits else "not known",
                missing=share(int(found.n_missing[i]), found.n_times),
                is_poor=bool(worst >= 0.1),
            )
        )
    return rows


def _number(value: float) -> str:
    """Four digits, and no exponent where people read none."""
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e8 else f"{value:.4g}"


def share(part: int, whole: int) -> str:
    """A part in per cent, such that little is not called nothing, nor almost all called all."""
    if whole == 0:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.1f} %" if 0 < percent < 100 else f"{percent:.0f} %"


def _role(recording: Recording, row: int, plan: MontagePlan | None) -> str:
    if plan is None:
        return ""
    name = recording.ch_names[row]
    matched = [entry.name for entry in plan.entries if entry.minus is None and entry.plus == row]
    derived = [
        entry.name
        for entry in plan.entries
        if entry.minus is not None and row in (entry.plus, entry.minus)
    ]
    words = ["used" if as_name == name else f"used as {as_name}" for as_name in matched]
    words += [f"part of {', '.join(derived)}"] if derived else []
    said = ", ".join(words) or "not used"
    return f"{said}; marked as bad" if name in recording.bad else said
