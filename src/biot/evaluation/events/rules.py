"""`EventScoring`: when a predicted event counts as having found a reference event."""

from __future__ import annotations

from dataclasses import dataclass

from biot.settings import Settings, documented, setting

__all__ = ["EventScoring"]

_GROUP = "how events are scored"


@documented
@dataclass(frozen=True, kw_only=True)
class EventScoring(Settings):
    """When a predicted event counts as having found a reference event; SzCORE's rules by default.

    First, events of the same kind that lie closer than `min_gap` become one, and events longer than
    `max_event_duration` become several. A reference event is found if predicted events cover more
    than `min_overlap` of it, extended by the tolerances. A predicted event is false if it touches
    no reference event that was found, extended by the tolerances.
    """

    tolerance_start: float = setting(
        30.0, help="Seconds before a reference event that belong to it.",
        least=0, group=_GROUP, metavar="S",
    )  # fmt: skip
    tolerance_end: float = setting(
        60.0, help="Seconds after a reference event that belong to it.",
        least=0, group=_GROUP, metavar="S",
    )  # fmt: skip
    min_overlap: float = setting(
        0.0,
        help="Share of a reference event, with its tolerances, that predicted events must exceed "
        "to have found it; 0 means any overlap.",
        least=0, below=1, group=_GROUP,
    )  # fmt: skip
    max_event_duration: float | None = setting(
        300.0, help="Longer events are split into events of so many seconds.",
        least=0.1, group=_GROUP, metavar="S",
    )  # fmt: skip
    min_gap: float = setting(
        90.0, help="Events that lie less than so many seconds apart are merged.",
        least=0, group=_GROUP, metavar="S",
    )  # fmt: skip
    rate: float = setting(
        10.0, help="Grid of the event scores, in Hz: onsets and ends are rounded to it.",
        above=0, group=_GROUP, metavar="HZ", option="--event-rate",
    )  # fmt: skip
    sample_rate: float = setting(
        1.0, help="Grid of the sample scores, in Hz.", above=0, group=_GROUP, metavar="HZ"
    )
