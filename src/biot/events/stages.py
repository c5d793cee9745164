"""Stages of sleep under their published names: the one list for files, scores and statistics."""

from __future__ import annotations

__all__ = ["STAGES", "named_stage"]

STAGES = ("W", "N1", "N2", "N3", "R")
"""Those of the AASM, in the order of depth."""

_SPELLINGS = {
    "W": ("w", "wake", "wakefulness", "waking", "awake", "wk"),
    "N1": ("n1", "s1", "nrem1", "nrem stage 1", "1"),
    "N2": ("n2", "s2", "nrem2", "nrem stage 2", "2"),
    "N3": (
        *("n3", "s3", "nrem3", "nrem stage 3", "3", "sws", "slow wave sleep", "deep sleep"),
        *("n3/n4", "s3/s4", "n3+n4", "s3+s4", "3/4"),
    ),
    "S4": ("n4", "s4", "nrem4", "nrem stage 4", "4"),
    "R": ("r", "rem", "rem sleep", "paradoxical sleep"),
    "MT": ("m", "mt", "movement", "movement time"),
    "ART": ("art", "artefact", "artifact"),
    "UNS": ("?", "uns", "unscored", "unscorable", "not scored", "unknown", "nd", "n/a"),
}
"""What a stage is called. Rechtschaffen and Kales (1968) have S4 besides, which the AASM counts as
N3; the last three are epochs that nobody could score."""


def _plain(label: str) -> str:
    return "".join(letter for letter in label.casefold() if letter not in " -_.")


_PLAIN = {_plain(word): stage for stage, words in _SPELLINGS.items() for word in words}


def named_stage(label: str) -> str | None:
    """The stage that a label means, such as ``"S4"`` for ``"Sleep stage 4"``.

    Returns
    -------
    str or None
        One of :data:`STAGES`, ``"S4"``, ``"MT"``, ``"ART"`` or ``"UNS"``; None for what is no
        stage. A number alone is none: it means a stage only behind that word.
    """
    text = label.partition("|")[0]  # NSRR writes "Stage 2 sleep|2"
    plain = _plain(text.partition("(")[0] or text)  # "SWS (S3+S4)"
    bare = plain.removeprefix("sleep").removeprefix("stage")
    if bare != plain:
        return _PLAIN.get(bare) or _PLAIN.get(bare.removesuffix("sleep"))
    return None if plain[:1].isdigit() else _PLAIN.get(plain)
