"""Where continuous recordings were joined or paused: a new segment begins there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import ceil

from biot.signals.recording import Annotation

__all__ = ["starts_of"]

# MNE's and EEGLAB's joins, BrainVision's pauses.
_JOIN = re.compile(r"(?:(?:BAD|EDGE)[ _])?boundary$|New Segment/", re.IGNORECASE)


def starts_of(
    annotations: Iterable[Annotation], sfreq: float, n_times: int, also: str | None = None
) -> tuple[int, ...]:
    """First samples of the stretches between the joins that a continuous recording marks.

    Parameters
    ----------
    also
        A label that marks a join too, in files of this kind.
    """
    joins = [a.onset * sfreq for a in annotations if _JOIN.match(a.label) or a.label == also]
    # EEGLAB marks a join between two samples, BrainVision the first one after it
    return tuple(
        sorted({0, *(s for s in (ceil(join - 1e-3) for join in joins) if 0 < s < n_times)})
    )
