"""What must be said of a recording before a corpus or a model takes it."""

from __future__ import annotations

from biot.preprocessing import Preprocessing
from biot.signals.flat import HINT, FlatChannels
from biot.signals.recording import Recording

__all__ = [
    "is_slower",
    "note_of_flat",
    "note_of_rate",
]


def is_slower(sfreq: float, contract: Preprocessing) -> bool:
    """Whether a recording at `sfreq` Hz lacks frequencies that the contract's windows may hold."""
    highest = min(contract.sfreq / 2, contract.h_freq or contract.sfreq / 2)
    return sfreq / 2 < highest


def note_of_rate(recording: Recording, contract: Preprocessing) -> str | None:
    """What a recording lacks that is slower than the model; None if it lacks nothing."""
    if not is_slower(recording.sfreq, contract):
        return None
    seen = min(contract.sfreq / 2, contract.h_freq or contract.sfreq / 2)
    return (
        f"{recording.name}: recorded at {recording.sfreq:g} Hz: nothing above "
        f"{recording.sfreq / 2:g} Hz; the model's rate is {contract.sfreq:g} Hz, and its windows "
        f"hold up to {seen:g} Hz."
    )


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
        outcome = f"they are missing data to the model ({HINT} when the corpus is prepared)"
    return f"{recording.name}: flat: {found}; {outcome}."
