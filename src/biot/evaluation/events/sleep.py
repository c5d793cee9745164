"""Stages of sleep under their published names, and what a night of them amounts to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from biot.errors import ConfigError, near_word
from biot.events.stages import STAGES, named_stage

__all__ = ["SleepStatistics", "sleep_statistics", "stage_of", "stages_among"]

_NOBODY = ("MT", "ART", "UNS")
"""Epochs that could not be scored."""


def stage_of(label: str) -> str | None:
    """The stage of the AASM that a label means: ``"N3"`` for ``"Sleep stage 4"`` or ``"SWS"``.

    Returns
    -------
    str or None
        One of :data:`biot.events.stages.STAGES`; ``""`` for what could not be scored; None for what
        is no stage.
    """
    if not label:
        return ""
    named = named_stage(label)
    return "" if named in _NOBODY else "N3" if named == "S4" else named


def stages_among(label_names: Iterable[str]) -> dict[str, str] | None:
    """The stage of each label, where labels are stages of sleep; None where they are not.

    They are where each is a stage, or what could not be scored, and at least three stages are
    there, one of them of non-REM sleep.
    """
    of = {name: stage_of(name) for name in label_names}
    found = {stage for stage in of.values() if stage}
    if None in of.values() or len(found) < 3 or not found & {"N1", "N2", "N3"}:
        return None
    return {name: stage or "" for name, stage in of.items()}


@dataclass(frozen=True, kw_only=True)
class SleepStatistics:
    """What a night amounts to; times in minutes, shares in percent, NaN where undefined.

    As YASA defines them (https://yasa-sleep.org, after Iber et al. 2007), with the REM latency of
    the AASM beside that from the start.
    """

    time_in_bed: float
    """Length of the hypnogram."""
    sleep_period: float
    """From the first epoch of sleep to the end of the last."""
    total_sleep_time: float
    """In N1, N2, N3 and R."""
    sleep_efficiency: float
    """Total sleep time, in percent of the time in bed."""
    sleep_maintenance: float
    """Total sleep time, in percent of the sleep period."""
    waso: float
    """Wake after sleep onset: in the sleep period, so before the last awakening."""
    sleep_onset_latency: float
    """From the start to the first epoch of sleep."""
    rem_latency: float
    """From the first epoch of sleep to the first of R, as the AASM counts."""
    rem_latency_from_start: float
    """From the start to the first epoch of R, as YASA counts."""
    minutes: dict[str, float]
    """In each of :data:`biot.events.stages.STAGES`."""
    percent: dict[str, float]
    """Of the total sleep time, by stage of sleep."""

    def to_dict(self) -> dict[str, float]:
        """One number a name; stages as ``minutes_N1`` and ``percent_N1``."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        minutes, percent = plain.pop("minutes"), plain.pop("percent")
        return {
            **plain,
            **{f"minutes_{stage}": value for stage, value in minutes.items()},
            **{f"percent_{stage}": value for stage, value in percent.items()},
        }


def sleep_statistics(hypnogram: Sequence[str], epoch: float = 30.0) -> SleepStatistics:
    """Total sleep time, efficiency, latencies, and time in each stage of one night.

    Parameters
    ----------
    hypnogram
        Stage of each epoch, by any of the published names (``"N2"``, ``"Sleep stage 2"``, …);
        ``""``, ``"?"`` and ``"MT"`` are epochs that nobody scored: they are time in bed, and
        neither wake nor sleep.
    epoch
        Length of an epoch in seconds.

    Raises
    ------
    ConfigError
        If a label is no stage, or the epoch is not above 0.
    """
    if not (math.isfinite(epoch) and epoch > 0):
        raise ConfigError(f"epoch must be above 0 seconds, got {epoch}.")
    stages = np.array([_required(label) for label in hypnogram], dtype=np.str_)
    length = epoch / 60
    asleep = np.flatnonzero((stages != "W") & (stages != ""))
    rem = np.flatnonzero(stages == "R")
    minutes = {stage: float((stages == stage).sum() * length) for stage in STAGES}
    total, in_bed = float(len(asleep) * length), len(stages) * length
    first, last = (asleep[0], asleep[-1] + 1) if len(asleep) else (0, 0)
    period = float((last - first) * length)
    onset = float(first * length) if len(asleep) else math.nan
    rem_onset = float(rem[0] * length) if len(rem) else math.nan
    return SleepStatistics(
        time_in_bed=float(in_bed),
        sleep_period=period,
        total_sleep_time=total,
        sleep_efficiency=_percent(total, in_bed),
        sleep_maintenance=_percent(total, period),
        waso=float((stages[first:last] == "W").sum() * length) if len(asleep) else math.nan,
        sleep_onset_latency=onset,
        rem_latency=rem_onset - onset,
        rem_latency_from_start=rem_onset,
        minutes=minutes,
        percent={stage: _percent(minutes[stage], total) for stage in STAGES[1:]},
    )


def _required(label: str) -> str:
    stage = stage_of(str(label))
    if stage is None:
        raise ConfigError(
            f"hypnogram has the label {label!r}, which is no stage of sleep. Stages are "
            f"{', '.join(STAGES)} and their published names, such as 'Sleep stage 2', 'S2' or "
            f"'REM'; epochs that nobody scored are ''.{near_word(str(label), STAGES)}"
        )
    return stage


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole > 0 else math.nan
