"""What must be said of a recording before a corpus or a model takes it."""

from __future__ import annotations

from biot.errors import listed
from biot.preprocessing import Preprocessing
from biot.signals.channels import canonical, kind
from biot.signals.flat import FlatChannels
from biot.signals.montage import MontagePlan
from biot.signals.recording import Recording
from biot.signals.reference import is_difference, recorded_reference

__all__ = [
    "is_slower",
    "note_of_bad",
    "note_of_flat",
    "note_of_other_reference",
    "note_of_rate",
    "note_of_reference",
]


def is_slower(sfreq: float, contract: Preprocessing) -> bool:
    """Whether a recording at `sfreq` Hz lacks frequencies that the contract's windows may hold."""
    return sfreq / 2 < _highest(contract)


def _highest(contract: Preprocessing) -> float:
    return min(contract.sfreq / 2, contract.h_freq or contract.sfreq / 2)


def note_of_rate(
    recording: Recording, contract: Preprocessing, plan: MontagePlan | None
) -> str | None:
    """What a recording lacks that is slower than the model; None if it lacks nothing.

    With a plan, the channels that it uses count, each at the rate at which it is stored.
    """
    rates = recording.rates or (recording.sfreq,) * len(recording.ch_names)
    used = range(len(rates)) if plan is None else plan.used
    slow: dict[float, list[str]] = {}
    for i in used:
        if is_slower(rates[i], contract):
            slow.setdefault(rates[i], []).append(recording.ch_names[i])
    if not slow:
        return None
    told = "; ".join(
        f"{'' if len(names) == len(used) else listed(names) + ' '}recorded at {rate:g} Hz: "
        f"nothing above {rate / 2:g} Hz"
        for rate, names in sorted(slow.items())
    )
    return (
        f"{recording.name}: {told}; the model's rate is {contract.sfreq:g} Hz, and its windows "
        f"hold up to {_highest(contract):g} Hz."
    )


def note_of_reference(
    recording: Recording, found: FlatChannels, contract: Preprocessing
) -> str | None:
    """What is lost where channels of the reference are flat; None if none of them is."""
    if contract.reference in ("none", "average") or contract.keep_flat:
        return None
    names = contract.reference.split(",")
    flat = {canonical(name) for name in found.whole}
    lost = [name for name in names if canonical(name) in flat]
    left = [name for name in names if canonical(name) not in flat]
    if not lost:
        return None
    outcome = f"its reference is {' and '.join(left)} alone" if left else "all its EEG is missing"
    return f"{recording.name}: {' and '.join(lost)} of the reference is flat, so {outcome}."


def note_of_other_reference(
    recording: Recording, contract: Preprocessing, plan: MontagePlan
) -> str | None:
    """Whether a recording has another reference than the model's corpus, as far as both say it."""
    own, known = recorded_reference(recording), contract.recorded_references
    if contract.reference != "none" or own is None or own in known:
        return None
    used = [entry.name for entry in plan.entries if entry.status == "matched"]
    depends = [name for name in used if kind(name) == "eeg" and not is_difference(name)]
    if not depends or not (known or own == "custom"):
        return None
    theirs = " or ".join(known) if known else "something that is not known"
    return (
        f"{recording.name}: its EEG is against {own}, that of the model's corpus against {theirs}: "
        f"{listed(depends)} {'is' if len(depends) == 1 else 'are'} not the same signal. A corpus "
        "that is prepared with reference=average has no such difference."
    )


def note_of_bad(recording: Recording, plan: MontagePlan) -> str | None:
    """Which channels that a model uses are marked as bad; None if none is."""
    used = {recording.ch_names[i] for i in plan.used}
    bad = [name for name in recording.bad if name in used]
    return f"{recording.name}: marked as bad, so missing data: {listed(bad)}." if bad else None


def note_of_flat(recording: Recording, found: FlatChannels, contract: Preprocessing) -> str | None:
    """What is flat in a recording, and what becomes of it; None if nothing is."""
    if not found:
        return None
    if contract.keep_flat:
        outcome = (
            "they count as signals, since the model was trained with flat channels kept: what it "
            "makes of them means nothing"
        )
    else:
        outcome = f"they are missing data to the model ({found.way_out})"
    return f"{recording.name}: flat: {found}; {outcome}."
