"""What a channel's name says: one spelling for each channel, its kind, its electrodes.

Names differ between laboratories (``EEG FP1-REF``, ``Fp1.``, ``T3``) where the channel does not.
:func:`parse` reads a name once; :func:`canonical` and :func:`kind` are its two usual answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = [
    "COMMON_REFERENCES",
    "PREST_16",
    "PREST_18",
    "ChannelName",
    "canonical",
    "kind",
    "parse",
]

PREST_16 = (
    *("FP1-F7", "F7-T7", "T7-P7", "P7-O1", "FP2-F8", "F8-T8", "T8-P8", "P8-O2"),
    *("FP1-F3", "F3-C3", "C3-P3", "P3-O1", "FP2-F4", "F4-C4", "C4-P4", "P4-O2"),
)
"""The 16 bipolar channels of the published checkpoints, in the order of their rows."""

PREST_18 = (*PREST_16, "C3-A2", "C4-A1")
"""The 18 bipolar channels of the published checkpoints: :data:`PREST_16` and two of sleep EEG."""

COMMON_REFERENCES = frozenset(
    {
        *("REF", "LE", "LM", "AA", "A1A2", "A1+A2", "M1M2", "M1+M2", "(A1+A2)/2", "(M1+M2)/2"),
        *("AVG", "AVE", "AV", "AR", "CAR"),
    }
)
"""Suffixes that name a reference which all channels share; no electrode of its own."""

# 10-20 electrodes of 1958, 1985 and later: the same places under older names.
_ALIASES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}

_ROWS = (
    "FP|AFP|AFF|AF|FFT|FFC|FTT|FCC|FT|FC|F|TTP|TPP|TP|T|CCP|CPP|CP|C|PPO|POO|PO|P|OI|O|I"  # 10-5
)
_ELECTRODE = re.compile(rf"(?:(?:{_ROWS})(?:Z|(?:10|[1-9])H?)|NZ|(?:A|M|SP|PG|CB)[12])")
_LEAD = re.compile(r"I{1,3}|AV[RLF]|V[1-9]?|V[3-9]R|V[XYZ]|MLI{1,3}|MCL[1-6]?")
_ECG = re.compile(r"(?:ECG|EKG)[\s_:.-]*(?P<rest>.*)")
_MOVEMENT = re.compile(
    r"(?:(?P<place>.*[^\s_:.-])[\s_:.-]+)?"
    r"(?:(?P<acc>ACC(?:EL(?:EROMETER|ERATION)?)?)|GYR(?:O(?:SCOPE)?)?)"
    r"[\s_:.-]*(?P<axis>[XYZ])"
)
_TRIGGERS = (
    r"STATUS|STI\b|STI\s?\d|STIM|TRIG|TRG|TTL\b|\bDIN\s?\d*\b|MKR\b|EVT\b|DIG\b|MARKER|EVENT"
    r"|PHOTIC"
)
_KINDS = (
    ("eog", re.compile(r"[HV]?EOG|[LR]OC\b|E[12]-[AM][12]$")),
    ("emg", re.compile(r"EMG|CHIN\b|[LR]?LEG\b|SUBMENTAL")),
    ("resp", re.compile(r"RESP|AIRFLOW|FLOW\b|THOR|ABDO|CHEST\b")),
    ("stim", re.compile(_TRIGGERS)),
    ("acc", re.compile(r"ACC(?:EL|(?![A-Z]))")),
    ("gyro", re.compile(r"GYR(?:O|(?![A-Z]))")),
    ("eeg", re.compile(r"EEG")),
)


@dataclass(frozen=True)
class ChannelName:
    """A channel's name, taken apart."""

    canonical: str
    """The one spelling: upper case, without modality, padding and common reference."""
    kind: str
    """``eeg``, ``ecg``, ``eog``, ``emg``, ``resp``, ``acc``, ``gyro``, ``stim`` or ``misc``."""
    electrode: str | None = None
    """The scalp electrode that it records; None where the name holds none."""
    reference: str | None = None
    """What it is recorded against: an electrode or a common reference; None if the name is mute."""


def canonical(name: str) -> str:
    """The one spelling of a channel's name.

    ``EEG FP1-REF``, ``EEG Fp1-LE`` and ``Fp1.`` are ``FP1``; ``T3-T5`` is ``T7-P7``; ``ECG aVR`` is
    ``AVR``; ``Accelerometer_X`` is ``ACC_X``. A name that is not known keeps its words, in upper
    case. The result is its own canonical name.
    """
    return parse(name).canonical


def kind(name: str) -> str:
    """The kind of signal that a channel's name announces.

    One of ``eeg``, ``ecg``, ``eog``, ``emg``, ``resp``, ``acc``, ``gyro``, ``stim``; ``misc`` where
    the name does not say.
    """
    return parse(name).kind


@lru_cache(maxsize=4096)
def parse(name: str) -> ChannelName:
    """Take a channel's name apart."""
    text = _tidy(name)
    bare = re.sub(r"^(?:EEG|POL)[\s_:.-]+", "", text)
    scalp = _scalp(bare)
    if scalp is not None:
        return scalp
    counted = re.fullmatch(r"(.+)-(\d+)", bare)
    scalp = _scalp(counted[1]) if counted else None
    if counted and scalp is not None:
        # of several with one name; which of them is the electrode's is not known
        name = f"{scalp.canonical}-{int(counted[2])}"
        return ChannelName(name, "eeg", reference=scalp.reference)
    bare = _without_references(bare)
    return (
        _ecg(bare)
        or _movement(bare)
        or ChannelName(canonical=text, kind=_kind_of_words(bare, text))
    )


def _tidy(name: str) -> str:
    """Upper case, plain hyphens, single spaces, without the dots that pad some EDF labels."""
    text = re.sub(r"[‐‑‒–—−]", "-", name.upper())
    return re.sub(r"\s+", " ", text).strip(" .")


def _without_references(text: str) -> str:
    text = text.rstrip(" _:.-")
    stem, _, suffix = text.rpartition("-")
    return _without_references(stem) if suffix.lstrip() in COMMON_REFERENCES else text


def _scalp(text: str) -> ChannelName | None:
    electrode, dash, reference = (part.strip() for part in text.partition("-"))
    if not _ELECTRODE.fullmatch(electrode):
        return None
    electrode = _ALIASES.get(electrode, electrode)
    if not dash:
        return ChannelName(electrode, "eeg", electrode)
    if reference in COMMON_REFERENCES:
        return ChannelName(electrode, "eeg", electrode, reference)
    if not _ELECTRODE.fullmatch(reference):
        return None
    reference = _ALIASES.get(reference, reference)
    return ChannelName(f"{electrode}-{reference}", "eeg", electrode, reference)


def _ecg(text: str) -> ChannelName | None:
    text = re.sub(r"^LEAD[\s_:.-]+(?=[IVAM])", "", text)
    if _LEAD.fullmatch(text):
        return ChannelName(text, "ecg")
    found = _ECG.fullmatch(text)
    if found is None:
        return None
    rest = found["rest"].strip(" _:.-")
    inner = _ecg(rest)
    if inner is not None:  # ECG II, ECG ECG1
        return inner
    return ChannelName(f"ECG{rest}" if rest.isdecimal() else f"ECG {rest}".strip(), "ecg")


def _movement(text: str) -> ChannelName | None:
    found = _MOVEMENT.fullmatch(text)
    if found is None:
        return None
    sensor = "acc" if found["acc"] else "gyro"
    place = re.sub(r"[\s_:.-]+", "_", found["place"]) + "_" if found["place"] else ""
    return ChannelName(f"{place}{sensor.upper()}_{found['axis']}", sensor)


def _kind_of_words(*texts: str) -> str:
    for text in texts:
        for name, pattern in _KINDS:
            if pattern.match(text) or (name == "stim" and pattern.search(text)):
                return name
    return "misc"
